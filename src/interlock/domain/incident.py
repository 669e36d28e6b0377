"""An incident as people work it off: findings of one kind together, and how far somebody is with them.

What was found is read from the log; stored is only what people said of it, under the fingerprint of its kind. A closed
incident that is found again afterwards is open again, and says so: nobody has to reopen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from interlock.domain.errors import InvalidValue
from interlock.domain.record import Index, Record

State = Literal["open", "acknowledged", "closed"]


class Incident(Record, frozen=True, kw_only=True):
    """What was said of one kind of finding. `rule` to `explanation`: the newest finding as it was when it was said."""

    TYPE: ClassVar[str] = "incident"
    PATH: ClassVar[str] = "/v1/incidents/"
    NOUN: ClassVar[str] = "incident"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    state: State = "open"
    reason: str = ""
    state_by: str = ""
    state_changed_at: int | None = None
    rule: str = ""
    field: str = ""
    client: str = ""
    severity: str = ""
    certainty: str = ""
    explanation: str = ""

    def index(self) -> Index:
        """By state."""
        return Index(state=self.state, sort=f"{self.state_changed_at or 0:015d}")

    def came_back(self, last_seen: int | None) -> bool:
        """Whether it was found again after it was closed. `last_seen`: ms."""
        return self.state == "closed" and (last_seen or 0) > (self.state_changed_at or 0)


def said(state: State, reason: str, by: str, now: int) -> dict[str, Any]:
    """The fields of a new state. Raises `InvalidValue` for a closed one without a reason: the next reader needs it."""
    if state == "closed" and not reason.strip():
        raise InvalidValue("Say why it is closed: explained, accepted, fixed, and how.", pointer="/reason")
    return {"state": state, "reason": reason.strip(), "state_by": by, "state_changed_at": now}
