"""The newest rows as they were made durable, so that whoever follows the log closely does not decode them again."""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain.log import Row


class Recent:
    """At most `rows_max` rows whose positions follow one another without a gap."""

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._rows: list[Row] = []
        self._first = 0

    def take(self, rows: Sequence[Row]) -> None:
        """Rows that are durable now, in order. After a gap (another process wrote there) it begins anew."""
        for row in rows:
            if row.position != self._first + len(self._rows):
                self._rows, self._first = [], row.position
            self._rows.append(row)
        if len(self._rows) > 2 * self._rows_max:
            spare = len(self._rows) - self._rows_max
            del self._rows[:spare]
            self._first += spare

    def clear(self) -> None:
        """Forget them: another process has written, and what follows the last one here is not known."""
        self._rows, self._first = [], 0

    def after(self, position: int, limit: int, org: str) -> list[Row]:
        """The rows that follow `position`, of one org if given; nothing if they are not all here, or there are none."""
        start = position + 1 - self._first
        if limit <= 0 or start < 0 or start >= len(self._rows):
            return []
        if not org:
            return self._rows[start : start + limit]
        found: list[Row] = []
        for n in range(start, len(self._rows)):
            if self._rows[n].org == org:
                found.append(self._rows[n])
                if len(found) == limit:
                    break
        return found
