"""Customers, as much of them as routing needs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.collection import Collection, operations_of
from interlock.api.custom import check_custom
from interlock.api.operation import get
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Free, Frees, Id, Name, Rev, SeenRevs, Text, fields_of
from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.message import Message
from interlock.service import views

PATH = "/v1/customers"


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a customer."""

    name: Text | UnsetType | None = UNSET
    external_id: Name | UnsetType | None = UNSET
    emails: Frees | UnsetType | None = UNSET
    phones: Frees | UnsetType | None = UNSET
    company: Id | UnsetType | None = UNSET
    owner: Id | UnsetType | None = UNSET
    """The user who looks after this customer."""
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


CUSTOMERS = Collection(
    kind=Customer,
    one="customer",
    many="customers",
    path=PATH,
    new=CustomerNew,
    new_example={"name": "Ada", "emails": [{"email": "ada@example.org"}]},
    changed=CustomerChange,
    change_example={"name": "Ada L."},
    read=roles.CUSTOMER_READ,
    create=roles.CUSTOMER_CREATE,
    update=roles.CUSTOMER_UPDATE,
    order="by the time of their last change",
    fields=_fields,
)


@get(f"{PATH}/email={{email:str}}", "getCustomerByEmail", tag="customers", roles=roles.CUSTOMER_READ, kind=Customer)
async def by_email(call: Call) -> Answer:
    """Read a customer by a mail address."""
    call.params["email"] = str(call.params["email"]).strip().lower()
    return call.show(await call.holder(Customer, "customer-email", "email"))


@get(
    f"{PATH}/externalId={{externalId:str}}",
    "getCustomerByExternalId",
    tag="customers",
    roles=roles.CUSTOMER_READ,
    kind=Customer,
)
async def by_external_id(call: Call) -> Answer:
    """Read a customer by the id that they have elsewhere."""
    return call.show(await call.holder(Customer, "customer-external-id", "externalId"))


@get(
    f"{PATH}/{{id:str}}/conversations",
    "listCustomerConversations",
    tag="customers",
    roles=roles.CONVERSATION_READ,
    kind=Conversation,
    answers="many",
    query=Pages,
)
async def conversations(call: Call) -> Answer:
    """List the conversations of a customer, newest first."""
    id = (await call.one(Customer, call.id())).id
    return await paged(call, lambda offset, limit: views.conversations(call.world, call.org, None, id, offset, limit))


@get(
    f"{PATH}/{{id:str}}/messages",
    "listCustomerMessages",
    tag="customers",
    roles=roles.MESSAGE_READ,
    kind=Message,
    answers="many",
    query=Pages,
)
async def messages(call: Call) -> Answer:
    """List the messages of a customer, newest first, over all conversations."""
    id = (await call.one(Customer, call.id())).id
    return await paged(call, lambda offset, limit: views.of_owner(call.world, call.org, Message, id, (), offset, limit))


OPERATIONS = (*operations_of(CUSTOMERS), by_email, by_external_id, conversations, messages)
