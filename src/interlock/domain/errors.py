"""Why something did not happen: four causes (refused, conflict, not found, unavailable) and their leaves.

The docstring of a leaf is the sentence its reader gets; `detail` says what to do next. The API turns a cause into a
status in one table and never invents a sentence of its own.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar


class Problem(Exception):
    """Something did not happen, and nothing was written."""

    STATUS: ClassVar[int] = 500
    CODE: ClassVar[str] = ""

    def __init__(
        self, detail: str = "", *, pointer: str = "", parameter: str = "", header: str = "", **meta: Any
    ) -> None:
        self.detail = detail
        self.pointer = pointer
        self.parameter = parameter
        self.header = header
        self.meta = meta
        super().__init__(f"{self.title} {detail}".strip())

    @property
    def title(self) -> str:
        """The sentence for people: the first line of the class's docstring."""
        return (type(self).__doc__ or "").strip().splitlines()[0]

    @property
    def code(self) -> str:
        """The stable word for programs: `StaleBasis` is `STALE_BASIS`."""
        return self.CODE or re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).upper()


class Refused(Problem):
    """A rule says no."""

    STATUS = 422


class Conflict(Problem):
    """Somebody was first."""

    STATUS = 409


class NotFound(Problem):
    """There is no such record here."""

    STATUS = 404


class Unavailable(Problem):
    """The store or the bus cannot be reached just now; try again."""

    STATUS = 503


class Malformed(Problem):
    """The request cannot be understood."""

    STATUS = 400
    CODE = "BAD_REQUEST"


class InvalidTransition(Refused):
    """This command does not exist for a work item in this state."""


class InvalidCombination(Refused):
    """These fields contradict each other."""


class InvalidValue(Refused):
    """This value cannot stand here."""


class ReadOnlyField(Refused):
    """Only the server sets this field."""


class TooMany(Refused):
    """This list is longer than allowed."""


class TooHeavy(Refused):
    """The agent has no room for this item."""


class SystemRecord(Refused):
    """This record belongs to the system and keeps its values."""


class InUse(Refused):
    """Something still depends on this record."""


class HistoryNotRecorded(Refused):
    """The log does not have what was seen then; nothing is made up in its place."""


class StaleBasis(Conflict):
    """The decision rests on a state that has changed since."""


class OfferTaken(Conflict):
    """The offer was made to, or taken by, somebody else."""


class OfferExpired(Conflict):
    """The offer is over."""


class KeyTaken(Conflict):
    """Another record holds this unique key."""

    def __init__(self, detail: str = "", *, claim: str = "", **meta: Any) -> None:
        super().__init__(detail, **meta)
        self.claim = claim


class RevMoved(Conflict):
    """The record moved between reading and writing; deciding again is the only right answer."""


class Fenced(Conflict):
    """Another process has taken over this work; what was begun here counts no more."""


class IdempotencyRunning(Conflict):
    """A request with this Idempotency-Key is still being worked on."""


class PreconditionFailed(Conflict):
    """The record has changed since the rev that was given."""

    STATUS = 412


class PreconditionRequired(Conflict):
    """This write must say which rev it is based on."""

    STATUS = 428


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with another payload."""


class NoLiveSession(NotFound):
    """This user is not signed in."""


class NoWaitingItem(NotFound):
    """Nothing waits in this queue."""


class Busy(Unavailable):
    """More work is waiting to be written than this server holds; try again in a moment."""
