"""Small records and commits for the conformance suites. Every org, id and name is given by the test."""

from __future__ import annotations

from itertools import count
from typing import Any

from interlock.domain.agent import User, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, Why, Write, birth, step
from interlock.domain.log import entry_of
from interlock.domain.record import Record
from interlock.domain.work_item import PassHead, QueuePass, WorkItem
from interlock.ports import Commit, Mark

A, B = "a" * 24, "b" * 24
"""Two organisations that never see each other."""

_numbers = count(1)


class Hands:
    """A clock that stands still until a test moves it (ms)."""

    def __init__(self, at: int = 1_000) -> None:
        self.at = at

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self.at


def by(org: str = A) -> Provenance:
    """A person of this org, through the API."""
    return Provenance(org, Actor("person", "user", "u1"), "api", trace="0" * 32)


def commit_of(*writes: Write, org: str = A, partition: str = "", at: int = 1_000, **more: Any) -> Commit:
    """A commit of these writes in one decision; `more` are fields of `Commit`."""
    name = partition or (writes[0].after.id if writes else "p")
    decision = Decision(partition=name, why=Why(direction="person", kind="change"), writes=writes)
    return Commit(entry=entry_of(decision, f"e{next(_numbers)}", by(org), at, ()), writes=writes, **more)


def marks_only(*marks: Mark) -> Commit:
    """A commit that writes no row."""
    return Commit(marks=marks)


def conversation(id: str, org: str = A, **fields: Any) -> Conversation:
    """A conversation."""
    return Conversation(id=id, org=org, **fields)


def user(id: str, org: str = A, **fields: Any) -> User:
    """A user; its mail address is a unique name of its org."""
    return User(id=id, org=org, name=fields.pop("name", id), **fields)


def item(id: str, org: str = A, *, entered: int | None = None, **fields: Any) -> WorkItem:
    """A work item of conversation c<id>; `entered` is when it entered its queue (ms)."""
    head = PassHead(entered_queue_at=entered) if entered is not None else None
    resource = fields.pop("resource", f"c{id}")
    return WorkItem(id=id, org=org, resource=resource, pass_=f"p{id}", last_revision=head, **fields)


def session(id: str, user: str, org: str = A, **fields: Any) -> WorkSession:
    """A work session of this user."""
    return WorkSession(id=id, org=org, user=user, status="s1", **fields)


def queue_pass(id: str, queue: str, org: str = A, **fields: Any) -> QueuePass:
    """A stay in this queue, of item w<id> unless another is named."""
    return QueuePass(id=id, org=org, queue=queue, work_item=fields.pop("work_item", f"w{id}"), **fields)


def next_of(record: Record, now: int = 2_000, **fields: Any) -> Write:
    """The write that makes the next version of this one."""
    return step(record, record.with_(**fields), now)


async def put(store: Any, *records: Record) -> None:
    """Store new records, a commit each."""
    for record in records:
        await store.commit(commit_of(birth(record), org=record.org))


def ids(records: list[Record]) -> list[str]:
    """Their ids, in order."""
    return [r.id for r in records]
