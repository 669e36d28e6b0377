"""The console when there is much: ten thousand who wait, a storm of changes, a leading tab that froze."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.console.conftest import Open
from tests.console.server import Floor, Server
from tests.console.test_journeys import is_live
from tests.console.test_pages import wait_for

from interlock.cli.offline import reading

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
pytestmark = pytest.mark.browser
WAITING = 10_000
Picture = Callable[[Any, str], None]
NODES = "() => document.querySelectorAll('*').length"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Floor]]:
    """A server in whose queue ten thousand wait: written into its store while it was down."""
    folder = tmp_path_factory.mktemp("crowded")
    first = Server(folder)
    floor = first.floor("Crowded", ("Ana",), target=60)
    first.stop()

    async def fill() -> None:
        async with reading(f"sqlite:///{folder}/console.db") as (world, _):
            await wait_for(world, floor.queue, WAITING)

    filling = threading.Thread(target=lambda: asyncio.run(fill()))  # the browser's thread may run no loop of its own
    filling.start()
    filling.join()
    second = Server(folder, port=first.port)
    yield second, floor
    second.stop()


def test_ten_thousand_wait_and_the_page_stays_small_and_alive(
    crowded: tuple[Server, Floor], visit: Open, picture: Picture
) -> None:
    server, floor = crowded
    page = visit(server.link("supervisor", "Sam"), f"/queues?open={floor.queue}")
    is_live(page)
    rows = page.locator(f"#open-{floor.queue} .inner tbody tr")
    expect(page.locator(f"#q-{floor.queue} .big")).to_have_text(f"{WAITING:,}")
    expect(rows).to_have_count(50)
    expect(page.locator(f"#open-{floor.queue} .count")).to_have_text("10,000 nobody signed in")
    assert page.evaluate(NODES) < 1_500, "what waits is a page of the list, never the list"
    page.get_by_role("link", name="after").click()
    expect(rows.first.locator("td").first).to_have_text("51")
    page.goto(f"{server.url}/queues?open={floor.queue}&page=200")
    expect(rows.last.locator("td").first).to_have_text(str(WAITING))
    is_live(page)
    page.keyboard.press("j")
    server.conversation(floor.queue)
    expect(page.locator(f"#q-{floor.queue} .big")).to_have_text(f"{WAITING + 1:,}")
    expect(page.locator(".pages")).to_contain_text("of 10,001")
    picture(page, "console-crowded")


def test_a_storm_of_changes_costs_few_requests_and_ends_with_the_truth(server: Server, visit: Open) -> None:
    """Three hundred conversations come at once; a region asks at the pace at which it is answered."""
    floor = server.floor("Storm")
    page = visit(server.link("supervisor", "Sam"), "/queues")
    is_live(page)
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "region=table" in r.url else None)
    body = [{"channels": ["chat"], "queue": {"id": floor.queue}} for _ in range(100)]
    for _ in range(3):
        server.send("POST", "/v1/conversations/bulk", body)
    expect(page.locator(f"#q-{floor.queue} .big")).to_have_text("300", timeout=60_000)
    assert 0 < len(asked) < 150, len(asked)


QUICK = """() => {
  const now = Date.now.bind(Date), every = window.setInterval.bind(window);
  window.ahead = 0;
  Date.now = () => now() + window.ahead;
  window.setInterval = (does, ms) => every(does, ms === 10000 ? 200 : ms);
}"""
"""A tab whose clock can be put ahead, and which looks every 200 ms, not every ten seconds, whether all is well."""
HOLDER = "async () => (await navigator.locks.query()).held.map(lock => lock.clientId).join()"


def test_a_leading_tab_that_freezes_is_replaced_and_follows_when_it_thaws(server: Server, visit: Open) -> None:
    """As a browser does to a tab in the background: nothing of it runs, but its lock is still held."""
    floor = server.floor("Frozen")
    leader = visit(server.link("reader", "Fay"), "/queues")
    is_live(leader)
    other = leader.context.new_page()
    other.add_init_script(f"({QUICK})()")
    other.goto(server.url + "/queues")
    is_live(other)
    cell = f"#q-{floor.queue} .big"
    held = other.evaluate(HOLDER)
    protocol = leader.context.new_cdp_session(leader)
    protocol.send("Emulation.setScriptExecutionDisabled", {"value": True})
    server.conversation(floor.queue)
    other.evaluate("() => { window.ahead = 41000; }")
    expect(other.locator(cell)).to_have_text("1")
    expect(other.locator("#fresh")).to_have_text("Live")
    assert other.evaluate(HOLDER) not in ("", held), "the lock was taken from the frozen tab"
    protocol.send("Emulation.setScriptExecutionDisabled", {"value": False})
    server.conversation(floor.queue)
    expect(other.locator(cell)).to_have_text("2")
    expect(leader.locator(cell)).to_have_text("2")
