"""Webhooks: made, changed, asked to send again; and one step of one endpoint's work. What goes out is the runtime's.

What an endpoint is told comes from the log at the moment it is sent, and how far it is stands in a mark, committed
after each step under the fence of whoever does it: an event may be sent twice, none is passed over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from interlock.domain.decision import Decision, Provenance, Why
from interlock.domain.errors import InvalidValue, NotFound
from interlock.domain.event import cloud_event, encode, is_announced, wanted
from interlock.domain.log import Row
from interlock.domain.resource import Json, iso
from interlock.domain.webhook import (
    ATTEMPTS_KEPT,
    Answered,
    Attempt,
    Progress,
    Redelivery,
    Secrets,
    Waiting,
    Webhook,
    after_answers,
    attempt_of,
    check_webhook,
    headers_of,
    test_event,
    why_disabled,
)
from interlock.ports import Commit, Mark, Query, World
from interlock.service import records
from interlock.service.preconditions import Precondition
from interlock.service.transact import Beside, Done, Reading, note, provenance, transact, unless_refused

SECRETS, PROGRESS, ATTEMPTS = "webhook-secret", "webhook-progress", "webhook-attempts"
READ_MAX = 200
"""Rows of the log that are read at once for an endpoint."""
AT_ONCE = 8
"""Events that are under way to one endpoint at the same time, each of another subject."""
PAGE = 500
UNKEPT_MAX = 1_000
"""Rows that bring an endpoint nothing are read again after a crash; after so many its position is kept all the same."""

Send = Callable[[str, dict[str, str], bytes], Awaitable[Answered]]
"""Sends a body with headers to a URL; never raises for what the other side does."""


_pack = msgspec.json.Encoder().encode
_secrets, _progress = msgspec.json.Decoder(Secrets).decode, msgspec.json.Decoder(Progress).decode
_attempts = msgspec.json.Decoder(tuple[Attempt, ...]).decode


async def create(world: World, by: Provenance, fields: Mapping[str, Any], secret: str, *, beside: Beside) -> Done:
    """A new webhook, which is told of what comes after this moment, signed with this secret."""
    position = await world.store.last_position()

    def also(decision: Decision) -> Sequence[Mark]:
        id = decision.writes[0].after.id
        begun = (
            Mark(space=SECRETS, org=by.org, key=id, value=_pack(Secrets(secret))),
            Mark(space=PROGRESS, org=by.org, key=id, value=_pack(Progress(position))),
        )
        return (*begun, *beside(decision))

    return await records.create(world, by, Webhook, fields, beside=also, check=_check)


async def update(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a webhook. One that is switched on again goes on where it was: what was written meanwhile is sent."""
    if fields.get("enabled"):
        fields = {**fields, "disabled_reason": "", "disabled_at": None, "enabled_at": world.clock.now()}
    return await records.update(world, by, Webhook, id, fields, precondition, beside=beside, check=_check)


async def _check(reading: Reading, present: Webhook | None, fields: Mapping[str, Any]) -> None:
    check_webhook(fields)


async def rotate(world: World, by: Provenance, id: str, secret: str, *, beside: Beside) -> Done:
    """A fresh secret. The old one signs beside it for a day."""
    now = world.clock.now()
    kept = await world.store.mark(SECRETS, by.org, id)
    if kept is None or not kept.value:
        raise NotFound(f"There is no webhook {id}.")
    rotated = _secrets(kept.value).rotated(secret, now)

    def also(decision: Decision) -> Sequence[Mark]:
        return (Mark(space=SECRETS, org=by.org, key=id, value=_pack(rotated)), *beside(decision))

    return await _ordered(world, by, id, lambda w: {"rotated_at": now}, also)


async def test(world: World, by: Provenance, id: str, *, beside: Beside) -> Done:
    """Send a test event soon; what came of it stands among the attempts."""
    return await _ordered(world, by, id, lambda w: {"tests": w.tests + 1}, beside)


async def redeliver(
    world: World, by: Provenance, id: str, *, beside: Beside, position: int | None = None, since: int | None = None
) -> Done:
    """Send the events of one row again, or of every row from a time (ms) on, with the ids that they had.

    Raises `InvalidValue` for a row that is not there or brings this webhook nothing.
    """
    webhook = await Reading(world, by).one(Webhook, id)
    if position is not None:
        found = await world.store.changes(position - 1, 1, org=by.org)
        if not found or found[0].position != position or not _wanted(found[0], webhook):
            raise InvalidValue(f"Row {position} brings this webhook nothing.", pointer="/position")
        after, only = position - 1, True
    else:
        assert since is not None
        after, only = await _before(world, since), False
    return await _ordered(world, by, id, lambda w: {"redelivery": Redelivery(w.redelivery.no + 1, after, only)}, beside)


async def _before(world: World, since: int) -> int:
    """The position of the last row before a time, by halving: rows are written in the order of time, give or take."""
    low, high = 0, await world.store.last_position()
    while low < high:
        middle = (low + high) // 2
        found = await world.store.changes(middle, 1)
        if found and found[0].at < since:
            low = found[0].position
        else:
            high = middle
    return low


async def _ordered(
    world: World, by: Provenance, id: str, moved: Callable[[Webhook], dict[str, Any]], beside: Beside
) -> Done:
    async def decide(reading: Reading) -> Decision:
        present = await reading.one(Webhook, id)
        return records.put(present, moved(present), reading.moment)

    return await transact(world, by, decide, beside=beside)


async def attempts(world: World, org: str, id: str) -> tuple[Attempt, ...]:
    """The last attempts of a webhook, the newest first."""
    kept = await world.store.mark(ATTEMPTS, org, id)
    return _attempts(kept.value) if kept is not None and kept.value else ()


async def progress_of(world: World, webhook: Webhook) -> Progress:
    """How far an endpoint is. One whose mark is not there (its database was put together by hand) begins now."""
    kept = await world.store.mark(PROGRESS, webhook.org, webhook.id)
    if kept is not None and kept.value:
        return _progress(kept.value)
    return Progress(await world.store.last_position())


async def at_work(world: World) -> list[Webhook]:
    """Every webhook, of every org, that events are sent to."""
    found: list[Webhook] = []
    while True:
        query = Query(
            name="overdue", org="", type=Webhook.TYPE, before=world.clock.now(), offset=len(found), limit=PAGE
        )
        page = await world.store.find(query)
        found += [w for w in page if isinstance(w, Webhook)]
        if len(page) < PAGE:
            return found


class Endpoint:
    """One endpoint's work, a step at a time. Held by one process: its steps are committed under that one's fence."""

    def __init__(self, world: World, send: Send, luck: Callable[[], float]) -> None:
        self._world = world
        self._send = send
        self._luck = luck
        self._progress: Progress | None = None
        self._kept: Progress | None = None
        self._rows: dict[int, Row] = {}
        """Rows of which events wait, as they were read: what was read is not asked for again."""

    async def step(self, webhook: Webhook) -> tuple[list[Attempt], int | None]:
        """What there is to do now: read on, send, keep what came of it.

        Answers the attempts, and when (ms) to come again, `None`: when there is news. Raises `Unavailable`, `Fenced`:
        then what was sent is sent once more.
        """
        world = self._world
        if self._progress is None:
            self._progress = self._kept = await progress_of(world, webhook)
        before = self._progress
        progress = await _read_on(world, webhook, before, self._rows)
        made: list[Attempt] = []
        if webhook.tests > progress.tests:
            progress = msgspec.structs.replace(progress, tests=webhook.tests)
            made.append(await _tested(world, webhook, test_event(webhook, iso(world.clock.now())), self._send))
        sendable = progress.sendable(world.clock.now(), AT_ONCE)
        if sendable:
            progress, tried = await _sent(world, webhook, progress, sendable, self._rows, self._send, self._luck())
            made += tried
        if self._is_news(progress) or made:
            self._progress = None  # until it is known to be kept
            await _keep(world, webhook, progress, made)
            self._kept = progress
        self._progress = progress
        waiting = {w.position for w in progress.waiting}
        self._rows = {position: row for position, row in self._rows.items() if position in waiting}
        goes_on = progress.position != before.position or sendable
        return made, world.clock.now() if goes_on else progress.next_due()

    def _is_news(self, progress: Progress) -> bool:
        """Whether it has to be kept: rows that brought nothing can as well be read again."""
        kept = self._kept
        assert kept is not None
        return msgspec.structs.replace(progress, position=kept.position) != kept or (
            progress.position - kept.position >= UNKEPT_MAX
        )


async def _read_on(world: World, webhook: Webhook, progress: Progress, read: dict[int, Row]) -> Progress:
    """With the log read on as far as there is room, and orders to send again taken in. `read` is given the rows."""
    order = webhook.redelivery
    if order.no > progress.redelivery:
        progress = progress.ordered(order)
        if order.only:
            rows = await world.store.changes(order.after, 1, org=webhook.org)
            progress = progress.with_events(progress.position, [w for row in rows for w in _wanted(row, webhook)])
    if progress.room <= 0:
        return progress
    rows = await world.store.changes(progress.position, READ_MAX, org=webhook.org)
    for row in rows:
        if progress.room <= 0:
            break
        events = _wanted(row, webhook)
        progress = progress.with_events(row.position, events)
        if events:
            read[row.position] = row
    return progress


def _wanted(row: Row, webhook: Webhook) -> list[Waiting]:
    """The events of a row that a webhook is sent. Not those about itself: each attempt would lead to the next."""
    topics = frozenset(t.removeprefix("interlock.") for t in webhook.topics)
    return [
        Waiting(row.position, n, f"{change.type}/{change.id}")
        for n, change in enumerate(row.changes)
        if is_announced(change) and change.id != webhook.id and (not topics or wanted(change, topics))
    ]


async def _sent(
    world: World, webhook: Webhook, progress: Progress, sendable: Sequence[Waiting], read: Mapping[int, Row],
    send: Send, luck: float,
) -> tuple[Progress, list[Attempt]]:  # fmt: skip
    secrets = await _secrets_of(world, webhook)
    events = [await _event_of(world, webhook, w, read.get(w.position)) for w in sendable]
    at = world.clock.now()
    there = [(w, event) for w, event in zip(sendable, events, strict=True) if event is not None]
    answers = [Answered(0)] * len(there)

    async def one(n: int, event: Json) -> None:
        answers[n] = await _one(webhook, secrets, event, at, send)

    await world.together([one(n, event) for n, (_, event) in enumerate(there)])
    now = world.clock.now()
    # An event that the log does not have any more cannot be sent by anybody: it is done with.
    lost = {(w.position, w.n) for w, event in zip(sendable, events, strict=True) if event is None}
    progress = msgspec.structs.replace(
        progress, waiting=tuple(w for w in progress.waiting if (w.position, w.n) not in lost)
    )
    told = [(w, answer) for (w, _), answer in zip(there, answers, strict=True)]
    after = after_answers(progress, told, now, luck)
    tried = [attempt_of(w, event, a, at, after) for (w, event), a in zip(there, answers, strict=True)]
    for given_up in (a for a in tried if a.outcome == "given-up"):
        await _note(
            world, webhook, f"Event {given_up.event} of {given_up.subject} was not taken in {given_up.no} tries."
        )
    why = why_disabled(webhook, after, answers, now)
    if why:
        await _disable(world, webhook, why)
    return after, tried


async def _one(webhook: Webhook, secrets: Secrets, event: Json, now: int, send: Send) -> Answered:
    body = encode(event)
    return await send(webhook.url, headers_of(secrets, event["id"], now, body), body)


async def _tested(world: World, webhook: Webhook, event: Json, send: Send) -> Attempt:
    at = world.clock.now()
    answered = await _one(webhook, await _secrets_of(world, webhook), event, at, send)
    return Attempt(
        event=event["id"], type=event["type"], subject=event["subject"], position=0, at=at, no=1,
        took_ms=answered.took_ms, outcome="delivered" if answered.taken else "given-up",
        status=answered.status or None, error=answered.error, answer=answered.answer,
    )  # fmt: skip


async def _secrets_of(world: World, webhook: Webhook) -> Secrets:
    kept = await world.store.mark(SECRETS, webhook.org, webhook.id)
    if kept is None or not kept.value:
        raise NotFound(f"The webhook {webhook.id} has no secret any more; rotate it.")
    return _secrets(kept.value)


async def _event_of(world: World, webhook: Webhook, w: Waiting, row: Row | None) -> Json | None:
    """The event as it stands in the log: in its row, if that was read; `None` if the log does not have it any more."""
    if row is None:
        found = await world.store.changes(w.position - 1, 1, org=webhook.org)
        if not found or found[0].position != w.position:
            return None
        row = found[0]
    return cloud_event(row, row.changes[w.n], w.n, published_at=world.clock.now())


async def _keep(world: World, webhook: Webhook, progress: Progress, made: Sequence[Attempt]) -> None:
    marks = [Mark(space=PROGRESS, org=webhook.org, key=webhook.id, value=_pack(progress))]
    if made:
        earlier = await attempts(world, webhook.org, webhook.id)
        newest = (*reversed(made), *earlier)[:ATTEMPTS_KEPT]
        marks.append(Mark(space=ATTEMPTS, org=webhook.org, key=webhook.id, value=_pack(newest)))
    await world.store.commit(Commit(marks=tuple(marks)))


async def _disable(world: World, webhook: Webhook, why: str) -> None:
    """Switch it off, with a row in the log that says why."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(Webhook, webhook.id)
        fields = {"enabled": False, "disabled_reason": why, "disabled_at": reading.moment.now}
        return records.put(present, fields, reading.moment)

    await unless_refused(world, provenance(webhook.org, "webhooks"), decide, also=(NotFound,))
    await _note(world, webhook, f"Switched off: {why}.")


async def _note(world: World, webhook: Webhook, reason: str) -> None:
    why = Why(direction="system", kind="parked", reason=f"Webhook {webhook.name}: {reason}", record=webhook.ref)
    await note(world, provenance(webhook.org, "webhooks"), webhook.id, why)
