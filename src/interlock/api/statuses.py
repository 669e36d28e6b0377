"""Statuses: what agents say of themselves."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Guarded, Name, Text, fields_of
from interlock.domain.agent import Status
from interlock.service import directory, views

PATH = "/v1/routing/statuses"


class StatusNew(Base, frozen=True, kw_only=True):
    """A new status; only one of type available takes new work."""

    name: Name
    status_type: Literal["available", "busy", "unavailable"]
    description: Text | UnsetType = UNSET
    external_id: Name | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    selectable: bool | UnsetType = UNSET


class StatusChange(Guarded, frozen=True, kw_only=True):
    """A change of a status. Its type never changes."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    external_id: Name | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    selectable: bool | UnsetType = UNSET


@get(PATH, "listStatuses", tag="statuses", roles=roles.STATUS_READ, kind=Status, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List statuses by name."""
    return await paged(call, lambda offset, limit: views.listing(call.world, call.org, Status, offset, limit))


@post(
    PATH,
    "createStatus",
    tag="statuses",
    roles=roles.STATUS_CREATE,
    body=StatusNew,
    kind=Status,
    example={"name": "Lunch", "statusType": "unavailable"},
)
async def create(call: Call) -> Answer:
    """Add a status."""
    fields = fields_of(call.body, Status)
    return await call.act(lambda beside: directory.create_status(call.world, call.by, fields, beside=beside), Status)


@get(f"{PATH}/{{id:str}}", "getStatus", tag="statuses", roles=roles.STATUS_READ, kind=Status)
async def read(call: Call) -> Answer:
    """Read a status."""
    return call.show(await call.one(Status, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateStatus",
    tag="statuses",
    roles=roles.STATUS_UPDATE,
    body=StatusChange,
    kind=Status,
    example={"description": "Back at two"},
)
async def change(call: Call) -> Answer:
    """Change a status."""
    id, fields = call.id(), fields_of(call.body, Status)
    precondition = call.precondition(Status, id)
    return await call.act(
        lambda beside: directory.update_status(call.world, call.by, id, fields, precondition, beside=beside),
        Status,
        id=id,
    )


OPERATIONS = (listed, create, read, change)
