"""What a run is held to when it has come to rest: the ledger over its log, and that nothing stands still."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from interlock.domain.conversation import Conversation
from interlock.domain.log import Row, encode_entry
from interlock.domain.record import Record
from interlock.domain.work_item import WorkItem
from interlock.investigation.ledger import Ledger
from interlock.investigation.pair import Pair
from interlock.ports import Query
from interlock.simulation.scheduler import STEPS_MAX, Run
from interlock.simulation.stage import ORG, Stage
from interlock.simulation.world import at_once

T = TypeVar("T")
HOUR_MS = 3_600_000


class Broken(NamedTuple):
    """What does not hold: an invariant's number, or a word of ours; and where, in words.

    parked   a step was given up       stuck  an item that nothing will move again
    endless  the run does not end      sweep  a pair at rest that the sweep holds to be out of step
    """

    name: str
    text: str


class Judge:
    """Verdicts over the runs of one stage. The rows of the set-up are folded once; equal logs are judged once."""

    def __init__(
        self, stage: Stage, *, whole: bool = True, places_items: bool = False, excused: frozenset[str] = frozenset()
    ) -> None:
        self._ledger = Ledger(whole=whole)
        for row in stage.store.rows:
            self._ledger.take(row)
        self._places_items, self._excused = places_items, excused
        self._known: dict[object, list[Broken]] = {}

    def verdict(self, run: Run, *, rests: bool = True) -> list[Broken]:
        """Everything that does not hold at the end of this run; `rests=False`: what is on its way may still arrive."""
        rows = run.room.store.rows[run.room.began :]
        if run.room.forgotten:
            rows = [r for r in rows if r.id not in run.room.forgotten]
        key = tuple([id(row.why) for row in rows]) if run.remembers else b"".join(map(encode_entry, rows))
        if not rests:
            return self._fold(rows, rests=False)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._fold(rows)
        own = [Broken("parked", text) for text in run.faults_met]
        own += [Broken("endless", f"it has not ended after {STEPS_MAX} steps")] if run.performed >= STEPS_MAX else []
        own += [Broken("sweep", f"the sweep finds {c.ref.type} {c.id}") for c in _out_of_step(run)]
        own += self._stuck(run) if self._places_items else []
        return [*found, *own]

    def _fold(self, rows: Iterable[Row], *, rests: bool = True) -> list[Broken]:
        ledger = fork(self._ledger)
        out: list[Broken] = []
        for row in rows:
            ledger.take(row)
            if row.why.kind == "parked":
                out.append(Broken("parked", row.why.reason))
        if rests:
            ledger.finish()
        found = [v for v in ledger.violations if v.invariant not in self._excused]
        return [Broken(v.invariant, f"{v.record.type} rev {v.rev}: {v.text}") for v in found] + out

    def _stuck(self, run: Run) -> list[Broken]:
        out: list[Broken] = []
        store = run.room.store
        for item in store.all(WorkItem.TYPE):
            c = store.at(Conversation(id=getattr(item, "resource", ""), org=item.org).address)
            if isinstance(item, WorkItem) and item.status == "ivr" and isinstance(c, Conversation):
                out.append(Broken("stuck", f"work item {item.id} stands in ivr, and the rules have been and gone"))
        return out


def _out_of_step(run: Run) -> list[Record]:
    """What the sweep would find, now that everything has come to rest: by the store's index, as the sweep does."""
    query = Query(name="out_of_step", org=ORG, before=run.room.clock.at + HOUR_MS)
    return at_once(run.room.store.find(query))


def fork(thing: T) -> T:
    """A ledger as far as it has come, to go on with apart: its books are copied, the records in them are not."""
    twin = copy.copy(thing)
    for name, value in vars(thing).items():
        setattr(twin, name, _copied(value))
    return twin


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list):
        return list(value)
    return fork(value) if isinstance(value, Pair) else value
