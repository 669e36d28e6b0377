"""A conversation and its work items as the log tells of them: who intended what, and what became of it."""

# pyright: strict

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from interlock.domain import assignment as unit
from interlock.domain.assignment import Context, Coupled, Dot, Intent, State
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Party
from interlock.domain.log import Row
from interlock.domain.record import Ref
from interlock.domain.work_item import WorkItem

Name = str
"""The name of a part of the coupled state: `unit`, `ended`, `paused`."""
SITE_OF = {Conversation.TYPE: "conversation", WorkItem.TYPE: "routing"}


class Breach(NamedTuple):
    """A broken invariant of one version of one record, in words."""

    invariant: str
    record: Ref
    rev: int
    text: str


class _Known(NamedTuple):
    """An intent that the log has shown, with what its author can have seen at most: the versions it says it read."""

    intent: Intent[Any]
    covered: Context


def parts(coupled: Coupled) -> Iterator[tuple[Name, State[Any]]]:
    """The unit and its registers, by name."""
    yield "unit", coupled.unit
    yield "ended", coupled.ended
    yield "paused", coupled.paused


_BLANK: dict[Name, State[Any]] = dict(parts(Coupled()))


class Pair:
    """Everything known of one conversation's coupled state."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._known: dict[Name, dict[Dot, _Known]] = {name: {} for name in _BLANK}
        self._slots: dict[tuple[Name, Context], tuple[Intent[Any], ...]] = {}
        self._read: dict[tuple[str, str, int], dict[Name, Context]] = {}
        self._minted = {"conversation": 0, "routing": 0}
        self._copied = {"conversation": 0, "routing": 0}
        self._on_the_way: dict[tuple[Name, Dot], int] = {}
        self._crossed: list[int] = []
        self._conversation: Conversation | None = None
        self._items: dict[str, WorkItem] = {}

    def take(self, row: Row, record: Conversation | WorkItem, before: Conversation | WorkItem | None) -> list[Breach]:
        """One version more of one of the two."""
        out: list[Breach] = []
        had = dict(parts(before.coupled)) if before else _BLANK
        for name, state in parts(record.coupled):
            self._learn(row, record, name, state, before, out)
            self._alive(record, name, had[name], state, out)
            self._agree(record, name, had[name], state, out)
        self._count(row, record, before, out)
        self._names_losers(row, record, before, out)
        self._read[record.TYPE, record.id, record.rev] = {name: state.ctx for name, state in parts(record.coupled)}
        self._arrive(row, record)
        if isinstance(record, Conversation):
            self._conversation = record
        else:
            self._items[record.id] = record
            self._one_open_item(record, out)
        return out

    def crossed(self) -> list[int]:
        """How long each intent took that has just been seen on the other side (ms)."""
        out, self._crossed = self._crossed, []
        return out

    def at_rest(self) -> list[Breach]:
        """I10 once nothing moves any more: the open item agrees, or none is needed."""
        c = self._conversation
        if c is None or c.deleted:
            return []
        item = next((i for i in self._items.values() if i.is_open), None)
        if item is None:
            done = unit.shape(c.coupled.outcome.value)[0] == "done"
            return [] if done else [Breach("I10", c.ref, c.rev, "it needs an agent and has no open work item")]
        if item.coupled == c.coupled:
            return []
        return [Breach("I10", c.ref, c.rev, f"it is out of step with work item {item.id} at rev {item.rev}")]

    def _learn(
        self, row: Row, record: Conversation | WorkItem, name: Name, state: State[Any],
        before: Conversation | WorkItem | None, out: list[Breach],
    ) -> None:  # fmt: skip
        """Intents that the log has not shown before: who minted them, and what their author can have seen."""
        for x in state.slots:
            known = self._known[name].get(x.dot)
            if known is not None:
                if known.intent != x:
                    out.append(Breach("I2", record.ref, record.rev, f"{name}: two intents are called {_word(x.dot)}"))
                continue
            at_home = x.record == record.ref and x.rev == record.rev and x.dot.site == SITE_OF[record.TYPE]
            if row.why.is_sync and (self._whole or at_home):
                out.append(
                    Breach(
                        "I7", record.ref, record.rev, f"{name}: a copy brought {_word(x.dot)}, which nobody intended"
                    )
                )
            elif not at_home and self._whole:
                text = f"{name}: {_word(x.dot)} says it was made in {x.record.type} {x.record.id} at rev {x.rev}"
                out.append(Breach("I9", record.ref, record.rev, text))
            covered = self._covered(row, name, x, record, before, out) if at_home else x.seen
            self._known[name][x.dot] = _Known(x, covered)
            if x.dot.site in self._minted:
                self._minted[x.dot.site] += 1
            self._on_the_way[name, x.dot] = row.at

    def _covered(
        self, row: Row, name: Name, x: Intent[Any], record: Conversation | WorkItem,
        before: Conversation | WorkItem | None, out: list[Breach],
    ) -> Context:  # fmt: skip
        """What an intent covers: what it says it had seen, as far as the versions it read had taken that in."""
        if not x.seen:
            return x.seen
        stated = [b for b in row.basis if b.type in SITE_OF]
        if not stated:
            out.append(
                Breach("I9", record.ref, record.rev, f"{name}: {_word(x.dot)} does not say which versions it rests on")
            )
            return ()
        read: Context = ()
        for b in stated:
            at_rev = self._read.get((b.type, b.id, b.rev))
            if at_rev is None:
                if not self._whole:
                    return x.seen
                continue
            read = unit.join(read, at_rev[name])
        return tuple(d for d in x.seen if unit.covers(read, d))

    def _alive(
        self, record: Conversation | WorkItem, name: Name, had: State[Any], state: State[Any], out: list[Breach]
    ) -> None:
        """I1 and I4: what is gone was retired by something that had seen it, and nothing retired is here."""
        here = unit.live_dots(state)
        for x in had.slots:
            if x.dot not in here and self._retirer(name, x.dot, state.ctx) is None:
                text = f"{name}: {_said(x)} is gone, and nothing that took its place had seen it"
                out.append(Breach("I1", record.ref, record.rev, text))
        for x in state.slots:
            by = self._retirer(name, x.dot, state.ctx)
            if by is not None:
                text = f"{name}: {_said(x)} is in force, though {_said(by)} had replaced it"
                out.append(Breach("I4", record.ref, record.rev, text))

    def _retirer(self, name: Name, dot: Dot, ctx: Context) -> Intent[Any] | None:
        """An intent known at this context whose basis covers `dot`."""
        for other, known in self._known[name].items():
            if other != dot and unit.covers(known.covered, dot) and unit.covers(ctx, other):
                return known.intent
        return None

    def _agree(
        self, record: Conversation | WorkItem, name: Name, had: State[Any], state: State[Any], out: list[Breach]
    ) -> None:
        """I2: what a context means does not depend on where it is, and no context is unlearned."""
        if not unit.includes(state.ctx, had.ctx):
            out.append(Breach("I2", record.ref, record.rev, f"{name}: it has forgotten what it had taken in"))
        known = self._slots.setdefault((name, state.ctx), state.slots)
        if known != state.slots:
            out.append(Breach("I2", record.ref, record.rev, f"{name}: other slots under a context that is known"))

    def _count(
        self, row: Row, record: Conversation | WorkItem, before: Conversation | WorkItem | None, out: list[Breach]
    ) -> None:
        """I7: a site writes by sync at most once for each intent of the other one."""
        if not row.why.is_sync or before is None or before.coupled == record.coupled:
            return
        here = SITE_OF[record.TYPE]
        there = "routing" if here == "conversation" else "conversation"
        self._copied[here] += 1
        if self._copied[here] > self._minted[there]:
            text = f"{self._copied[here]} sync writes here, {self._minted[there]} intents there"
            out.append(Breach("I7", record.ref, record.rev, text))

    def _names_losers(
        self, row: Row, record: Conversation | WorkItem, before: Conversation | WorkItem | None, out: list[Breach]
    ) -> None:
        """I9: a sync that finds two live intents says who is in force and who is not."""
        if not row.why.is_sync or before is None or before.coupled.unit == record.coupled.unit:
            return
        outcome = record.coupled.outcome
        told = {_dot(p) for p in row.why.losers}
        missing = [x for x in outcome.losers if x.dot not in told]
        if missing:
            out.append(
                Breach("I9", record.ref, record.rev, f"a conflict that does not name its loser: {_said(missing[0])}")
            )
        elif outcome.losers and (
            row.why.winner is None or outcome.winner is None or _dot(row.why.winner) != outcome.winner.dot
        ):
            out.append(
                Breach("I9", record.ref, record.rev, "a conflict that names another winner than the one in force")
            )

    def _arrive(self, row: Row, record: Conversation | WorkItem) -> None:
        here = SITE_OF[record.TYPE]
        contexts = dict(parts(record.coupled))
        for key in [k for k in self._on_the_way if k[1].site != here and unit.covers(contexts[k[0]].ctx, k[1])]:
            self._crossed.append(max(0, row.at - self._on_the_way.pop(key)))

    def _one_open_item(self, item: WorkItem, out: list[Breach]) -> None:
        others = [i.id for i in self._items.values() if i.is_open and i.id != item.id]
        if item.is_open and others:
            text = f"conversation {item.resource} has another open item, {others[0]}"
            out.append(Breach("I12", item.ref, item.rev, text))


def _dot(party: Party) -> Dot:
    site, epoch, n = party.dot
    return Dot(site, epoch, n)  # type: ignore[arg-type]


def _word(dot: Dot) -> str:
    return f"{dot.site}/{dot.epoch}/{dot.n}"


def _said(x: Intent[Any]) -> str:
    return f"{_word(x.dot)} ({x.actor.cls} {x.actor.id}, {x.record.type} rev {x.rev})"
