"""Six operations that an ordered list of rules has, whatever its rules decide. What differs is said in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.operation import Operation, delete, get, post, put
from interlock.api.pages import whole
from interlock.api.roles import Roles
from interlock.api.shapes import Base, Free, Id, Name, Rev, SeenRevs, Text, fields_of
from interlock.domain.errors import NotFound, TooMany
from interlock.domain.rule import QueueRule
from interlock.domain.skill_rule import SkillRule
from interlock.service import rule_lists, views
from interlock.service.transact import Done

Fields = Mapping[str, Any]


class Criteria(Base, frozen=True, kw_only=True):
    """Every condition of `and`, and at least one of `or` if there are any. A condition: `{"conversation_channel":
    {"operator": "equals", "value": "chat"}}`."""

    and_: Annotated[tuple[Free, ...], Meta(max_length=100)] = msgspec.field(default=(), name="and")
    or_: Annotated[tuple[Free, ...], Meta(max_length=100)] = msgspec.field(default=(), name="or")


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of any rule."""

    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Change(Writable, frozen=True, kw_only=True):
    """A change of any rule."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET
    criteria: Criteria | UnsetType = UNSET


class RuleOrder(Base, frozen=True, kw_only=True):
    """Every rule once, the first first. `basis`: the revs that the order was decided on; one that moved refuses it."""

    rules: Annotated[tuple[Id, ...], Meta(max_length=1_000)]
    basis: SeenRevs | UnsetType = UNSET


class Which(msgspec.Struct, frozen=True):
    """Which rules."""

    enabled: bool | None = None


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


class RuleList(msgspec.Struct, frozen=True, kw_only=True):
    """A list of rules as the API shows it.

    one, many    a rule and its plural, as operation ids have them      tag     a rule in words, in the plural
    fields       the domain fields that a body names                    own     not in the reference API
    make, alter, remove   what creates, changes and deletes one
    """

    kind: type[QueueRule] | type[SkillRule]
    one: str
    many: str
    tag: str
    path: str
    new: type[msgspec.Struct]
    new_example: Any
    changed: type[msgspec.Struct]
    read: Roles
    create: Roles
    update: Roles
    delete: Roles
    fields: Callable[[Call], Fields]
    make: Callable[..., Awaitable[Done]]
    alter: Callable[..., Awaitable[Done]]
    remove: Callable[..., Awaitable[Done]]
    own: bool = False

    async def rule(self, call: Call) -> QueueRule | SkillRule:
        """The rule that a call names; raises `NotFound` for one that was deleted."""
        found = await call.one(self.kind, call.id())
        if found.deleted:
            raise NotFound(f"The {self.tag[:-1]} {found.name} was deleted.")
        return found

    async def in_order(self, call: Call) -> Answer:
        """All rules."""
        return whole(call, await views.rules(call.world, call.org, self.kind))


def fields_said(call: Call, kind: type[QueueRule] | type[SkillRule], but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The domain fields that the body of a rule names, with its criteria; `but`: those the caller reads itself."""
    body: Any = call.body
    fields = fields_of(body, kind, but=("criteria", *but))
    if body.criteria is not UNSET:
        check_free("criteria", [*body.criteria.and_, *body.criteria.or_])
        fields["criteria"] = {"and": list(body.criteria.and_), "or": list(body.criteria.or_)}
    return fields


def operations_of(c: RuleList) -> tuple[Operation, ...]:
    """Its operations: list, create, order, read, change, delete."""
    return _listing(c), _creation(c), _ordering(c), _reading(c), _change(c), _removal(c)


def _about(c: RuleList) -> dict[str, Any]:
    return {"tag": c.tag, "kind": c.kind, "own": c.own}


def _listing(c: RuleList) -> Operation:
    async def listed(call: Call) -> Answer:
        found = await views.rules(call.world, call.org, c.kind)
        return whole(call, [r for r in found if call.query.enabled in (None, r.enabled)])

    listed.__doc__ = f"List the {c.tag} in their order."
    return get(c.path, f"list{c.many}", roles=c.read, answers="many", query=Which, **_about(c))(listed)


def _creation(c: RuleList) -> Operation:
    async def create(call: Call) -> Answer:
        fields, make = c.fields(call), c.make
        return await call.act(lambda beside: make(call.world, call.by, fields, beside=beside), c.kind)

    create.__doc__ = f"Add a {c.tag[:-1]} at the end."
    id = f"create{c.one}"
    about = _about(c) | {"errors": (TooMany,), "example": c.new_example}
    return post(c.path, id, roles=c.create, body=c.new, **about)(create)


def _ordering(c: RuleList) -> Operation:
    async def order(call: Call) -> Answer:
        basis = () if call.body.basis is UNSET else call.body.basis
        seen = {s.id: s.rev for s in basis if s.type == c.kind.TYPE}
        ids = call.body.rules
        await rule_lists.order(call.world, call.by, c.kind, ids, seen=seen, beside=call.done_once)
        return await c.in_order(call)

    order.__doc__ = f"Give the {c.tag} a new order, naming each once."
    about = _about(c) | {"answers": "many", "guard": "no", "again": c.in_order, "example": {"rules": []}}
    return put(f"{c.path}/order", f"order{c.many}", roles=c.update, body=RuleOrder, **about)(order)


def _reading(c: RuleList) -> Operation:
    async def read(call: Call) -> Answer:
        return call.show(await c.rule(call))

    read.__doc__ = f"Read a {c.tag[:-1]}."
    return get(f"{c.path}/{{id:str}}", f"get{c.one}", roles=c.read, **_about(c))(read)


def _change(c: RuleList) -> Operation:
    async def change(call: Call) -> Answer:
        id, fields, alter = (await c.rule(call)).id, c.fields(call), c.alter
        precondition = call.precondition(c.kind, id)
        return await call.act(
            lambda beside: alter(call.world, call.by, id, fields, precondition, beside=beside), c.kind, id=id
        )

    change.__doc__ = f"Change a {c.tag[:-1]}; its place stays."
    about = _about(c) | {"example": {"enabled": False}}
    return put(f"{c.path}/{{id:str}}", f"update{c.one}", roles=c.update, body=c.changed, **about)(change)


def _removal(c: RuleList) -> Operation:
    async def remove(call: Call) -> Answer:
        id, take_away = (await c.rule(call)).id, c.remove
        precondition = call.precondition(c.kind, id)
        return await call.act(
            lambda beside: take_away(call.world, call.by, id, precondition, beside=beside), c.kind, id=id, status=204
        )

    remove.__doc__ = f"Delete a {c.tag[:-1]}; what it decided can still be explained."
    about = _about(c) | {"query": Seen, "guard": "optional"}
    return delete(f"{c.path}/{{id:str}}", f"delete{c.one}", roles=c.delete, **about)(remove)
