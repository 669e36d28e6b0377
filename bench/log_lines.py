"""Log lines in the shape of the incident's: event envelopes of a conversation and its work item, and audit lines.

A `Scene` is one conversation with its work item. Strings are put together by hand: a gigabyte is made in a minute.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

Changes = dict[str, tuple[str, Any, Any]]
"""Field → (op, before, after). A name with a leading `→` is a relationship; its values are (type, id) or `None`."""

ABSENT = object()
"""`before` of a field that the log does not give."""

ORG = "5c093c1abd6d1c00124a36b2"
_json = msgspec.json.Encoder().encode


@lru_cache(4096)
def _second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso(ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


def _text(value: Any) -> str:
    return _json(value).decode()


def _link(kind: str, id: str) -> str:
    return f'{{"data":{{"type":"{kind}","id":"{id}"}},"links":{{"self":"/v1/{kind}s/{id}"}}}}'


def _moves(changes: Changes) -> str:
    """The `changes` member: attributes and relationships apart, each with op, before (if it has one) and after."""
    attributes, relationships = [], []
    for name, (op, before, after) in changes.items():
        related = name[0] == "→"
        show = (lambda v: "null" if v is None else _link(*v)) if related else _text
        said = [f'"op":"{op}"']
        if before is not ABSENT:
            said.append(f'"before":{show(before)}')
        if op != "remove":
            said.append(f'"after":{show(after)}')
        (relationships if related else attributes).append(f'"{name.lstrip("→")}":{{{",".join(said)}}}')
    return f'{{"attributes":{{{",".join(attributes)}}},"relationships":{{{",".join(relationships)}}}}}'


class Scene:
    """One conversation, its work item, and the services that write of them.

    lean    only the attributes that move (0.9 kB a line instead of 3)
    skew    ms by which the clock of the work item's service is ahead
    """

    def __init__(self, rng: random.Random, start: int, *, lean: bool, skew: int = 0, preview: str = "") -> None:
        self.rng, self.start, self.lean, self.skew, self.preview = rng, start, lean, skew, preview
        self.conversation_id = self.id(start)
        self.item_id = ""
        self.item_at = 0
        self.customer = self.id(start - 9_000_000_000)

    def id(self, at: int) -> str:
        """An id whose first four bytes are the second it was made in."""
        return f"{at // 1000:08x}{self.rng.getrandbits(64):016x}"

    def trace(self) -> str:
        """A trace id as tracers write them: a decimal number."""
        return str(self.rng.getrandbits(62) | 1 << 61)

    def conversation(
        self, at: int, rev: int, changes: Changes, state: dict[str, Any], *, client: str, sync: bool = False,
        source: tuple[str, str] | None = None, trace: str = "", verb: str = "update",
    ) -> str:  # fmt: skip
        """The line of one version of the conversation. `state`: users, queue, status as they are after it."""
        users, queue = _text(list(state["users"])), state.get("queue")
        many = "" if self.lean else (
            f'"externalId":"CA{self.conversation_id}","name":"Outbound call","preview":{_text(self.preview)},'
            '"channels":["voice"],"messageCount":1,"noteCount":0,"satisfaction":0,"satisfactionLevel":{"sentByTeams":[],"answers":[]},'
            f'"lastActivityAt":"{iso(self.start)}","spam":false,"tags":[],"suggestedTags":[],"predictions":[],'
            '"suggestedShortcuts":[],"assignedTeams":[],"firstResponse":{"createdByTeams":[],"assignedTeams":[],"assignedUsers":[]},'
            '"firstResponseSinceLastDone":{"createdByTeams":[],"assignedTeams":[],"assignedUsers":[]},'
            '"lastResponse":{"createdByTeams":[],"assignedTeams":[],"assignedUsers":[]},'
            '"firstDone":{"createdByTeams":[],"assignedTeams":[],"assignedUsers":[]},'
            '"lastDone":{"createdByTeams":[],"assignedTeams":[],"assignedUsers":[]},"direction":"out","custom":{"fcrBool":true},'
            '"lastMessageDirection":"out","outboundMessageCount":1,"inboundMessageCount":0,"priority":3,"roleGroupVersions":[],'
            '"accessOverride":[],"assistant":{"fac":{"reasons":[]},"assistantId":[]},"phase":"active",'
        )  # fmt: skip
        attributes = (
            f'{{{many}"status":"{state.get("status", "open")}","createdAt":"{iso(self.start)}","updatedAt":"{iso(at)}",'
            f'"ended":false,"assignedUsers":{users},"rev":{rev}}}'
        )
        links = [f'"org":{_link("org", ORG)}', f'"customer":{_link("customer", self.customer)}']
        if queue:
            links.append(f'"queue":{_link("queue", queue)}')
        return self._event(
            "conversation", self.conversation_id, attributes, ",".join(links), at, changes, verb,
            ("sobjects", "release-v0.1.912"), client, sync, source, trace,
        )  # fmt: skip

    def item(
        self, at: int, rev: int, changes: Changes, state: dict[str, Any], *, client: str, sync: bool = False,
        source: tuple[str, str] | None = None, trace: str = "", verb: str = "update",
    ) -> str:  # fmt: skip
        """The line of one version of the work item. `state`: status, users, queue, seen (a conversation's rev)."""
        at += self.skew
        if not self.item_id:
            self.item_id, self.item_at = self.id(at), at
        many = "" if self.lean else (
            '"paused":false,"channel":"voice","priority":1,"itemSize":1,"ivr":{"businessTime":0,"time":0},'
            f'"resourceCreatedAt":"{iso(self.start)}","resourceDirection":"out","workItemNumber":1,'
        )  # fmt: skip
        attributes = (
            f'{{{many}"resourceType":"conversation","status":"{state["status"]}","createdAt":"{iso(self.item_at)}",'
            f'"updatedAt":"{iso(at)}","resourceRev":{state["seen"]},"rev":{rev}}}'
        )
        links = [
            f'"org":{_link("org", ORG)}',
            f'"resource":{{"data":{{"type":"conversation","id":"{self.conversation_id}"}}}}',
        ]
        if state.get("queue"):
            links.append(f'"queue":{_link("queue", state["queue"])}')
        if state["users"]:
            links.append(f'"assignedTo":{_link("user", state["users"][0])}')
        return self._event(
            "work-item", self.item_id, attributes, ",".join(links), at, changes, verb,
            ("routing-api", "release-v0.1.210"), client, sync, source, trace,
        )  # fmt: skip

    def audit(
        self,
        at: int,
        written: dict[str, Any],
        guard: int,
        *,
        forward: bool = False,
        peer_rev: int | None = None,
        trace: str = "",
    ) -> str:
        """What the sync worker says it wrote; `peer_rev`: the rev of the other record it says to have read."""
        peer = ""
        if peer_rev is not None:
            kind, id = ("conversation", self.conversation_id) if forward else ("work_item", self.item_id)
            peer = f'"peer":{{"type":"{kind}","id":"{id}","rev":{peer_rev}}},'
        trace = trace or self.trace()
        target = "updatedWorkItem" if forward else "updatedConversation"
        return (
            '{"name":"routing-worker","hostname":"439b863922bd","pid":1,"level":30,"event":{},"obj":{},'
            f'"conversationId":"{self.conversation_id}","workItemId":"{self.item_id}",{peer}'
            f'"{target}":{_text({**written, "rev": guard})},"msg":"CONVERSATION_SYNC_AUDIT","time":"{iso(at)}","v":0,'
            f'"dd":{{"trace_id":"{trace}","span_id":"{trace}","service":"routing-worker","version":"release-v0.1.147"}}}}'
        )

    def _event(
        self, noun: str, id: str, attributes: str, links: str, at: int, changes: Changes, verb: str,
        service: tuple[str, str], client: str, sync: bool, source: tuple[str, str] | None, trace: str,
    ) -> str:  # fmt: skip
        type = noun.replace("-", "_")
        published = at + 1 + self.rng.getrandbits(3)
        moves = f'"changes":{_moves(changes)},' if verb == "update" else ""
        reasons = '"routingReasons":[],' if noun == "work-item" else ""
        by = f',"sourceType":"{source[0]}","sourceId":"{source[1]}"' if source else ""
        name = f"kustomer.{noun}.{verb}"
        inner = (
            f'{{"id":"{self.id(at)}","name":"{name}","org":"{ORG}","partition":"{ORG}","data":{{"type":"{type}","id":"{id}",'
            f'"attributes":{attributes},"relationships":{{{links}}},"links":{{"self":"/v1/{noun}s/{id}"}}}},'
            f'"createdAt":"{iso(published)}",{moves}{reasons}"persist":true,"isSync":{_text(sync)},"client":"{client}"{by}}}'
        )
        body = (
            f'{{"id":"{self.id(at)}","name":"{name}","partition":"{ORG}","body":{inner},'
            f'"publishedAt":"{iso(published)}","version":3}}'
        )
        return (
            f'{{"level":30,"time":{published},"pid":1,"hostname":"3f4427bc006c","name":"event","dd":{{"trace_id":'
            f'"{trace or self.trace()}","span_id":"{self.trace()}","service":"{service[0]}","version":"{service[1]}"}},'
            f'"fullBodyLength":{len(body)},"body":{body},"producer":"SNSEventProducer"}}'
        )


def redelivered(line: str, rng: random.Random) -> str:
    """The same event once more: with a new outer id, or byte for byte."""
    if rng.random() < 0.5:
        return line
    head, mark, rest = line.partition('"body":{"id":"')
    if not mark:
        return line
    return head + mark + rest[:8] + f"{rng.getrandbits(64):016x}" + rest[24:]
