"""Customers, as much of them as routing needs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_custom
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Free, Frees, Id, Name, Rev, SeenRevs, Text, fields_of
from interlock.domain.customer import Customer
from interlock.service import records, views

PATH = "/v1/customers"


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a customer."""

    name: Text | UnsetType | None = UNSET
    external_id: Name | UnsetType | None = UNSET
    emails: Frees | UnsetType | None = UNSET
    phones: Frees | UnsetType | None = UNSET
    company: Id | UnsetType | None = UNSET
    default_lang: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    sentiment: Free | UnsetType | None = UNSET
    custom: Free | UnsetType | None = UNSET


class CustomerNew(Writable, frozen=True, kw_only=True):
    """A new customer."""


class CustomerChange(Writable, frozen=True, kw_only=True):
    """A change of a customer."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET


def _fields(call: Call) -> dict[str, Any]:
    if call.body.custom is not UNSET:
        check_custom(call.body.custom)
    return fields_of(call.body, Customer)


@post(
    PATH,
    "createCustomer",
    tag="customers",
    roles=roles.CUSTOMER_CREATE,
    body=CustomerNew,
    kind=Customer,
    example={"name": "Ada", "emails": [{"email": "ada@example.org"}]},
)
async def create(call: Call) -> Answer:
    """Add a customer."""
    fields = _fields(call)
    return await call.act(lambda beside: records.create(call.world, call.by, Customer, fields, beside=beside), Customer)


@get(PATH, "listCustomers", tag="customers", roles=roles.CUSTOMER_READ, kind=Customer, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List customers."""
    return await paged(call, lambda offset, limit: views.listing(call.world, call.org, Customer, offset, limit))


@get(f"{PATH}/{{id:str}}", "getCustomer", tag="customers", roles=roles.CUSTOMER_READ, kind=Customer)
async def read(call: Call) -> Answer:
    """Read a customer."""
    return call.show(await call.one(Customer, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateCustomer",
    tag="customers",
    roles=roles.CUSTOMER_UPDATE,
    body=CustomerChange,
    kind=Customer,
    example={"name": "Ada L."},
)
async def change(call: Call) -> Answer:
    """Change a customer."""
    id, fields = call.id(), _fields(call)
    precondition = call.precondition(Customer, id)
    return await call.act(
        lambda beside: records.update(call.world, call.by, Customer, id, fields, precondition, beside=beside),
        Customer,
        id=id,
    )


OPERATIONS = (create, listed, read, change)
