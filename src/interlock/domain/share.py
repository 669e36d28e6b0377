"""Shares: how the work of a role is divided among processes, by record, or by org and, within a large org, by queue.

Pure arithmetic over names: whoever looks at a row, in whichever process, puts it into the same share. Rows fall into a
fixed number of buckets, and shares are made of buckets, so that another division moves buckets and not rows.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import msgspec

from interlock.domain.log import Heading, Row

BUCKETS = 64
"""Buckets by record and by org: the most shares that a role can have."""
QUEUE_BUCKETS = 16
"""Buckets by queue: the most lanes in which one org's routing can be divided."""
BY_ORG = frozenset({"routing"})
"""Roles that look at all that waits in an org at once. Every other role looks at one record at a time."""
ANY_QUEUE = -1
"""The queue bucket of a row that concerns every lane of its org."""

_NAME = re.compile(r"([a-z-]+)(?:\.(\d+)of(\d+))?(?:\.(\d+)of(\d+)q)?")


class Share(msgspec.Struct, frozen=True):
    """Part `part` of `of` of a role, and in it lane `lane` of `lanes`: the work that one process does at a time."""

    role: str
    part: int = 0
    of: int = 1
    lane: int = 0
    lanes: int = 1

    @property
    def name(self) -> str:
        """The consumer's name: the role's own if the role is not divided."""
        part = f".{self.part}of{self.of}" if self.of > 1 or self.lanes > 1 else ""
        return f"{self.role}{part}" + (f".{self.lane}of{self.lanes}q" if self.lanes > 1 else "")

    @property
    def whole(self) -> bool:
        """Whether it is all of the role."""
        return self.of == 1 and self.lanes == 1

    def holds(self, row: Row) -> bool:
        """Whether a row is to be looked at here."""
        if self.whole:
            return True
        bucket = org_bucket(row.org) if self.role in BY_ORG else record_bucket(row.org, row.partition)
        if bucket % self.of != self.part:
            return False
        return self.lanes == 1 or (lane := queue_bucket_of(row)) == ANY_QUEUE or lane % self.lanes == self.lane

    def answers(self, row: Row) -> bool:
        """Whether the reactions to a row that it holds are its own: of the lanes that see a row, one reacts."""
        lane = queue_bucket_of(row) if self.lanes > 1 else 0
        return max(lane, 0) % self.lanes == self.lane

    def looks_after(self, org: str) -> bool:
        """Whether what the clock asks for in an org is done here."""
        return org_bucket(org) % self.of == self.part

    def serves(self, queue: str) -> bool:
        """Whether a queue of its orgs is matched here."""
        return self.lanes == 1 or queue_bucket(queue) % self.lanes == self.lane


def shares(role: str, of: int = 1, lanes: int = 1) -> tuple[Share, ...]:
    """A role divided into `of` parts; lanes only where the role works by org."""
    within = lanes if role in BY_ORG else 1
    return tuple(Share(role, part, of, lane, within) for part in range(of) for lane in range(within))


def share_named(name: str) -> Share:
    """The share that a consumer's name stands for. Raises `ValueError` for a name that stands for none."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no consumer's name")
    role, part, of, lane, lanes = found.groups()
    return Share(role, int(part or 0), int(of or 1), int(lane or 0), int(lanes or 1))


@lru_cache(maxsize=4096)
def org_bucket(org: str) -> int:
    """The bucket of an org."""
    return zlib.crc32(org.encode()) % BUCKETS


def record_bucket(org: str, partition: str) -> int:
    """The bucket of what is kept in order together: a conversation with its items."""
    return zlib.crc32(f"{org}/{partition}".encode()) % BUCKETS


@lru_cache(maxsize=4096)
def queue_bucket(queue: str) -> int:
    """The bucket of a queue."""
    return zlib.crc32(queue.encode()) % QUEUE_BUCKETS


def queue_bucket_of(row: Row | Heading) -> int:
    """The bucket of the queue that a row is about, `ANY_QUEUE` if it is about agents, settings, or no queue at all."""
    found = ANY_QUEUE
    for change in row.changes:
        if change.type == "work_session":
            return ANY_QUEUE
        if change.type == "work_item":
            queue = _queued.decode(bytes(change.snapshot)).queue
            found = queue_bucket(queue) if queue else ANY_QUEUE
    return found


class _Queued(msgspec.Struct):
    """The one field of a work item that says where its row goes."""

    queue: str | None = None


_queued = msgspec.json.Decoder(_Queued)
