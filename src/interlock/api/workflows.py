"""Workflows: automation by the door that people use."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Free, Guarded, Name, Text, fields_of
from interlock.domain.workflow import Workflow
from interlock.service import records, views
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


@post(
    PATH,
    "createWorkflow",
    tag="workflows",
    roles=roles.WORKFLOW_ADMIN,
    body=WorkflowNew,
    kind=Workflow,
    example=_EXAMPLE,
)
async def create(call: Call) -> Answer:
    """Add a workflow."""
    fields = _fields(call)
    return await call.act(
        lambda beside: records.create(call.world, call.by, Workflow, fields, beside=beside, check=check), Workflow
    )


@get(PATH, "listWorkflows", tag="workflows", roles=roles.WORKFLOW_READ, kind=Workflow, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List workflows by name."""
    return await paged(call, lambda offset, limit: views.listing(call.world, call.org, Workflow, offset, limit))


@get(f"{PATH}/{{id:str}}", "getWorkflow", tag="workflows", roles=roles.WORKFLOW_READ, kind=Workflow)
async def read(call: Call) -> Answer:
    """Read a workflow."""
    return call.show(await call.one(Workflow, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateWorkflow",
    tag="workflows",
    roles=roles.WORKFLOW_ADMIN,
    body=WorkflowChange,
    kind=Workflow,
    example={"enabled": False},
)
async def change(call: Call) -> Answer:
    """Change a workflow."""
    id, fields = call.id(), _fields(call)
    precondition = call.precondition(Workflow, id)
    return await call.act(
        lambda beside: records.update(
            call.world, call.by, Workflow, id, fields, precondition, beside=beside, check=check
        ),
        Workflow,
        id=id,
    )


OPERATIONS = (create, listed, read, change)
