"""Statuses: what agents say of themselves."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.collection import Collection, operations_of
from interlock.api.shapes import Base, Guarded, Name, Text
from interlock.domain.agent import Status
from interlock.service import directory

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


STATUSES = Collection(
    kind=Status,
    one="status",
    many="statuses",
    path=PATH,
    new=StatusNew,
    new_example={"name": "Lunch", "statusType": "unavailable"},
    changed=StatusChange,
    change_example={"description": "Back at two"},
    read=roles.STATUS_READ,
    create=roles.STATUS_CREATE,
    update=roles.STATUS_UPDATE,
    make=directory.create_status,
    alter=directory.update_status,
)

OPERATIONS = operations_of(STATUSES)
