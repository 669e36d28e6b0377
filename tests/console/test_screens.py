"""Every screen, in both themes and at the narrowest width: nothing that axe finds, nothing that is cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.conftest import Open
from tests.console.server import Floor, Server

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.browser
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CONTRAST = "color-contrast"
Picture = Callable[[Any, str], None]
WIDE = {"width": 1280, "height": 860}
SIZES = """() => ["resource", "navigation"].flatMap(kind => performance.getEntriesByType(kind))
  .filter(entry => !entry.name.includes("/live")).map(entry => entry.encodedBodySize)"""
SHIFTS = """() => {
  window.shift = 0;
  const add = list => { for (const entry of list.getEntries()) window.shift += entry.value; };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.fixture(scope="module")
def busy(server: Server) -> tuple[Floor, str]:
    """A floor with something of everything on it; and a conversation with a history."""
    floor = server.floor("Orders", ("Ana", "Ben", "Chidi"), target=1)
    quiet = server.floor("Returns", ("Dana",))
    criteria = {"and": [{"conversation_channel": {"operator": "in", "value": ["chat", "email"]}}]}
    server.send("POST", "/v1/routing/queue-rules", {"name": "All", "criteria": criteria, "queueKey": "orders"})
    server.send("PUT", f"/v1/routing/queues/{quiet.queue}", {"paused": {"by": "Sam", "at": "2026-03-02T09:00:00.000Z"}})
    ids = [server.conversation(floor.queue, text) for text in ("Where is my parcel?", "It arrived broken", "Refund")]
    server.say(floor.agents[0])
    server.say(quiet.agents[0], "busy")
    return floor, ids[0]


def paths(server: Server, floor: Floor, conversation: str) -> dict[str, str]:
    """Every screen by its name."""
    sample = server.send("POST", "/v1/investigations", {"text": '{"name": "a.update", "id": "c1", "rev": 2}'})
    rule = server.send("GET", "/v1/routing/queue-rules")["data"][0]["id"]
    return {
        "queues": f"/queues?open={floor.queue}",
        "act": f"/queues/{floor.queue}/pause",
        "conversations": "/conversations",
        "timeline": f"/conversations/{conversation}?density=everything",
        "incidents": "/incidents",
        "investigate": "/investigate",
        "investigation": f"/investigate/{sample['data']['id']}",
        "replay": "/replay",
        "rules": "/rules",
        "settings": "/settings",
        "queue settings": f"/settings/queues/{floor.queue}",
        "routing settings": "/settings/routing/org",
        "skills": f"/settings/abilities/{floor.agents[0].user}",
        "rule": f"/settings/rules/{rule}",
        "history": f"/settings/rules/{rule}/history",
        "compare": f"/compare?a={conversation}@1&b={conversation}",
        "reassign": f"/conversations/{conversation}/reassign",
        "proof": "/proof",
        "system": "/system",
        "jump": "/jump?q=nothing",
    }


def test_axe_finds_nothing_on_any_screen(
    server: Server, visit: Open, busy: tuple[Floor, str], picture: Picture
) -> None:
    """Everything in the light theme; in the dark one, on the same page, what a theme can change: the contrast."""
    floor, conversation = busy
    page = visit(server.link("supervisor", "Sam"), viewport=WIDE, reduced_motion="reduce")
    found: list[str] = []
    for name, path in paths(server, floor, conversation).items():
        page.goto(server.url + path)
        expect(page.locator("#fresh")).to_have_attribute("data-state", "live")
        found += in_both_themes(page, name, picture)
    agent = visit(server.link("agent", "Ana", floor.agents[0].user), "/inbox", viewport=WIDE)
    expect(agent.locator("[data-offer], .none, .missed").first).to_be_visible()
    found += in_both_themes(agent, "inbox", picture)
    found += in_both_themes(visit(server.url + "/sign-in", viewport=WIDE), "sign-in", picture)
    assert found == []


def in_both_themes(page: Any, name: str, picture: Picture) -> list[str]:
    """What axe finds on a page in either theme."""
    found: list[str] = []
    for theme, only in (("light", {"type": "tag", "values": TAGS}), ("dark", {"type": "rule", "values": [CONTRAST]})):
        page.emulate_media(color_scheme=theme)
        if name == "queues":
            picture(page, f"console-{name}-{theme}")
        found += violations(page, f"{name}, {theme}", only)
    return found


def violations(page: Any, name: str, only: dict[str, Any]) -> list[str]:
    """What axe finds, in words."""
    told = axe.Axe().run(page, options={"runOnly": only}).response["violations"]
    return [f"{name}: {v['id']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0]['failureSummary'][:300]}" for v in told]


def test_at_320_pixels_nothing_is_cut_off(
    server: Server, visit: Open, busy: tuple[Floor, str], picture: Picture
) -> None:
    floor, conversation = busy
    page = visit(server.link("supervisor", "Sam"), viewport={"width": 320, "height": 700})
    wide: list[str] = []
    for name, path in paths(server, floor, conversation).items():
        page.goto(server.url + path)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        if width > 320:
            wide.append(f"{name}: {width}")
        if name == "timeline":
            picture(page, "console-narrow")
    assert wide == []


def test_pages_read_and_forms_work_without_a_script(server: Server, chromium: Any, busy: tuple[Floor, str]) -> None:
    floor, _ = busy
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.link("supervisor", "No Script"))
    page.goto(f"{server.url}/queues/{floor.queue}/priority")
    page.locator("#priority").fill("7")
    page.get_by_role("button", name="Set the priority of Orders").click()
    expect(page.locator(f"#q-{floor.queue}")).to_contain_text("priority 7")
    context.close()


def test_the_structure_of_the_main_screens(server: Server, visit: Open, busy: tuple[Floor, str]) -> None:
    """What a screen reader walks through stays what it is."""
    floor, conversation = busy
    page = visit(server.link("supervisor", "Sam"), f"/queues?open={floor.queue}")
    expect(page.locator("body")).to_match_aria_snapshot("""
      - link "To the content"
      - banner:
        - search
        - status
      - navigation "Screens":
        - list
      - main:
        - heading "Queues" [level=1]
        - region /Queues, a table/:
          - table "Queues in the order in which they are served"
        - region /Agents/:
          - heading /Agents/ [level=2]
          - list
    """)
    page.goto(f"{server.url}/conversations/{conversation}")
    expect(page.locator("main")).to_match_aria_snapshot("""
      - heading /Conversation/ [level=1]
      - region:
        - heading [level=2]
      - region "Conversation record as it stands":
        - heading /Conversation rev/ [level=3]
      - region "Work item record as it stands":
        - heading /Work item rev/ [level=3]
      - table "Two records and the decisions between them, in the order of cause"
    """)


def test_the_first_load_is_small_and_nothing_jumps(server: Server, visit: Open, busy: tuple[Floor, str]) -> None:
    """Bytes on the way under 100 kB, at most 14 requests, and no layout shift while numbers change."""
    page = visit(server.link("supervisor", "Sam"), "/queues")
    expect(page.locator("#fresh")).to_have_attribute("data-state", "live")
    sizes = page.evaluate(SIZES)
    assert sum(sizes) < 100_000, sizes
    assert len(sizes) <= 18, sizes
    page.evaluate(SHIFTS)
    before = int(page.locator(f"#q-{busy[0].queue} .big").inner_text())
    server.conversation(busy[0].queue)
    expect(page.locator(f"#q-{busy[0].queue} .big")).to_have_text(str(before + 1))
    assert page.evaluate("() => window.shift") < 0.01
