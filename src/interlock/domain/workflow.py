"""Workflows: on an event, if conditions hold, an update of the conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from interlock.domain.conversation import Conversation, Shared
from interlock.domain.record import Index, Record


class Workflow(Record, frozen=True, kw_only=True):
    """One automation."""

    TYPE: ClassVar[str] = "workflow"
    PATH: ClassVar[str] = "/v1/workflows/"
    NOUN: ClassVar[str] = "workflow"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    description: str = ""
    enabled: bool = True
    trigger: dict[str, Any] = {}
    steps: tuple[dict[str, Any], ...] = ()

    def index(self) -> Index:
        """Enabled ones apart."""
        return Index(state="enabled" if self.enabled else "disabled", sort=self.name.lower())


def listens(w: Workflow, event: str, changed: frozenset[str]) -> bool:
    """Whether this event starts it."""
    return str(w.trigger.get("eventName", "")).endswith(event)


def holds(w: Workflow, c: Conversation) -> bool:
    """Whether its conditions hold."""
    return not c.assigned_users


def act(w: Workflow, c: Conversation) -> tuple[dict[str, Any], Shared] | None:
    """What it writes."""
    for s in w.steps:
        users = s.get("params", {}).get("assignedUsers")
        if users:
            return {}, Shared(users=tuple(users))
    return None
