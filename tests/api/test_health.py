"""Health and figures."""

from __future__ import annotations

from tests.worlds import Client, Floor, House, settled

from interlock.api.app import build
from interlock.api.host import Check


async def test_plain_words_without_a_key(house: House) -> None:
    nobody = house.client(None)
    for path in ("/livez", "/readyz", "/healthz"):
        answer = await nobody.send("GET", path)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_failed_check_is_told_and_its_details_only_with_a_key(house: House) -> None:
    async def ready() -> list[Check]:
        return [Check("store", True, "0.4 ms"), Check("relay", False, "12 s", "5 s")]

    app = build(house.world, ready=ready)
    nobody, admin = Client(app, None, {}), Client(app, "ilk_" + "a" * 64, {})
    failed = await nobody.send("GET", "/readyz")
    assert (failed.status_code, failed.text) == (503, "fail\n")
    assert (await nobody.send("GET", "/livez")).status_code == 200
    assert (await nobody.send("GET", "/readyz?verbose")).status_code == 401
    told = await admin.send("GET", "/readyz?verbose")
    assert told.text == "fail\n[+] store 0.4 ms\n[-] relay 12 s (limit 5 s)\n"


async def test_figures_have_their_names_and_no_ids(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in()
    for _ in range(2):
        await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    text = (await house.client(None).send("GET", "/metrics")).text
    for name in (
        'interlock_sync_decisions_total{direction="forward",outcome="merge",reason=""} 2.0',
        'interlock_queue_waiting{queue="orders"} 2.0',
        'interlock_offers_total{outcome="offered"} 1.0',
        'interlock_agents{state="available"} 1.0',
        "interlock_out_of_step_pairs 0.0",
        'interlock_http_request_seconds_count{method="POST",route="/v1/conversations",status="201"} 2.0',
        'interlock_build_info{version="0"} 1.0',
        'interlock_queue_oldest_wait_seconds{queue="orders"} 0.0',
    ):
        assert name in text, name
    assert floor.queue not in text
    assert floor.agents[0] not in text


def test_queue_keys_are_bounded(house: House) -> None:
    metrics = house.app.state.host.metrics
    metrics.queues({f"q{n:04d}": (1, float(n)) for n in range(250)})
    text = metrics.text().decode()
    assert 'interlock_queue_waiting{queue="other"} 50.0' in text
    assert 'interlock_queue_oldest_wait_seconds{queue="other"} 249.0' in text
    assert "q0249" not in text


async def test_the_reference_fetches_nothing_from_elsewhere(house: House) -> None:
    page = await house.client(None).send("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "@import" not in page.text
    assert "id='error-stale-basis'" in page.text
    assert "createConversation" in page.text
