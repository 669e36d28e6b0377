"""Workflows: automation by the door that people use."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.call import Call
from interlock.api.collection import Collection, operations_of
from interlock.api.custom import check_free
from interlock.api.shapes import Base, Free, Guarded, Name, Text, fields_of
from interlock.domain.workflow import Workflow
from interlock.service.workflows import check_workflow as check

PATH = "/v1/workflows"
Steps = Annotated[tuple[Free, ...], Meta(max_length=50)]


class WorkflowNew(Base, frozen=True, kw_only=True):
    """A new workflow."""

    name: Name
    trigger: Free
    steps: Steps
    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class WorkflowChange(Guarded, frozen=True, kw_only=True):
    """A change of a workflow."""

    name: Name | UnsetType = UNSET
    trigger: Free | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def _fields(call: Call) -> dict[str, Any]:
    fields = fields_of(call.body, Workflow)
    for name in ("trigger", "steps"):
        check_free(name, list(fields[name]) if isinstance(fields.get(name), tuple) else fields.get(name))
    return fields


_EXAMPLE = {
    "name": "Parcels to Ana",
    "trigger": {"id": "t", "eventName": "interlock.conversation.update", "transitions": [{"target": "assign"}]},
    "steps": [
        {
            "id": "assign",
            "action": "interlock.conversation.update",
            "params": {"assignedUsers": ["68f0a0000000000000000401"]},
        }
    ],
}


WORKFLOWS = Collection(
    kind=Workflow,
    one="workflow",
    many="workflows",
    path=PATH,
    new=WorkflowNew,
    new_example=_EXAMPLE,
    changed=WorkflowChange,
    change_example={"enabled": False},
    read=roles.WORKFLOW_READ,
    create=roles.WORKFLOW_ADMIN,
    update=roles.WORKFLOW_ADMIN,
    fields=_fields,
    check=check,
)

OPERATIONS = operations_of(WORKFLOWS)
