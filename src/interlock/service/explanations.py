"""Why: put together on read from the log, the records and the live sessions. Nothing is stored for it but the
decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interlock.domain import routing
from interlock.domain.agent import User
from interlock.domain.assignment import Actor, Intent, Unit, shape
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Candidate, Party
from interlock.domain.errors import NotFound
from interlock.domain.event import decision_resource
from interlock.domain.log import Row
from interlock.domain.queue import Queue
from interlock.domain.record import Ref
from interlock.domain.reservation import Reservation
from interlock.domain.resource import iso
from interlock.domain.work_item import WorkItem
from interlock.domain.workflow import Workflow
from interlock.ports import World
from interlock.service import forecasts, views, why_waiting
from interlock.service.cases import open_item
from interlock.service.transact import Reading, provenance
from interlock.service.why_waiting import Names

ROWS_MAX = 1_000
SEARCHED_MAX = 20_000
NAMED_MAX = 5
ITEMS_MAX = 100
Json = dict[str, Any]


class Told(Names):
    """Names, and who decided."""

    def actor(self, who: Actor) -> str:
        """Who decided, in words."""
        match who.cls:
            case "rule":
                return "routing" if who.type == "routing" else "the queue rules"
            case "workflow" if who.type == "workflow":
                return f"workflow {self.of(who.id)}"
            case "workflow":
                return f"a program (key {who.id})"
            case "system":
                return "Interlock itself"
            case _:
                return self.of(who.id) if who.type == "user" else f"a person (key {who.id})"


async def of_conversation(world: World, c: Conversation) -> Json:
    """Who has it and why, why it waits, and what each sync came to."""
    rows = await views.newest_rows(world, c.org, ROWS_MAX, partition=c.id)
    names = Told(world, c.org)
    item = await open_item(Reading(world, provenance(c.org, "api")), c.id)
    assignment = await _assignment(names, c, rows)
    waiting = await _waiting(world, names, item) if item is not None else None
    syncs = [_sync(row, names) for row in rows if row.why.direction in ("forward", "reverse")]
    sentences = [*(assignment or {}).get("sentences", []), *(waiting or {}).get("sentences", [])]
    if not sentences:
        sentences = [f"It is {c.status}; nobody has it and it waits for nobody."]
    return {
        "sentences": sentences,
        "status": c.status,
        "rev": c.rev,
        "assignment": assignment,
        "waiting": waiting,
        "syncs": syncs,
        "workItem": item.id if item else None,
    }


async def of_item(world: World, item: WorkItem) -> Json:
    """The same for one work item."""
    found = await views.present(world, item.org, Conversation, item.resource)
    rows = await views.newest_rows(world, item.org, ROWS_MAX, partition=item.resource)
    names = Told(world, item.org)
    waiting = await _waiting(world, names, item)
    assignment = await _of_unit(names, item.coupled.outcome.winner, item.coupled.outcome.losers, rows)
    sentences = [*(assignment or {}).get("sentences", []), *(waiting or {}).get("sentences", [])]
    return {
        "sentences": sentences or [f"It is {item.status}."],
        "status": item.status,
        "rev": item.rev,
        "conversation": {"id": item.resource, "rev": found.rev if found else None, "revTakenIn": item.resource_rev},
        "assignment": assignment,
        "waiting": waiting,
    }


async def _waiting(world: World, names: Told, item: WorkItem) -> Json | None:
    """Why it waits, if it does, and how much longer it has to be expected to."""
    if item.status not in ("ivr", "queued", "routed"):
        return None
    told = await why_waiting.of_item(world, names, item)
    expected = await forecasts.of_item(world, item, ahead=told["ahead"], because=told["because"])
    return {**told, "forecast": expected}


async def of_queue(world: World, queue: Queue, items: Sequence[str] = ()) -> Json:
    """Why items wait in this queue: how many for which reason, by class, then the first ones, or those of `items`."""
    return await why_waiting.of_queue(world, queue, items)


async def decision(world: World, org: str, id: str, position: int | None) -> Row:
    """One decision of the log. Raises `NotFound`."""
    if position is not None:
        found = await world.store.changes(position - 1, 1, org=org)
    else:
        found = await views.newest_rows(world, org, SEARCHED_MAX)
    row = next((r for r in found if r.id == id), None)
    if row is None:
        raise NotFound(f"There is no decision {id} here; follow a link, it also names the position.")
    return row


async def _assignment(names: Told, c: Conversation, rows: Sequence[Row]) -> Json | None:
    if not c.assigned_users and c.coupled.outcome.winner is None:
        return None
    return await _of_unit(names, c.coupled.outcome.winner, c.coupled.outcome.losers, rows)


async def _of_unit(
    names: Told, winner: Intent[Unit] | None, losers: Sequence[Intent[Unit]], rows: Sequence[Row]
) -> Json | None:
    """The intent in force: its author, the version that carries it, the decision behind it, and whom it won against."""
    if winner is None:
        return None
    row = _carrier(rows, winner.record, winner.rev)
    offer = _offer_behind(rows, row)
    candidates = offer.why.candidates if offer else row.why.candidates if row else ()
    await _learn(names, winner, losers, candidates)
    said = [_in_force(names, winner)]
    said += [_won(names, winner, loser) for loser in losers]
    said += _chosen(names, candidates, offer or row)
    return {
        "sentences": said,
        "actor": _who(winner.actor),
        "record": _ref(winner.record),
        "rev": winner.rev,
        "at": iso(winner.at),
        "value": _value(winner.value),
        "decision": row.id if row else None,
        "basis": decision_resource(row)["attributes"]["basis"] if row else [],
        "offer": offer.id if offer else None,
        "candidates": [why_waiting.candidate(c) for c in candidates],
        "losers": [
            {"actor": _who(x.actor), "record": _ref(x.record), "rev": x.rev, "at": iso(x.at), "value": _value(x.value)}
            for x in losers
        ],
    }


async def _learn(
    names: Told, winner: Intent[Unit], losers: Sequence[Intent[Unit]], candidates: Sequence[Candidate]
) -> None:
    intents = (winner, *losers)
    values = [shape(i.value) for i in intents]
    actors = [i.actor for i in intents]
    await names.learn(User, [u for v in values for u in v[1]] + [c.user for c in candidates])
    await names.learn(User, [a.id for a in actors if a.type == "user"])
    await names.learn(Workflow, [a.id for a in actors if a.type == "workflow"])
    await names.learn(Queue, [v[2] for v in values])


def _carrier(rows: Sequence[Row], record: Ref, rev: int) -> Row | None:
    for row in reversed(rows):
        if any(c.type == record.type and c.id == record.id and c.rev == rev for c in row.changes):
            return row
    return None


def _offer_behind(rows: Sequence[Row], row: Row | None) -> Row | None:
    """The decision to offer that an accept answers."""
    if row is None:
        return None
    answered = next((r.meta.get("reservation") for r in row.why.reasons if r.code == "ACCEPTED"), None)
    for earlier in reversed(rows):
        if any(c.type == Reservation.TYPE and c.id == answered and not c.before_rev for c in earlier.changes):
            return earlier
    return None


def _in_force(names: Told, winner: Intent[Unit]) -> str:
    word, users, queue, _ = shape(winner.value)
    who, on = names.actor(winner.actor), f"{_noun(winner.record)} rev {winner.rev}"
    match word:
        case "assigned":
            return f"{names.of(users[0])} has it since {iso(winner.at)}: {who} decided so, written as {on}."
        case "queued":
            return f"It waits in {names.of(queue)} since {iso(winner.at)}: {who} decided so, written as {on}."
        case "done":
            return f"It is done since {iso(winner.at)}: {who} decided so, written as {on}."
        case _:
            return f"{who} took it out of every queue at {iso(winner.at)}, written as {on}."


_CLASS = {"person": "a person", "workflow": "a workflow or program", "rule": "a rule", "system": "the system"}


def _won(names: Told, winner: Intent[Unit], loser: Intent[Unit]) -> str:
    what = _means(names, loser.value)
    ranks = f"{_CLASS[winner.actor.cls]} goes before {_CLASS[loser.actor.cls]}"
    why = ranks if winner.actor.cls != loser.actor.cls else "of two equals the later one on routing's side goes first"
    return (
        f"It won against {names.actor(loser.actor)}, who wanted it {what} ({_noun(loser.record)} rev {loser.rev}): "
        f"neither had seen the other, and {why}."
    )


def _means(names: Told, value: Unit) -> str:
    word, users, queue, _ = shape(value)
    match word:
        case "assigned":
            return f"with {', '.join(names.of(u) for u in users)}"
        case "queued":
            return f"in {names.of(queue)}"
        case "done":
            return "done"
        case _:
            return "in no queue"


def _chosen(names: Told, candidates: Sequence[Candidate], row: Row | None) -> list[str]:
    if not candidates or row is None:
        return []
    able = [c for c in candidates if c.eligible]
    first = next((c for c in able if not c.reason), None)
    said: list[str] = []
    if first is not None:
        said.append(
            f"{names.of(first.user)} was chosen among {len(able)} who could take it, by {row.why.strategy or 'order'}."
        )
    others = [f"{names.of(c.user)}: {routing.REASONS.get(c.reason, c.reason)}" for c in candidates if c.reason][
        :NAMED_MAX
    ]
    return [*said, *(["Others: " + "; ".join(others) + "."] if others else [])]


def _sync(row: Row, names: Told) -> Json:
    """One sync decision: the revs it rested on, the peer rev it read, what it came to, and that in a sentence."""
    told = decision_resource(row)["attributes"]
    kept = (
        "at",
        "direction",
        "kind",
        "reason",
        "record",
        "revBefore",
        "revAfter",
        "guard",
        "peer",
        "basis",
        "written",
        "winner",
        "losers",
        "trace",
        "cause",
        "position",
    )
    return {"decision": row.id, "sentence": _of_sync(row, names), **{k: told[k] for k in kept if k in told}}


def _of_sync(row: Row, names: Told) -> str:
    why = row.why
    head = f"{why.direction.capitalize()} sync at {iso(row.at)}"
    mine = f"{_noun(why.record)} rev {why.rev_before}" if why.record else "no work item"
    peer = f"{_noun(Ref(why.peer.type, why.peer.id))} rev {why.peer.rev}" if why.peer else "nothing"
    match why.kind:
        case "merge":
            return f"{head} read {peer} beside {mine} and wrote rev {why.rev_after}: {_written(why.written)}."
        case "conflict":
            sides = f"{_side(why.winner, names)} went before {', '.join(_side(x, names) for x in why.losers)}"
            return f"{head} read {peer} beside {mine}: neither had seen the other; {sides}. Wrote rev {why.rev_after}."
        case _:
            return f"{head} read {peer} beside {mine} and wrote nothing: {why.reason or why.kind}."


def _side(party: Party | None, names: Told) -> str:
    return f"{names.actor(party.actor)} ({_noun(party.record)} rev {party.rev})" if party else "nobody"


def _written(written: Json) -> str:
    users: list[str] = written.get("assignedUsers") or []
    return f"{written.get('status', 'changed')}" + (
        f", with {len(users)} user{'s' if len(users) != 1 else ''}" if users else ""
    )


def _noun(ref: Ref | None) -> str:
    return {"conversation": "conversation", "work_item": "work item"}.get(ref.type if ref else "", "record")


def _who(actor: Actor) -> Json:
    return {"class": actor.cls, "type": actor.type, "id": actor.id}


def _ref(ref: Ref) -> Json:
    return {"type": ref.type, "id": ref.id}


def _value(value: Unit) -> Json:
    word, users, queue, external = shape(value)
    return {"phase": word, "users": list(users), "queue": queue, "external": external}
