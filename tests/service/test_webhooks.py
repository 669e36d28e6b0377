"""An endpoint's work: everything that was written reaches it, in order, once it takes it; and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.worlds import House

from interlock.domain.errors import InvalidValue, Unavailable
from interlock.domain.webhook import DISABLED_AFTER_MS, RETRIES_MS, Answered, Attempt, Webhook
from interlock.ports import Commit, Mark
from interlock.service import webhooks
from interlock.service.transact import provenance
from interlock.service.webhooks import Endpoint, at_work


class There:
    """What stands at the other end: it says what it is told to say, and keeps what it was sent."""

    def __init__(self) -> None:
        self.says: Callable[[Any], int] = lambda event: 200
        self.got: list[Any] = []
        self.headers: list[dict[str, str]] = []

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answered:
        """One message."""
        event = msgspec.json.decode(body)
        status = self.says(event)
        if status == 200:
            self.got.append(event)
            self.headers.append(headers)
        return Answered(status, answer="?" if status != 200 else "")


class Floor:
    """A house with a webhook, and the one who works for it."""

    def __init__(self) -> None:
        self.house = House()
        self.there = There()
        self.id = ""

    async def begin(self, **fields: Any) -> Floor:
        """Found an org with a webhook for conversations."""
        await self.house.found()
        self.admin = self.house.client()
        body = {"name": "w", "url": "https://example.org/in", "topics": ["conversation"], **fields}
        self.id = (await self.admin.post("/v1/outbound-webhooks", body))["data"]["id"]
        self.fresh()
        return self

    def fresh(self) -> None:
        """Another process takes over."""
        self.endpoint = Endpoint(self.house.world, self.there.send, lambda: 0.0)

    async def work(self, steps: int = 100) -> list[Attempt]:
        """Until there is nothing to do at this moment."""
        made: list[Attempt] = []
        for _ in range(steps):
            [webhook] = await at_work(self.house.world) or [None]
            if webhook is None:
                return made
            more, again_at = await self.endpoint.step(webhook)
            made += more
            if again_at is None or again_at > self.house.clock.now():
                return made
        raise AssertionError("it never comes to rest")

    async def conversation(self, changes: int = 0) -> str:
        """A new conversation, changed so often."""
        id = (await self.admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
        for n in range(changes):
            await self.admin.patch(f"/v1/conversations/{id}", {"name": f"name {n}"})
        return id

    def revs(self, id: str) -> list[int]:
        """The revs of a conversation in the order in which they came."""
        return [e["data"]["data"]["attributes"]["rev"] for e in self.there.got if e["subject"] == f"conversation/{id}"]


async def test_what_is_written_is_sent_signed_and_in_order() -> None:
    floor = await Floor().begin()
    a, b = await floor.conversation(3), await floor.conversation(1)
    await floor.admin.post("/v1/tags", {"name": "parcel"})
    await floor.work()
    assert (floor.revs(a), floor.revs(b)) == ([1, 2, 3, 4], [1, 2])
    assert {e["type"].rsplit(".", 2)[0] for e in floor.there.got} == {"interlock.conversation"}
    told = floor.there.headers[0]
    assert told["webhook-id"] == floor.there.got[0]["id"]
    assert told["webhook-signature"].startswith("v1,")
    await floor.work()
    assert len(floor.there.got) == 6, "once"


async def test_an_endpoint_that_is_down_for_two_hours_misses_nothing() -> None:
    floor = await Floor().begin()
    a = await floor.conversation(2)
    floor.there.says = lambda _: 503
    for _ in range(24):
        await floor.work()
        floor.house.clock.pass_ms(300_000)
        await floor.admin.patch(f"/v1/conversations/{a}", {"name": f"at {floor.house.clock.now()}"})
    b = await floor.conversation()
    assert floor.there.got == []
    floor.there.says = lambda _: 200
    floor.house.clock.pass_ms(RETRIES_MS[4])
    await floor.work()
    assert floor.revs(a) == list(range(1, 28))
    assert floor.revs(b) == [1]


async def test_an_event_that_is_never_taken_is_given_up_and_holds_up_its_own_subject_only() -> None:
    floor = await Floor().begin()
    bad = await floor.conversation(2)
    good = await floor.conversation(2)
    floor.there.says = lambda e: 400 if (e["subject"], e["data"]["data"]["attributes"]["rev"]) == (
        f"conversation/{bad}", 2) else 200  # fmt: skip
    made = await floor.work()
    assert floor.revs(good) == [1, 2, 3]
    assert floor.revs(bad) == [1], "rev 3 does not overtake rev 2"
    for pause in RETRIES_MS:
        floor.house.clock.pass_ms(pause)
        made += await floor.work()
    assert floor.revs(bad) == [1, 3]
    tried = [a for a in made if a.status == 400]
    assert [a.outcome for a in tried] == ["failed"] * len(RETRIES_MS) + ["given-up"]
    assert len({a.event for a in tried}) == 1
    rows = await floor.house.store.changes(0, 10_000)
    assert any(r.why.kind == "parked" and tried[0].event in r.why.reason for r in rows)
    shown = await floor.admin.get(f"/v1/outbound-webhooks/{floor.id}/transactions")
    given_up = next(t["attributes"] for t in shown["data"] if t["attributes"]["outcome"] == "given-up")
    assert (given_up["status"], given_up["no"], given_up["answer"]) == (400, 7, "?")


async def test_gone_is_gone_and_switched_on_again_it_goes_on_where_it_was() -> None:
    floor = await Floor().begin()
    floor.there.says = lambda _: 410
    a = await floor.conversation()
    await floor.work()
    shown = (await floor.admin.get(f"/v1/outbound-webhooks/{floor.id}"))["data"]["attributes"]
    assert (shown["enabled"], "410" in shown["disabledReason"]) == (False, True)
    assert await at_work(floor.house.world) == []
    await floor.admin.patch(f"/v1/conversations/{a}", {"name": "meanwhile"})
    await floor.admin.put(f"/v1/outbound-webhooks/{floor.id}", {"enabled": True})
    floor.there.says = lambda _: 200
    floor.house.clock.pass_ms(RETRIES_MS[0])
    await floor.work()
    assert floor.revs(a) == [1, 2]
    shown = (await floor.admin.get(f"/v1/outbound-webhooks/{floor.id}"))["data"]["attributes"]
    assert (shown["enabled"], shown["disabledReason"]) == (True, "")


async def test_five_days_of_failure_switch_off() -> None:
    floor = await Floor().begin()
    floor.there.says = lambda _: 0
    for _ in range(60):
        await floor.conversation()
        await floor.work()
        if not await at_work(floor.house.world):
            break
        floor.house.clock.pass_ms(DISABLED_AFTER_MS // 50)
    shown = (await floor.admin.get(f"/v1/outbound-webhooks/{floor.id}"))["data"]["attributes"]
    assert "five days" in shown["disabledReason"]


async def test_who_dies_before_it_is_kept_sends_once_more() -> None:
    floor = await Floor().begin()
    a = await floor.conversation()
    store, commit = floor.house.store, floor.house.store.commit

    async def dies(what: Commit) -> Any:
        if any(m.space == webhooks.PROGRESS for m in what.marks):
            raise Unavailable("it is gone")
        return await commit(what)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "commit", dies)
        with pytest.raises(Unavailable):
            await floor.work()
    assert floor.revs(a) == [1]
    await floor.work()
    assert floor.revs(a) == [1, 1], "the same process"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "commit", dies)
        await floor.admin.patch(f"/v1/conversations/{a}", {"name": "n"})
        with pytest.raises(Unavailable):
            await floor.work()
    floor.fresh()
    await floor.work()
    assert floor.revs(a) == [1, 1, 2, 2], "another process"
    assert len({e["id"] for e in floor.there.got}) == 2, "by the same ids"


async def test_what_was_sent_is_sent_again_on_demand() -> None:
    floor = await Floor().begin()
    a = await floor.conversation(1)
    await floor.work()
    since = floor.house.clock.now() + 1
    floor.house.clock.pass_ms(60_000)
    b = await floor.conversation()
    await floor.work()
    ids = [e["id"] for e in floor.there.got]
    sequence = int(floor.there.got[0]["sequence"])
    await floor.admin.post(f"/v1/outbound-webhooks/{floor.id}/redeliver", {"position": sequence}, 200)
    await floor.work()
    assert [e["id"] for e in floor.there.got] == [*ids, ids[0]]
    at = webhooks.iso(since)
    await floor.admin.post(f"/v1/outbound-webhooks/{floor.id}/redeliver", {"since": at}, 200)
    await floor.work()
    assert [e["id"] for e in floor.there.got] == [*ids, ids[0], ids[2]]
    assert (floor.revs(a), floor.revs(b)) == ([1, 2, 1], [1, 1])
    by = provenance(floor.house.store and (await at_work(floor.house.world))[0].org, "t")
    with pytest.raises(InvalidValue):
        await webhooks.redeliver(floor.house.world, by, floor.id, beside=lambda _: (), position=1)


async def test_a_test_event_is_sent_once_whatever_is_said() -> None:
    floor = await Floor().begin()
    floor.there.says = lambda _: 500
    await floor.admin.post(f"/v1/outbound-webhooks/{floor.id}/test", status=200)
    [tried] = await floor.work()
    assert (tried.type, tried.outcome, tried.status) == ("interlock.webhook.test.v1", "given-up", 500)
    assert await floor.work() == []


async def test_a_webhook_hears_nothing_of_itself() -> None:
    floor = await Floor().begin(topics=[])
    await floor.admin.put(f"/v1/outbound-webhooks/{floor.id}", {"name": "other"})
    await floor.admin.post("/v1/tags", {"name": "parcel"})
    await floor.work()
    assert [e["subject"].partition("/")[0] for e in floor.there.got] == ["tag"]


async def test_the_secret_is_shown_once_and_stands_in_no_row() -> None:
    floor = await Floor().begin()
    made = await floor.admin.send(
        "POST", "/v1/outbound-webhooks", json={"name": "x", "url": "https://example.org"}, idempotency_key="k1"
    )
    secret = made.json()["meta"]["secret"]
    again = await floor.admin.send(
        "POST", "/v1/outbound-webhooks", json={"name": "x", "url": "https://example.org"}, idempotency_key="k1"
    )
    assert again.json()["data"] == made.json()["data"]
    assert secret not in again.text
    turned = await floor.admin.post(f"/v1/outbound-webhooks/{made.json()['data']['id']}/rotate", status=200)
    assert turned["meta"]["secret"] not in ("", secret)
    assert turned["data"]["attributes"]["rotatedAt"]
    rows = msgspec.json.encode(await floor.house.store.changes(0, 10_000)).decode()
    assert secret.removeprefix("whsec_")[:20] not in rows
    assert turned["meta"]["secret"].removeprefix("whsec_")[:20] not in rows
    listed = await floor.admin.get("/v1/outbound-webhooks")
    assert "secret" not in str(listed)


async def test_rows_that_bring_nothing_are_not_written_down_one_by_one() -> None:
    floor = await Floor().begin()
    before = await floor.house.store.mark(webhooks.PROGRESS, (await at_work(floor.house.world))[0].org, floor.id)
    for n in range(20):
        await floor.admin.post("/v1/tags", {"name": f"t{n}"})
    await floor.work()
    after: Mark | None = await floor.house.store.mark(
        webhooks.PROGRESS, (await at_work(floor.house.world))[0].org, floor.id
    )
    assert after == before
    assert isinstance((await at_work(floor.house.world))[0], Webhook)
