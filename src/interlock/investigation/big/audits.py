"""Audit lines as the incident has them, with or without the peer that was read, to columns of numbers."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation.big.columns import DECODE_ERRORS, Columns, Rows, Table, text_code, users_code
from interlock.investigation.big.shape import AuditLine
from interlock.investigation.compact import (
    AUDIT,
    BEFORE,
    CLIENT,
    FLAGS,
    GROUP,
    ID,
    ITEMISED,
    MARK,
    NOT_SHOWN,
    ORDER,
    ORG,
    QUEUE_AT,
    QUEUE_BEFORE,
    REV,
    SIDE,
    STATUS_AT,
    STATUS_BEFORE,
    TRACE,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
)
from interlock.investigation.readers.audit import MESSAGE

_SPEAKING = (b"attributes", b"conversationId", b"workItemId", b"\\u")
"""Valid JSON without any of these says nothing of a record, however deep an export has wrapped it."""

_CONVERSATION, _WORK_ITEM = hash("conversation"), hash("work_item")


class Audits(Columns):
    """Collects audits."""

    LAID = (GROUP, ID, REV, BEFORE, ORDER, FLAGS, MARK, USERS_AT, STATUS_AT, CLIENT, TRACE, ORG)

    def __init__(self) -> None:
        super().__init__()
        self._decode = msgspec.json.Decoder(AuditLine).decode
        self._users = Table(users_code)
        self._statuses = Table(text_code)

    def collect(self, lines: list[memoryview], first: int, numbers: list[int]) -> tuple[list[int], int]:
        """Collects the audits among those of some lines that have these numbers, and fit the type; the numbers of the
        others, without those that certainly say nothing, and how many these are."""
        at = self.room(len(numbers))
        others: list[int] = []
        silent = 0
        for n in numbers:
            try:
                said = self._decode(lines[n - first])
            except DECODE_ERRORS:
                others.append(n)
                continue
            if said.msg != MESSAGE:
                line = bytes(lines[n - first])
                if any(word in line for word in _SPEAKING):
                    others.append(n)
                else:
                    silent += 1
                continue
            conversation = said.updatedConversation is not None
            patch = said.updatedConversation or said.updatedWorkItem
            id = said.conversationId if conversation else said.workItemId
            if patch is None or not id or not said.conversationId or type(said.time) is not str:
                others.append(n)
                continue
            if patch.assignedUsers is not UNSET and patch.assignedTo is not UNSET:
                others.append(n)
                continue
            users = patch.assignedUsers if patch.assignedTo is UNSET else patch.assignedTo
            self.times.append(said.time)
            self.put(
                self.laid, at, hash(said.conversationId), (_CONVERSATION if conversation else _WORK_ITEM) ^ hash(id),
                patch.rev + 1, patch.rev, n, ITEMISED if said.workItemId else 0,
                -1 if said.peer is None else said.peer.rev, self._users[users], self._statuses[patch.status],
                hash(said.dd.service or said.name), hash(said.dd.trace_id), hash(said.org),
            )  # fmt: skip
            at += self.row_bytes
        return others, silent

    def worked_out(self, c: Rows) -> Any:
        """What all audits have in common."""
        c[SIDE] = AUDIT
        c[QUEUE_AT] = NOT_SHOWN
        c[USERS_BEFORE], c[QUEUE_BEFORE], c[STATUS_BEFORE] = UNCHANGED, UNCHANGED, UNCHANGED
        return False
