"""One request on its way through a handler: who calls, what was read, and how the answer is kept and shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from interlock.api.answer import Answer
from interlock.api.document import document, etag_of
from interlock.api.host import Host
from interlock.api.operation import Operation
from interlock.api.problems import Forbidden
from interlock.api.trace import Trace
from interlock.domain.access import ApiKey, allowed
from interlock.domain.decision import Decision, Provenance
from interlock.domain.errors import IdempotencyMismatch, Malformed, NotFound
from interlock.domain.ids import is_id
from interlock.domain.record import Address, Record
from interlock.ports import Mark, World
from interlock.service import views
from interlock.service.once import keep_mark
from interlock.service.preconditions import Precondition
from interlock.service.transact import Beside, Done

R = TypeVar("R", bound=Record)
KEPT_MS = 24 * 3_600_000
SPACE = "idempotency"
AGAIN = "*"
_REV = re.compile(r'"?(\d{1,15})"?')


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that the author had read."""

    type: str
    id: str
    rev: int


class KeptAnswer(msgspec.Struct, frozen=True):
    """An answer as it is stored beside its change. `record`: nothing changed; the record as it stands is the answer."""

    fingerprint: bytes
    status: int
    body: bytes = b""
    etag: str = ""
    location: bytes = b""
    record: tuple[str, str] = ("", "")


_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(KeptAnswer).decode


def _nothing_beside(_: Decision) -> Sequence[Mark]:
    return ()


class Call:
    """One request. `body` and `query` are the operation's own structs, already read."""

    __slots__ = ("body", "by", "headers", "host", "key", "operation", "params", "path", "query", "raw", "slot", "trace")

    def __init__(
        self,
        host: Host,
        operation: Operation,
        headers: dict[bytes, bytes],
        params: dict[str, Any],
        path: str,
        trace: Trace,
    ) -> None:
        self.host = host
        self.operation = operation
        self.headers = headers
        self.params = params
        self.path = path
        self.trace = trace
        self.query: Any = None
        self.body: Any = None
        self.raw = b""
        self.slot = ""
        self.key: ApiKey = NOBODY
        self.by: Provenance = Provenance("", NOBODY.actor, "api")

    @property
    def world(self) -> World:
        """What services are given."""
        return self.host.world

    @property
    def org(self) -> str:
        """The caller's org."""
        return self.key.org

    @property
    def is_admin(self) -> bool:
        """Whether the caller may do what only administrators may."""
        return allowed(self.key.roles, ())

    def may(self, *roles: str) -> bool:
        """Whether the caller has one of these roles."""
        return allowed(self.key.roles, roles)

    def need(self, roles: Sequence[str]) -> None:
        """Raises `Forbidden`, naming the roles that would do."""
        if not allowed(self.key.roles, roles):
            raise Forbidden(f"Any one of these roles would do: {', '.join(roles)}.", roles=list(roles))

    def id(self, name: str = "id") -> str:
        """An id from the path; one that cannot exist is not found."""
        value = str(self.params[name])
        if not is_id(value):
            raise NotFound(f"There is no {value[:64]} here.")
        return value

    def precondition(self, kind: type[Record], id: str) -> Precondition:
        """What the caller says to have seen: If-Match, `rev`, `basis`."""
        operation = self.operation
        required = operation.guard == "required" or (operation.guard == "optional" and self.host.settings.preconditions)
        exact, anything = self._if_match()
        rev = getattr(self.body, "rev", msgspec.UNSET)
        if rev is msgspec.UNSET:
            rev = getattr(self.query, "rev", None)
        return Precondition(
            if_match=exact, rev=rev, basis=self.basis_of(kind.TYPE, id), required=bool(required) and not anything
        )

    def _if_match(self) -> tuple[int | None, bool]:
        given = self.headers.get(b"if-match")
        if given is None:
            return None, False
        text = given.decode("latin-1").strip()
        if text == "*":
            return None, True
        found = _REV.fullmatch(text)
        if found is None:
            raise Malformed('If-Match holds one rev in quotes, as the ETag had it: "7".', header="If-Match")
        return int(found[1]), False

    def basis_of(self, type: str, id: str) -> int | None:
        """The rev of one record that the body says its author had seen."""
        given = getattr(self.body, "basis", msgspec.UNSET)
        if given is msgspec.UNSET or given is None:
            return None
        return next((seen.rev for seen in given if seen.type == type and seen.id == id), None)

    async def act(
        self,
        do: Callable[[Beside], Awaitable[Done]],
        kind: type[Record],
        *,
        id: str = "",
        status: int = 0,
        show: Callable[[Record, Decision], bytes] | None = None,
    ) -> Answer:
        """Run a service function; its answer is stored in the same commit if the caller sent an Idempotency-Key."""
        shown: list[Answer] = []

        def render(decision: Decision) -> Answer | None:
            record = _written(decision, kind, id)
            if record is None:
                return None
            return self.show(record, status, show(record, decision) if show else None)

        def beside(decision: Decision) -> Sequence[Mark]:
            answer = render(decision)
            shown[:] = [answer] if answer else []
            return (self._mark(answer, kind, id or _about(decision)),)

        done = await do(beside if self.slot else _nothing_beside)
        answer = shown[0] if shown else render(done.decision)
        if answer is not None:
            return answer
        record = await self.one(kind, id or _about(done.decision))
        return self.show(record, 200, show(record, done.decision) if show else None)

    def show(self, record: Record, status: int = 0, body: bytes | None = None) -> Answer:
        """The answer that shows one record."""
        status = status or self.operation.status
        answer = Answer(status, document(record) if body is None else body, etag_of(record))
        if status == 201:
            answer.headers = [(b"location", f"{record.PATH}{record.id}".encode())]
        return answer if status != 204 else Answer(204)

    def done_once(self, _: Decision) -> Sequence[Mark]:
        """The mark of an act whose answer is made anew for a repeat (`Operation.again`); none without a key."""
        if not self.slot:
            return ()
        kept = KeptAnswer(self.fingerprint, 200, record=(AGAIN, ""))
        until = self.world.clock.now() + KEPT_MS
        return (Mark(space=SPACE, org=self.org, key=self.slot, value=_pack(kept), until=until, once=True),)

    def _mark(self, answer: Answer | None, kind: type[Record], id: str) -> Mark:
        if answer is None:
            kept = KeptAnswer(self.fingerprint, 200, record=(kind.TYPE, id))
        else:
            location = next((v for k, v in answer.headers if k == b"location"), b"")
            kept = KeptAnswer(self.fingerprint, answer.status, answer.body, answer.etag, location)
        until = self.world.clock.now() + KEPT_MS
        return Mark(space=SPACE, org=self.org, key=self.slot, value=_pack(kept), until=until, once=True)

    async def keep(self, answer: Answer) -> Answer:
        """Store the answer to several commands under the caller's Idempotency-Key; each of them was stored before."""
        kept = KeptAnswer(self.fingerprint, answer.status, answer.body, answer.etag)
        until = self.world.clock.now() + KEPT_MS
        mark = Mark(space=SPACE, org=self.org, key=self.slot, value=_pack(kept), until=until, once=True)
        await keep_mark(self.world, mark)
        return answer

    @property
    def fingerprint(self) -> bytes:
        """What must be the same when a request is repeated under its key."""
        return hashlib.blake2b(self.raw, digest_size=16).digest()

    async def kept_answer(self) -> Answer | None:
        """The first answer under this Idempotency-Key, if there was one. Raises `IdempotencyMismatch`."""
        mark = await self.world.store.mark(SPACE, self.org, self.slot)
        if mark is None or not mark.value or (mark.until is not None and mark.until <= self.world.clock.now()):
            return None
        kept = _unpack(mark.value)
        if kept.fingerprint != self.fingerprint:
            raise IdempotencyMismatch("Use a new key for another request.", header="Idempotency-Key")
        headers = [(b"idempotency-replayed", b"true")]
        if kept.record[0] == AGAIN and self.operation.again is not None:
            answer = await self.operation.again(self)
            return Answer(answer.status, answer.body, answer.etag, headers)
        if kept.location:
            headers.append((b"location", kept.location))
        if not kept.record[0]:
            return Answer(kept.status, kept.body, kept.etag, headers)
        found = (await self.world.store.load([Address(kept.record[0], self.org, kept.record[1])]))[0]
        return Answer(200, document(found), etag_of(found), headers) if found else None

    async def holder(self, kind: type[R], family: str, parameter: str) -> R:
        """The record of the caller's org that holds the unique name in the path; raises `NotFound`."""
        value = str(self.params[parameter])
        found = await views.holder(self.world, self.org, kind, f"{self.org}/{family}/{value}")
        if found is None:
            raise NotFound(f"There is no {kind.TYPE} with the {parameter} {value[:200]}.")
        return found

    async def one(self, kind: type[R], id: str) -> R:
        """One record of the caller's org; raises `NotFound`."""
        found = (await self.world.store.load([Address(kind.TYPE, self.org, id)]))[0]
        if not isinstance(found, kind):
            raise NotFound(f"There is no {kind.TYPE} {id}.")
        return found


def _written(decision: Decision, kind: type[Record], id: str) -> Record | None:
    for write in decision.writes:
        if write.after.TYPE == kind.TYPE and (not id or write.after.id == id):
            return write.after
    return None


def _about(decision: Decision) -> str:
    return decision.why.record.id if decision.why.record else decision.partition


NOBODY = ApiKey(id="", org="", name="", digest="")
