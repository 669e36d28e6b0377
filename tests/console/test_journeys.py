"""Journeys through the console, in a real browser against a real server."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.console.conftest import Open
from tests.console.server import Server

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
pytestmark = pytest.mark.browser
Picture = Callable[[Any, str], None]
EXAMPLE = Path(__file__).parents[2] / "examples" / "incident.md"
SHARED = Path(__file__).parents[3] / "shared" / "incident" / "reverse-sync-of-dequeue.md"
LIVE = re.compile("^Live$")
HIDDEN = """() => {
  Object.defineProperty(document, "hidden", { get: () => true });
  Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def is_live(page: Any) -> None:
    """The stream stands."""
    expect(page.locator("#fresh")).to_have_text(LIVE)


def test_a_supervisor_pauses_a_queue_and_everybody_sees_why(server: Server, visit: Open, picture: Picture) -> None:
    floor = server.floor("Orders", ("Ana", "Ben"))
    for n in range(3):
        server.conversation(floor.queue, f"Where is parcel {n}?")
    watcher = visit(server.link("reader", "Wendy"), f"/queues?open={floor.queue}")
    page = visit(server.link("supervisor", "Sam"), f"/queues?open={floor.queue}")
    is_live(watcher)
    row = page.locator(f"#q-{floor.queue}")
    expect(row.locator(".big")).to_have_text("3")
    expect(page.locator(f"#open-{floor.queue} .inner td code").first).to_have_text("NO_AGENT_SIGNED_IN")
    page.get_by_role("link", name="pause Orders").click()
    expect(page.locator("#panel .effect")).to_contain_text("3 items will wait until somebody resumes the queue")
    page.get_by_label("Why, for the others to read").fill("fire drill")
    picture(page, "console-pause")
    page.get_by_role("button", name="Pause Orders").click()
    expect(page.locator("#notice")).to_contain_text("Orders is paused.")
    expect(row).to_contain_text("paused by Sam")
    expect(watcher.locator(f"#q-{floor.queue}")).to_contain_text("paused by Sam")
    expect(watcher.locator(f"#open-{floor.queue} .inner td code").first).to_have_text("QUEUE_PAUSED")
    expect(watcher.get_by_role("link", name="resume Orders")).to_have_count(0)
    page.get_by_role("link", name="resume Orders").click()
    page.get_by_role("button", name="Resume Orders").click()
    expect(watcher.locator(f"#q-{floor.queue}")).to_contain_text("open")


def test_two_race_for_one_offer_and_the_loser_reads_who_won(server: Server, visit: Open, picture: Picture) -> None:
    floor = server.floor("Race", ("Cleo", "Dan"))
    server.say(floor.agents[0])
    page = visit(server.link("agent", "Cleo", floor.agents[0].user), "/inbox")
    other = visit(server.link("agent", "Cleo", floor.agents[0].user), "/inbox", away=True)
    is_live(page)
    server.conversation(floor.queue, "Who gets me?")
    expect(page.locator("[data-offer] .who")).to_contain_text("Who gets me?")
    expect(page.locator("#called")).to_contain_text("Offer: chat, Who gets me?")
    expect(page).to_have_title(re.compile(r"^\(1\) Offer"))
    picture(page, "console-offer")
    expect(other.locator("[data-offer]")).to_be_visible()
    other.route("**/inbox?region=*", lambda route: route.fulfill(status=204))
    item = page.evaluate("() => document.querySelector('[data-offer]').dataset.offer")
    offer = server.send("GET", f"/v1/routing/reservations/{item}")["data"]
    work = server.send("GET", f"/v1/routing/work-items/{offer['relationships']['workItem']['data']['id']}")["data"]
    taken = {"assignedTo": floor.agents[1].user, "rev": work["attributes"]["rev"]}
    server.send("PUT", f"/v1/routing/work-items/{work['id']}", taken)
    other.get_by_role("button", name="Accept").click()
    expect(other.locator("#notice")).to_contain_text("Dan was first,")
    expect(page.locator("#offer")).to_contain_text("No offer just now")


def test_an_offer_is_taken_by_key_and_one_runs_out_in_a_hidden_tab(
    server: Server, visit: Open, picture: Picture
) -> None:
    floor = server.floor("Inbox", ("Eve",))
    page = visit(server.link("agent", "Eve", floor.agents[0].user))
    expect(page).to_have_url(re.compile("/inbox$"))
    is_live(page)
    page.get_by_label("My status").select_option(label="Available")
    page.get_by_role("button", name="Say so").click()
    expect(page.locator("#my-status")).to_contain_text("carrying 0 of 5")
    server.conversation(floor.queue, "Take me")
    expect(page.locator("[data-offer]")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#notice")).to_contain_text("Yours.")
    expect(page.locator("#my-items tbody")).to_contain_text("Take me")
    server.conversation(floor.queue, "Not me")
    expect(page.locator("[data-offer] .who")).to_contain_text("Not me")
    page.keyboard.press("d")
    page.keyboard.press("2")
    expect(page.locator("#notice")).to_contain_text("Declined: wrong language or skill")
    server.send("PUT", "/v1/routing/org-settings", {"acceptTimeoutSeconds": 5})
    page.evaluate(HIDDEN)
    server.conversation(floor.queue, "Nobody answers")
    expect(page.locator("[data-offer] .who")).to_contain_text("Nobody answers")
    expect(page.locator("#offer")).to_contain_text("Missed at")
    server.send("PUT", "/v1/routing/org-settings", {"acceptTimeoutSeconds": 30})
    picture(page, "console-missed")
    page.get_by_role("button", name="Make me available again").click()
    expect(page.locator("#my-status select")).to_have_value(re.compile("."))
    expect(page.locator("#offer")).not_to_contain_text("Missed at")


def test_the_server_restarts_while_somebody_looks(tmp_path: Path, visit: Open) -> None:
    first = Server(tmp_path)
    try:
        floor = first.floor("Before")
        page = visit(first.link("supervisor", "Sam"), "/queues", away=True)
        is_live(page)
    finally:
        first.stop()
    expect(page.locator("#fresh")).to_contain_text("No connection: data as of")
    second = Server(tmp_path, port=first.port)
    try:
        second.conversation(floor.queue)
        expect(page.locator(f"#q-{floor.queue} .big")).to_have_text("1")
        is_live(page)
    finally:
        second.stop()


def test_a_proxy_that_answers_503_once_is_no_end(server: Server, visit: Open) -> None:
    floor = server.floor("Proxy")
    page = visit(server.link("reader", "Rob"), "/conversations", away=True)
    seen: list[int] = []

    def once(route: Any) -> None:
        seen.append(1)
        route.fulfill(status=503, body="later") if len(seen) == 1 else route.continue_()

    page.context.route("**/live?*", once)
    page.goto(server.url + "/queues")
    is_live(page)
    server.conversation(floor.queue)
    expect(page.locator(f"#q-{floor.queue} .big")).to_have_text("1")
    assert len(seen) >= 2


def test_twelve_tabs_share_one_stream_and_outlive_their_leader(server: Server, visit: Open) -> None:
    floor = server.floor("Tabs")
    before = server.streams()
    first = visit(server.link("reader", "Tess"), "/queues")
    is_live(first)
    tabs = [visit(server.url + "/queues", context=first.context) for _ in range(11)]
    for tab in tabs:
        is_live(tab)
    server.conversation(floor.queue)
    for tab in [first, *tabs]:
        expect(tab.locator(f"#q-{floor.queue} .big")).to_have_text("1")
    assert server.streams() <= before + 1
    first.close()
    server.conversation(floor.queue)
    for tab in tabs:
        expect(tab.locator(f"#q-{floor.queue} .big")).to_have_text("2")


def test_a_session_that_ends_is_said_once_and_no_cell_gets_a_form(server: Server, visit: Open) -> None:
    floor = server.floor("Ends")
    page = visit(server.link("reader", "Ed"), "/queues", away=True)
    is_live(page)
    mine = next(k for k in server.send("GET", "/v1/api-keys?pageSize=100")["data"]
                if k["attributes"]["name"] == "Ed" and k["attributes"]["signedIn"])  # fmt: skip
    server.send("DELETE", f"/v1/api-keys/{mine['id']}?rev={mine['attributes']['rev']}")
    server.conversation(floor.queue)
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    assert page.locator("#queue-table form").count() == 0


@pytest.mark.parametrize("source", [EXAMPLE, SHARED], ids=["example", "shared"])
def test_the_incident_is_pasted_and_reaches_its_verdict(
    server: Server, visit: Open, picture: Picture, source: Path
) -> None:
    if not source.exists():
        pytest.skip(f"no {source.name} beside this checkout")
    page = visit(server.link("reader", "Ines"), "/investigate")
    page.get_by_label("Paste it here, as it is").fill(source.read_text(encoding="utf-8"))
    page.get_by_role("button", name="Investigate", exact=True).click()
    expect(page.locator(".verdict h2")).to_contain_text("Lost assignment: a sync wrote a field")
    expect(page.locator(".card.bad")).to_contain_text("should not have applied")
    expect(page.locator(".card.bad")).to_contain_text("2 revisions unseen")
    if source == EXAMPLE:
        picture(page, "console-incident")
    page.get_by_role("link", name="Story", exact=True).click()
    expect(page.locator(".card.bad")).to_be_visible()


def test_the_incident_with_and_without_the_guard_is_one_click_away(
    server: Server, visit: Open, picture: Picture
) -> None:
    page = visit(server.link("supervisor", "Sam"), "/proof")
    page.get_by_role("link", name="shortest counterexample").click()
    expect(page.get_by_role("heading", name="Lost assignment")).to_be_visible()
    expect(page.get_by_role("heading", name="nothing was lost")).to_be_visible()
    picture(page, "console-guard")


def test_a_timeline_grows_while_it_is_read_and_goes_back_in_time(server: Server, visit: Open, picture: Picture) -> None:
    floor = server.floor("Time", ("Gil",))
    id = server.conversation(floor.queue, "Please read me")
    page = visit(server.link("supervisor", "Sam"), f"/conversations/{id}")
    is_live(page)
    expect(page.locator(".recordhead.left")).to_contain_text("nobody")
    server.say(floor.agents[0])
    offers = "/v1/routing/reservations?state=pending"
    expect(page.locator("#timeline-rows")).to_contain_text("offer to Gil")
    offer = server.send("GET", offers, key=floor.agents[0].key)["data"][0]["id"]
    server.send("POST", f"/v1/routing/reservations/{offer}/accept", {}, key=floor.agents[0].key)
    expect(page.locator(".recordhead.left")).to_contain_text("Gil")
    expect(page.locator(".recordhead.right")).to_contain_text("assigned")
    expect(page.locator(".verdict h2")).to_contain_text("In step")
    expect(page.locator("#said")).to_contain_text("appended")
    picture(page, "console-timeline")
    page.locator("#travel").fill("1")
    expect(page.locator(".recordhead.left")).to_contain_text("nobody")
    expect(page).to_have_url(re.compile("at=1"))


def test_everything_can_be_done_by_keyboard(server: Server, visit: Open) -> None:
    floor = server.floor("Keys")
    server.conversation(floor.queue)
    page = visit(server.link("supervisor", "Kit"), "/conversations")
    keys = page.keyboard
    keys.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    keys.press("g")
    keys.press("q")
    expect(page).to_have_url(re.compile("/queues$"))
    is_live(page)
    link = page.locator(f"#q-{floor.queue} .opens")
    for _ in range(30):
        keys.press("j")
        if link.evaluate("node => node === document.activeElement"):
            break
    expect(link).to_be_focused()
    keys.press("Enter")
    expect(page.locator(f"#open-{floor.queue}")).to_be_visible()
    page.get_by_role("link", name="pause Keys").focus()
    keys.press("Enter")
    expect(page.locator("#panel-title")).to_be_focused()
    keys.press("Tab")
    keys.type("by keyboard")
    keys.press("Enter")
    expect(page.locator(f"#q-{floor.queue}")).to_contain_text("paused by Kit")
    keys.press("/")
    expect(page.locator("#jump")).to_be_focused()
    keys.type("Keys")
    keys.press("Enter")
    expect(page).to_have_url(re.compile(f"open={floor.queue}"))
    page.locator("main").focus()
    keys.press("?")
    expect(page.locator("#key-list")).to_be_visible()
    keys.press("Escape")
    expect(page.locator("#key-list")).to_be_hidden()


def test_within_seconds_of_the_demonstration_conversations_move(visit: Open, picture: Picture, tmp_path: Path) -> None:
    """As a newcomer has it: the printed link, opened; figures change; a race that lost nothing is a click away."""
    with (tmp_path / "told").open("w+") as told:
        command = (sys.executable, "-m", "interlock.cli.main", "demo", "--headless", "--seconds", "120", "--port", "0")
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        try:
            link = told_link(tmp_path / "told", demo)
            page = visit(link, viewport={"width": 1440, "height": 860})
            expect(page).to_have_url(re.compile("/queues$"))
            is_live(page)
            expect(page.locator(".agents li").nth(5)).to_be_visible()
            before = page.locator("#queue-table").inner_text()
            expect(page.locator("#queue-table")).not_to_have_text(before)
            host = page.url.removesuffix("/queues")
            expect(page.locator(".rows .opens").nth(2)).to_be_visible()
            if os.environ.get("INTERLOCK_PICTURES"):
                expect(page.locator("#queue-cards")).to_contain_text(MANY, timeout=60_000)
            picture(page, "console-queues")
            page.goto(host + "/conversations")
            expect(page.locator("tbody tr").nth(3)).to_be_visible()
            page.locator("tbody th a").first.click()
            expect(page.locator(".timeline .card").first).to_be_visible()
            page.goto(host + "/incidents")
            expect(page.locator(".empty")).to_contain_text("No assignment was lost")
            page.get_by_role("link", name="See what one looks like").click()
            expect(page.get_by_role("heading", name="nothing was lost")).to_be_visible()
            page.close()
        finally:
            demo.terminate()
            demo.wait(60)


MANY = re.compile(r"of [6-9]\d")
"""So many were taken: a picture of a floor that has been at work for a while."""


def told_link(file: Path, process: subprocess.Popen[bytes]) -> str:
    """The supervisor's link, as soon as the demonstration has printed it."""
    for _ in range(600):
        found = re.search(r"Console\s+(http\S+)", file.read_text())
        if found:
            return found[1]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    raise AssertionError(f"no link: {file.read_text()}")


def test_a_rule_is_tried_and_a_change_in_between_is_not_lost(server: Server, visit: Open, picture: Picture) -> None:
    orders, returns = server.floor("Parcels"), server.floor("Refunds")
    criteria = {"and": [{"conversation_channel": {"operator": "in", "value": ["chat", "email"]}}]}
    rule = {"name": "Written", "criteria": criteria, "queue": orders.queue}
    id = server.send("POST", "/v1/routing/queue-rules", rule)["data"]["id"]
    for channel in ("chat", "email", "email"):
        server.send("POST", "/v1/conversations", {"channels": [channel]})
    dry = {"last": 3, "rules": []}
    ran = (
        server.send("POST", "/v1/routing/queue-rules/dry-run", dry)["data"]["attributes"]["changed"] for _ in range(500)
    )
    assert 3 in ran, "the rules have run on all three"
    page = visit(server.link("supervisor", "Sam"), "/rules", away=True, viewport={"width": 1280, "height": 900})
    page.get_by_role("link", name="Written", exact=True).click()
    page.get_by_label("Then to").select_option(label="Refunds")
    page.get_by_label("Value").first.fill("email")
    page.get_by_role("button", name="Try it, and look at the difference").click()
    expect(page.locator("#differs")).to_contain_text("+0 ~2 −0")
    expect(page.locator("section[aria-labelledby=dry]")).to_contain_text("3 conversations would have gone elsewhere")
    picture(page, "console-rule")
    server.send("PUT", f"/v1/routing/queue-rules/{id}", {"name": "Everything written"})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else wrote rev 2 meanwhile")
    expect(page.get_by_label("Name")).to_have_value("Everything written")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".note.good")).to_contain_text("Saved as rev 3.")
    page.get_by_role("link", name="History").click()
    expect(page.locator("#v-3")).to_contain_text("Sam")
    page.get_by_role("link", name="Go back to rev 2").click()
    expect(page.get_by_label("Value").first).to_have_value("chat, email")
    stored = server.send("GET", f"/v1/routing/queue-rules/{id}")["data"]
    assert stored["relationships"]["queue"]["data"]["id"] == returns.queue
    server.send("DELETE", f"/v1/routing/queue-rules/{id}?rev=3")


def test_two_runs_are_compared_and_one_is_given_to_somebody_else(server: Server, visit: Open, picture: Picture) -> None:
    floor = server.floor("Compare", ("Hal", "Iva"))
    server.say(floor.agents[0])
    page = visit(server.link("supervisor", "Sam"), f"/conversations/{server.conversation(floor.queue, 'Mine first')}")
    is_live(page)
    expect(page.locator("#timeline-rows")).to_contain_text("offer to Hal")
    page.get_by_role("link", name="Reassign").click()
    page.locator("#to").select_option(index=0)
    expect(page.locator("#panel .effect")).to_contain_text("with nobody, from Compare")
    page.get_by_role("button", name="Reassign").click()
    expect(page.locator("#notice")).to_contain_text("now.")
    expect(page.locator(".recordhead.right")).to_contain_text("assigned")
    id = page.url.rpartition("/")[2].partition("?")[0]
    page.keyboard.press("c")
    expect(page.locator("#a")).to_have_value(id)
    page.locator("#a").fill(f"{id}@3")
    page.locator("#b").fill(id)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#parted")).to_contain_text("Alike up to row 3, then they part")
    expect(page.locator(".apart").first).to_contain_text("has no such decision")
    picture(page, "console-compare")
