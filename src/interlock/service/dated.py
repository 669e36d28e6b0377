"""Dated commands: an administrator may say when something happened, for what is taken over from elsewhere.

What follows (timers, waits, the place in a queue) is worked out as of then. When it was written down stays what it is:
the log and `updatedAt` have the present time, so that nobody who follows changes misses it.
"""

from __future__ import annotations

import msgspec

from interlock.domain.decision import Decision, Moment, Write
from interlock.domain.errors import InvalidValue


class Dated(msgspec.Struct, frozen=True):
    """When it happened (ms), and where the request says so; `at=None`: now."""

    at: int | None = None
    pointer: str = ""

    def moment(self, present: Moment) -> Moment:
        """The moment to decide in. Raises `InvalidValue` for one that lies ahead."""
        if self.at is None:
            return present
        if self.at > present.now:
            raise InvalidValue("This time has not come yet.", pointer=self.pointer)
        return msgspec.structs.replace(present, now=self.at)

    def told(self, decision: Decision, present: Moment) -> Decision:
        """The decision as it is written down now."""
        if self.at is None:
            return decision
        writes = tuple(Write(w.before, w.after.with_(updated_at=present.now)) for w in decision.writes)
        return msgspec.structs.replace(decision, writes=writes)


NOW = Dated()
