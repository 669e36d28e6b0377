"""Investigations over HTTP: of a text that is pasted or sent as files, and of a conversation's own history.

Nothing of it is written to the store and nothing leaves the server. Results are kept in this process for a while, the
newest few of each org; the same text gives the same id.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode
from interlock.api.operation import get, post
from interlock.api.shapes import Base
from interlock.domain.conversation import Conversation
from interlock.domain.errors import Busy, InvalidValue, Malformed, NotFound
from interlock.investigation.live import LIVE
from interlock.investigation.own import COUPLED, entries
from interlock.investigation.pasted import Investigated, Text, investigate, of_entries
from interlock.investigation.readers.reading import UnknownFormat
from interlock.investigation.report.redact import Redactor
from interlock.service import views

PATH = "/v1/investigations"
BYTES_MAX = 4_000_000
FILES_MAX = 20
KEPT_PER_ORG, KEPT_BYTES_MAX = 16, 64_000_000
WAITING_MAX = 8
ROWS_MAX = 2_000
NO_TEXT = "Send text, or files."


class Pasted(Base, frozen=True, kw_only=True):
    """One file: `text`, or its bytes (plain, gzip, zstd) in base64 as `data`."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] = "pasted"
    text: str = ""
    data: str = ""


class Undone(Base, frozen=True, kw_only=True):
    """A repair that is not believed: the number of its input, from 0, and its line."""

    input: Annotated[int, Meta(ge=0, le=FILES_MAX)] = 0
    line: Annotated[int, Meta(ge=0, le=10**9)]


class InvestigationNew(Base, frozen=True, kw_only=True):
    """What to investigate. `undo`: repairs to take back; `redact`: names, numbers and ids are replaced first."""

    text: str = ""
    files: Annotated[tuple[Pasted, ...], Meta(max_length=FILES_MAX)] = ()
    format: Annotated[str, Meta(max_length=100)] = ""
    undo: Annotated[tuple[Undone, ...], Meta(max_length=1_000)] = ()
    redact: bool = False


class Kept(msgspec.Struct, frozen=True):
    """One result, with what it was asked of."""

    asked: InvestigationNew
    result: Investigated
    size: int


class Laboratory:
    """The results of one server process, and one investigation at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.redactor = Redactor(secrets.token_bytes(32))

    def get(self, org: str, id: str) -> Kept:
        """A result that is still there. Raises `NotFound`."""
        kept = self._kept.get((org, id))
        if kept is None:
            raise NotFound(f"There is no investigation {id}; it may be over a while ago: send the text again.")
        return kept

    async def run(self, org: str, asked: InvestigationNew) -> str:
        """Investigate in a thread; the id of the result."""
        texts = _texts(asked)
        id = _id_of(org, asked)
        if (org, id) in self._kept:
            return id
        if self._waiting >= WAITING_MAX:
            raise Busy("Other investigations are under way.")
        self._waiting += 1
        try:
            async with self._turn:
                result = await asyncio.to_thread(_investigated, texts, asked, self.redactor)
        finally:
            self._waiting -= 1
        self._keep(org, id, Kept(asked, result, 4 * sum(len(t.data) for t in texts)))
        return id

    def _keep(self, org: str, id: str, kept: Kept) -> None:
        self._kept[org, id] = kept
        own = [key for key in self._kept if key[0] == org]
        for key in own[: max(0, len(own) - KEPT_PER_ORG)]:
            del self._kept[key]
        while len(self._kept) > 1 and sum(k.size for k in self._kept.values()) > KEPT_BYTES_MAX:
            self._kept.popitem(last=False)


def _texts(asked: InvestigationNew) -> list[Text]:
    """The inputs as bytes. Raises what is wrong with them."""
    texts = [Text("pasted", asked.text.encode("utf-8", "surrogatepass"))] if asked.text else []
    for n, file in enumerate(asked.files):
        try:
            data = (
                base64.b64decode(file.data, validate=True) if file.data else file.text.encode("utf-8", "surrogatepass")
            )
        except binascii.Error as wrong:
            raise Malformed(f"This is no base64: {wrong}.", pointer=f"/files/{n}/data") from None
        texts.append(Text(file.name, data))
    if not any(t.data for t in texts):
        raise InvalidValue(NO_TEXT, pointer="/text")
    size = sum(len(t.data) for t in texts)
    if size > BYTES_MAX:
        raise InvalidValue(
            f"These are {size:,} bytes; here at most {BYTES_MAX:,} are read. `interlock investigate` takes a gigabyte.",
            pointer="/text",
        )
    return texts


def _id_of(org: str, asked: InvestigationNew) -> str:
    return hashlib.blake2b(org.encode() + msgspec.msgpack.encode(asked), digest_size=12).hexdigest()


def _investigated(texts: list[Text], asked: InvestigationNew, redactor: Redactor) -> Investigated:
    undone = frozenset((u.input, u.line) for u in asked.undo)
    try:
        return investigate(
            texts, format=asked.format or None, undone=undone, redactor=redactor if asked.redact else None
        )
    except UnknownFormat as wrong:
        raise InvalidValue(str(wrong), pointer="/format") from None


def laboratory(call: Call) -> Laboratory:
    """This server's."""
    return call.host.rooms.setdefault("laboratory", Laboratory())


def _answer(id: str, attributes: dict[str, Any], path: str, status: int = 200) -> Answer:
    data = {"type": "investigation", "id": id, "attributes": attributes, "relationships": {}, "links": {"self": path}}
    body = encode({"data": data, "links": {"self": path}})
    return Answer(status, body, headers=[(b"location", path.encode())] if status == 201 else [])


def _told(kept: Kept) -> dict[str, Any]:
    asked = kept.asked
    undo = [{"input": u.input, "line": u.line} for u in asked.undo]
    return {**kept.result.told(), "asked": {"redact": asked.redact, "undo": undo, "format": asked.format}}


@post(
    PATH,
    "createInvestigation",
    tag="investigations",
    roles=roles.EVENT_READ,
    body=InvestigationNew,
    answers="resource",
    own=True,
    idempotency="no",
    example={"text": '{"name": "conversation.update", "id": "c1", "rev": 2}'},
)
async def create(call: Call) -> Answer:
    """Investigate a text or files: which write did the harm, from which stale read. Nothing is stored."""
    room = laboratory(call)
    id = await room.run(call.org, call.body)
    return _answer(id, _told(room.get(call.org, id)), f"{PATH}/{id}", 201)


@get(
    f"{PATH}/{{id:str}}", "getInvestigation", tag="investigations", roles=roles.EVENT_READ, answers="resource", own=True
)
async def read(call: Call) -> Answer:
    """Read the result of an investigation that was made here lately."""
    id = call.id()
    return _answer(id, _told(laboratory(call).get(call.org, id)), f"{PATH}/{id}")


@get(
    f"{PATH}/{{id:str}}/exports",
    "getInvestigationExports",
    tag="investigations",
    roles=roles.EVENT_READ,
    answers="resource",
    own=True,
)
async def exports(call: Call) -> Answer:
    """Read it as Markdown for an issue, and as a test that replays the worst loss, if there is one."""
    id = call.id()
    kept = laboratory(call).get(call.org, id)
    test = kept.result.test()
    told: dict[str, Any] = {"markdown": kept.result.markdown(), "test": None}
    if test is not None:
        mark, text, history = test
        told["test"] = {
            "name": f"test_incident_{mark}.py",
            "text": text,
            "historyName": f"incident_{mark}.history.json",
            "history": history,
        }
    return _answer(id, told, f"{PATH}/{id}/exports")


class Again(Base, frozen=True, kw_only=True):
    """The same texts once more, in another way: other repairs undone, or redacted."""

    undo: Annotated[tuple[Undone, ...], Meta(max_length=1_000)] = ()
    redact: bool = False


@post(
    f"{PATH}/{{id:str}}/again",
    "repeatInvestigation",
    tag="investigations",
    roles=roles.EVENT_READ,
    body=Again,
    answers="resource",
    own=True,
    idempotency="no",
    example={"undo": [{"line": 12}]},
)
async def again(call: Call) -> Answer:
    """Investigate the same texts again, with some repairs taken back, or redacted."""
    room = laboratory(call)
    kept = room.get(call.org, call.id())
    asked = msgspec.structs.replace(kept.asked, undo=call.body.undo, redact=call.body.redact or kept.asked.redact)
    id = await room.run(call.org, asked)
    return _answer(id, _told(room.get(call.org, id)), f"{PATH}/{id}", 201)


@get(
    "/v1/conversations/{id:str}/investigation",
    "investigateConversation",
    tag="investigations",
    roles=roles.EVENT_READ,
    answers="resource",
    own=True,
)
async def of_conversation(call: Call) -> Answer:
    """Investigate a conversation's own history, its newest 2,000 decisions, with the rules that read others' logs."""
    c = await call.one(Conversation, call.id())
    rows = await views.newest_rows(call.world, call.org, ROWS_MAX, partition=c.id)
    result = of_entries(list(entries(rows, types=COUPLED)), limits=LIVE, end=call.world.clock.now())
    return _answer(c.id, result.told(), call.path)


OPERATIONS = (create, read, exports, again, of_conversation)
