"""The rules online, over the change log of a running service: conversations are looked at once they come to rest.

Rows go in as they are committed; `due` gives what is new since. Memory is bounded by rows: the conversations that were
silent longest are let go, and one that speaks again after that is judged by what it shows from then on. So is work:
one call looks at `budget` rows at most, and what waits longer than that is counted in `behind`.
"""

from __future__ import annotations

from collections import OrderedDict

from interlock.domain.log import Row
from interlock.investigation.finding import Finding, History, Limits
from interlock.investigation.history import Chronicle, key_of
from interlock.investigation.investigate import rules
from interlock.investigation.observation import Audit, Entry, Observation
from interlock.investigation.own import COUPLED, entries_of

LIVE = Limits(rest_ms=15_000, live=True)
"""The windows of the live service."""

ROWS_MAX = 20_000
ENTRIES_MAX = 256
"""Of one conversation: its newest, once it has more."""

REST_MS = 1_000
Told = tuple[str, tuple[str, str], int | None, str]


class _Conversation:
    __slots__ = ("entries", "last_at", "told")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.last_at = 0
        self.told: set[Told] = set()


class LiveDetectors:
    """Fed with rows, asked for findings. `now` is the service's clock (ms); nothing here reads one."""

    def __init__(
        self, *, limits: Limits = LIVE, after_ms: int = REST_MS, rows_max: int = ROWS_MAX, budget: int = 2_000
    ) -> None:
        self.limits = limits
        self.behind = 0
        self.forgotten = 0
        self.looked_at = 0
        self._after_ms = after_ms
        self._rows_max = rows_max
        self._budget = budget
        self._kept = 0
        self._known: OrderedDict[str, _Conversation] = OrderedDict()
        self._waiting: OrderedDict[str, int] = OrderedDict()

    def feed(self, row: Row) -> None:
        """One committed row, in the order of the log."""
        record = row.why.record
        coupled = any(c.type in COUPLED for c in row.changes)
        if not coupled and not (row.why.is_sync and record is not None and record.type in COUPLED):
            return
        known = self._known.get(row.partition)
        if known is None:
            known = self._known[row.partition] = _Conversation()
        before = len(known.entries)
        known.entries.extend(entries_of(row, types=COUPLED))
        if len(known.entries) > ENTRIES_MAX:
            del known.entries[: -ENTRIES_MAX // 2]
        known.last_at = row.at
        self._kept += len(known.entries) - before
        self._known.move_to_end(row.partition)
        if coupled:
            self._waiting[row.partition] = row.at
            self._waiting.move_to_end(row.partition)
        while self._kept > self._rows_max and len(self._known) > 1:
            name, oldest = self._known.popitem(last=False)
            self._kept -= len(oldest.entries)
            self.forgotten += self._waiting.pop(name, None) is not None

    def due(self, now: int) -> list[Finding]:
        """New findings about conversations that have been at rest for a while; each is given once."""
        found: list[Finding] = []
        left = self._budget
        while self._waiting and left > 0:
            name = next(iter(self._waiting))
            if self._waiting[name] + self._after_ms > now:
                break
            del self._waiting[name]
            known = self._known[name]
            left -= len(known.entries)
            found += self._look(name, known, now)
        self.behind = sum(at + self._after_ms <= now for at in self._waiting.values()) if left <= 0 else 0
        return found

    def _look(self, name: str, known: _Conversation, now: int) -> list[Finding]:
        self.looked_at += 1
        observations = [e for e in known.entries if isinstance(e, Observation)]
        audits = [e for e in known.entries if isinstance(e, Audit)]
        new: list[Finding] = []
        for f in rules(Chronicle(History(name, observations, audits, self.limits), now)):
            told = (f.rule, key_of(f.record), f.rev, f.field)
            if told not in known.told:
                known.told.add(told)
                new.append(f)
        return new
