"""The books are balanced from the log alone: a fold over rows that finds every invariant broken in them.

It trusts no counter and no state of the service. Whatever it says, it says because of rows that anybody can read
again. A *lost assignment* is a live intent that is gone, or hidden, under something whose basis did not cover it (I1,
I4, I5); every other breach is counted by its number.

    I1   a live intent disappears only under an intent whose basis covers it, never under a copy
    I2   equal context, equal slots; and knowledge only grows
    I3   no record shows an invalid combination
    I4   nothing is effective that a known intent had superseded
    I5   a stronger live intent never hides under a weaker one
    I6   rev + 1 per commit; each before is the previous after
    I7   sync writes at a site are at most the other side's intents; a copy mints nothing
    I9   each rev has one row; each conflict names its losers; each intent says what it rests on
    I10  an intent is on the other side within the lag objective
    I11  the org of a row is the org of its records
    I12  one open item per conversation; nobody over capacity by routing's own doing
"""

# pyright: strict

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from interlock.domain import log
from interlock.domain.agent import WorkSession
from interlock.domain.change import ChangeSet, diff
from interlock.domain.conversation import Conversation
from interlock.domain.log import Row
from interlock.domain.record import Record, Ref
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.investigation import shown
from interlock.investigation.pair import Breach, Pair

LOST = frozenset({"I1", "I4", "I5"})
LAG_OBJECTIVE_MS = 5_000

_encode = msgspec.json.Encoder().encode


class Violation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One broken invariant: which, in which row, on which version of which record, and in words."""

    invariant: str
    position: int
    row: str
    org: str
    record: Ref
    rev: int
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """What the whole log comes to. `lag_ms`: for each intent that crossed, how long it took."""

    rows: int
    lost: tuple[Violation, ...]
    others: tuple[Violation, ...]
    lag_ms: tuple[int, ...]

    @property
    def by_number(self) -> dict[str, int]:
        """How many breaches of each invariant there are, beside the lost assignments."""
        return dict(sorted(Counter(v.invariant for v in self.others).items()))


class Ledger:
    """Rows in the order of their positions go in; violations come out, and the verdict at the end.

    `whole`: the log is read from its first row, so a record that appears without its birth is a breach too.
    """

    def __init__(self, *, whole: bool = True, lag_objective_ms: int = LAG_OBJECTIVE_MS) -> None:
        self.violations: list[Violation] = []
        self.rows = 0
        self.lag_ms: list[int] = []
        self._whole = whole
        self._objective = lag_objective_ms
        self._position = 0
        self._latest: dict[tuple[str, str, str], Record] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}

    @property
    def lost(self) -> int:
        """Lost assignments so far."""
        return sum(v.invariant in LOST for v in self.violations)

    def take(self, row: Row) -> list[Record]:
        """One row more. Answers with the records as the row left them, so that nobody has to read them twice."""
        self.rows += 1
        if row.position <= self._position:
            self._breach("I9", row, _about(row), 0, f"row {row.position} comes after row {self._position}")
        self._position = max(self._position, row.position)
        if row.by.org != row.org:
            self._breach("I11", row, _about(row), 0, f"an author of org {row.by.org} in a row of org {row.org}")
        touched = [self._version(row, change) for change in row.changes]
        for record, before in touched:
            if isinstance(record, Conversation | WorkItem):
                self._coupled(row, record, before if isinstance(before, Conversation | WorkItem) else None)
        for record, before in touched:
            self._show(row, record, before)
        return [record for record, _ in touched]

    def finish(self) -> Verdict:
        """The verdict, once everything has come to rest: pairs in step, and load that somebody has."""
        for (org, _), pair in self._pairs.items():
            for breach in pair.at_rest():
                self._at_rest(org, breach)
        items: dict[str, dict[str, WorkItem]] = {}
        sessions: list[WorkSession] = []
        for record in self._latest.values():
            if isinstance(record, WorkItem):
                items.setdefault(record.org, {})[record.id] = record
            elif isinstance(record, WorkSession):
                sessions.append(record)
        for breach_org, breach in shown.loads(sessions, items):
            self._at_rest(breach_org, breach)
        return self.verdict()

    def verdict(self) -> Verdict:
        """What has been found so far; nothing is said of what is still on its way."""
        lost = tuple(v for v in self.violations if v.invariant in LOST)
        others = tuple(v for v in self.violations if v.invariant not in LOST)
        return Verdict(self.rows, lost, others, tuple(self.lag_ms))

    def _version(self, row: Row, change: ChangeSet) -> tuple[Record, Record | None]:
        """One change set against the version before it: I6, I9, I11."""
        after = log.snapshot_of(change)
        key = (row.org, change.type, change.id)
        before = self._latest.get(key)
        ref, last = Ref(change.type, change.id), before.rev if before else 0
        if after.org != row.org:
            self._breach("I11", row, ref, change.rev, f"a record of org {after.org} in a row of org {row.org}")
        if (after.id, after.rev) != (change.id, change.rev):
            self._breach("I9", row, ref, change.rev, f"the snapshot is {after.id} at rev {after.rev}")
        known = before is not None or self._whole or change.before_rev == 0
        if known and change.rev <= last:
            self._breach("I9", row, ref, change.rev, f"rev {change.rev} has a row already")
        elif known and change.before_rev != last:
            self._breach(
                "I6", row, ref, change.rev, f"it starts from rev {change.before_rev}; the log left it at rev {last}"
            )
        if change.rev != change.before_rev + 1:
            self._breach(
                "I6", row, ref, change.rev, f"one commit went from rev {change.before_rev} to rev {change.rev}"
            )
        if before is not None and change.before_rev == last and type(before) is type(after):
            self._before_is_previous_after(row, change, before, after)
        self._latest[key] = after
        return after, before

    def _before_is_previous_after(self, row: Row, change: ChangeSet, before: Record, after: Record) -> None:
        true = diff(before, after)
        if _encode(true) == _encode((change.attributes, change.relationships)):
            return
        names = sorted({*true[0], *true[1], *change.attributes, *change.relationships})
        told = {**change.attributes, **change.relationships}
        real = {**true[0], **true[1]}
        wrong = [n for n in names if _encode(told.get(n)) != _encode(real.get(n))]
        text = f"what it says of {', '.join(wrong)} is not what moved between the two versions"
        self._breach("I6", row, Ref(change.type, change.id), change.rev, text)

    def _coupled(self, row: Row, record: Conversation | WorkItem, before: Conversation | WorkItem | None) -> None:
        conversation = record.id if isinstance(record, Conversation) else record.resource
        pair = self._pairs.get((row.org, conversation))
        if pair is None:
            pair = self._pairs[row.org, conversation] = Pair(whole=self._whole)
        for breach in pair.take(row, record, before):
            self._breach(breach.invariant, row, breach.record, breach.rev, breach.text)
        for lag in pair.crossed():
            self.lag_ms.append(lag)
            if lag > self._objective:
                self._breach("I10", row, record.ref, record.rev, f"an intent took {lag} ms to reach this side")

    def _show(self, row: Row, record: Record, before: Record | None) -> None:
        found: Iterable[Breach] = ()
        if isinstance(record, Conversation):
            found = shown.conversation(record)
        elif isinstance(record, WorkItem):
            offer = self._latest.get((row.org, Reservation.TYPE, record.reservation or ""))
            found = shown.work_item(record, offer if isinstance(offer, Reservation) else None)
        elif isinstance(record, WorkSession):
            found = shown.session(record, before if isinstance(before, WorkSession) else None)
        for breach in found:
            self._breach(breach.invariant, row, breach.record, breach.rev, breach.text)

    def _breach(self, invariant: str, row: Row, record: Ref, rev: int, text: str) -> None:
        self.violations.append(Violation(invariant, row.position, row.id, row.org, record, rev, text))

    def _at_rest(self, org: str, breach: Breach) -> None:
        self.violations.append(Violation(breach.invariant, 0, "", org, breach.record, breach.rev, breach.text))


def check(rows: Iterable[Row]) -> Verdict:
    """The verdict over a whole log at rest."""
    ledger = Ledger()
    for row in rows:
        ledger.take(row)
    return ledger.finish()


def _about(row: Row) -> Ref:
    return row.why.record or Ref("", row.partition)
