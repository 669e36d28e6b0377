"""Queue rules: the ordered list that says where a conversation's item waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.decision import Tried
from interlock.domain.errors import InvalidValue
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.record import Index, Record

RULES_MAX = 100


class QueueRule(Record, frozen=True, kw_only=True):
    """One rule: if its criteria hold, its queue it is."""

    TYPE: ClassVar[str] = "queue-rule"
    PATH: ClassVar[str] = "/v1/routing/queue-rules/"
    NOUN: ClassVar[str] = "queue-rule"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "queue": "queue"}

    name: str
    description: str = ""
    enabled: bool = True
    criteria: dict[str, Any] = {}
    position: int = 1
    queue: str | None = None
    queue_key: str | None = None
    deleted: bool = False

    def index(self) -> Index:
        """In order."""
        return Index(state="deleted" if self.deleted else "live", sort=f"{self.position:06d}")

    def condition_names(self) -> tuple[str, ...]:
        """The fields its criteria name."""
        return tuple(k for side in ("and", "or") for c in self.criteria.get(side, ()) for k in c)


class Facts(msgspec.Struct, frozen=True):
    """What a rule is tested against."""

    conversation: Conversation
    customer: Customer | None
    message: Message | None
    now: int


class Match(msgspec.Struct, frozen=True):
    """The first rule that holds, and what was tried."""

    rule: QueueRule | None
    queue: str | None
    queue_key: str | None
    tried: tuple[Tried, ...]


def first_match(rules: Sequence[QueueRule], facts: Facts) -> Match:
    """First match wins."""
    tried: list[Tried] = []
    for r in rules:
        if not r.enabled:
            continue
        failed = next((n for n in r.condition_names() if not _holds(r, n, facts)), "")
        tried.append(Tried(r.id, r.rev, failed))
        if not failed:
            return Match(r, r.queue, r.queue_key, tuple(tried))
    return Match(None, None, None, tuple(tried))


def _holds(r: QueueRule, name: str, facts: Facts) -> bool:
    for side in ("and", "or"):
        for c in r.criteria.get(side, ()):
            if name in c:
                value = c[name].get("value")
                if name == "conversation_channel":
                    return facts.conversation.channel == value
                return getattr(facts.conversation, name.removeprefix("conversation_"), None) == value
    return False


def check_rule(values: Mapping[str, Any], queue: Queue | None) -> None:
    """What must hold at save."""
    if queue is not None and queue.system:
        raise InvalidValue("No rule may target the default queue.", pointer="/queue/id")
