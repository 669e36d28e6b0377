"""The nouns there are, by their API type. A new noun is one file and one line here; stores need no change."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.domain.access import ApiKey, Org
from interlock.domain.agent import OrgSettings, RoutingSettings, Status, Team, User, WorkSession
from interlock.domain.bulk import Bulk
from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.incident import Incident
from interlock.domain.message import Message
from interlock.domain.note import Note
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.rule import QueueRule
from interlock.domain.schedule import Schedule
from interlock.domain.side import Collected
from interlock.domain.skill import Skill
from interlock.domain.skill_rule import SkillRule
from interlock.domain.webhook import Webhook
from interlock.domain.wording import Shortcut, Tag
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.domain.workflow import Workflow

KINDS: dict[str, type[Record]] = {
    kind.TYPE: kind
    for kind in (
        ApiKey,
        Bulk,
        Conversation,
        Customer,
        Incident,
        Message,
        Note,
        Org,
        OrgSettings,
        Queue,
        QueuePass,
        QueueRule,
        Reservation,
        RoutingSettings,
        Schedule,
        Skill,
        Shortcut,
        SkillRule,
        Status,
        Tag,
        Team,
        User,
        Webhook,
        WorkItem,
        WorkSession,
        Workflow,
    )
}

_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    kind.TYPE: msgspec.json.Decoder(kind) for kind in (*KINDS.values(), Collected)
}
"""Of every kind that a store may hold: the nouns, and what a store of two databases keeps for itself."""


def decode(type: str, body: bytes) -> Record:
    """A stored record. Raises `KeyError` for a type that this version does not know."""
    return _decoders[type].decode(body)
