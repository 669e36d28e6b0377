"""Four operations that most nouns have alike: list, create, read and change. What differs is said in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import Operation, get, post, put
from interlock.api.pages import PAGE_SIZE_MAX, Pages, paged
from interlock.api.roles import Roles
from interlock.api.shapes import fields_of
from interlock.domain.record import Record
from interlock.service import records, views
from interlock.service.transact import Done

Fields = Mapping[str, Any]


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A noun as the API shows it.

    one, many        its name and its plural, as operation ids have them      order   how it is listed, in words
    new, changed     what bodies may say, with an example of each             read, create, update   the roles
    fields           the domain fields that a body names                      states  those that are listed (all)
    make, alter      what creates and changes one; without them nothing follows but the change itself, held to `check`
    """

    kind: type[Record]
    one: str
    many: str
    path: str
    new: type[msgspec.Struct]
    new_example: Any
    changed: type[msgspec.Struct]
    change_example: Any
    read: Roles
    create: Roles
    update: Roles
    order: str = "by name"
    tag: str = ""
    page_max: int = PAGE_SIZE_MAX
    states: tuple[str, ...] = ()
    fields: Callable[[Call], Fields] | None = None
    make: Callable[..., Awaitable[Done]] | None = None
    alter: Callable[..., Awaitable[Done]] | None = None
    check: records.Check[Any] = records.no_rule

    def said(self, call: Call) -> Fields:
        """The domain fields that the body of a call names."""
        return self.fields(call) if self.fields else fields_of(call.body, self.kind)


def operations_of(c: Collection) -> tuple[Operation, Operation, Operation, Operation]:
    """Its operations: list, create, read, change."""
    return _listing(c), _creation(c), _reading(c), _change(c)


def _about(c: Collection) -> dict[str, Any]:
    return {"tag": c.tag or c.path.rsplit("/", 1)[1], "kind": c.kind}


def _words(name: str) -> str:
    """A name in a sentence: `apiKey` is an api key."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


def _named(name: str) -> str:
    return name[0].upper() + name[1:]


def _listing(c: Collection) -> Operation:
    async def listed(call: Call) -> Answer:
        return await paged(
            call,
            lambda offset, limit: views.listing(call.world, call.org, c.kind, offset, limit, states=c.states),
            most=c.page_max,
        )

    listed.__doc__ = f"List {_words(c.many)} {c.order}."
    return get(c.path, f"list{_named(c.many)}", roles=c.read, answers="many", query=Pages, **_about(c))(listed)


def _creation(c: Collection) -> Operation:
    async def create(call: Call) -> Answer:
        fields = c.said(call)
        if c.make is not None:
            make = c.make
            return await call.act(lambda beside: make(call.world, call.by, fields, beside=beside), c.kind)
        return await call.act(
            lambda beside: records.create(call.world, call.by, c.kind, fields, beside=beside, check=c.check), c.kind
        )

    create.__doc__ = f"Add a {_words(c.one)}."
    id, example = f"create{_named(c.one)}", c.new_example
    return post(c.path, id, roles=c.create, body=c.new, example=example, **_about(c))(create)


def _reading(c: Collection) -> Operation:
    async def read(call: Call) -> Answer:
        return call.show(await call.one(c.kind, call.id()))

    read.__doc__ = f"Read a {_words(c.one)}."
    return get(f"{c.path}/{{id:str}}", f"get{_named(c.one)}", roles=c.read, **_about(c))(read)


def _change(c: Collection) -> Operation:
    async def change(call: Call) -> Answer:
        id, fields = call.id(), c.said(call)
        precondition = call.precondition(c.kind, id)
        if c.alter is not None:
            alter = c.alter
            return await call.act(
                lambda beside: alter(call.world, call.by, id, fields, precondition, beside=beside), c.kind, id=id
            )
        return await call.act(
            lambda beside: records.update(
                call.world, call.by, c.kind, id, fields, precondition, beside=beside, check=c.check
            ),
            c.kind,
            id=id,
        )

    change.__doc__ = f"Change a {_words(c.one)}."
    path, name, example = f"{c.path}/{{id:str}}", f"update{_named(c.one)}", c.change_example
    return put(path, name, roles=c.update, body=c.changed, example=example, **_about(c))(change)
