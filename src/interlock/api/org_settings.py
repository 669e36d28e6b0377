"""How routing behaves: in the whole org, and per team."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, CapacityIn, Channel, Guarded, Id, Small, fields_of
from interlock.domain.agent import OrgSettings, RoutingSettings, Team
from interlock.domain.errors import NotFound
from interlock.domain.routing_settings import RATE_COUNT_MAX
from interlock.service import agents as service
from interlock.service import views

PATH = "/v1/routing/settings"
ORG_PATH = "/v1/routing/org-settings"


class OfferRateIn(Base, frozen=True, kw_only=True):
    """At most so many offers to one agent in so many seconds."""

    count: Annotated[int, Meta(ge=1, le=RATE_COUNT_MAX)]
    seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300


class TeamSettings(Guarded, frozen=True, kw_only=True):
    """Which queues a team serves and how much its agents carry."""

    enabled: bool | UnsetType = UNSET
    work_item_capacity: Small | UnsetType | None = UNSET
    capacity: CapacityIn | UnsetType | None = UNSET
    queues: Annotated[tuple[Id, ...], Meta(max_length=100)] | UnsetType | None = UNSET
    external_queues: Annotated[tuple[Id, ...], Meta(max_length=1)] | UnsetType | None = UNSET
    offer_rate: OfferRateIn | UnsetType | None = UNSET


class IvrHoldIn(Base, frozen=True, kw_only=True):
    """Items of these channels stay in `ivr` for so long before the queue rules place them."""

    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=20)]
    seconds: Annotated[int, Meta(ge=1, le=3_600)]


class OrgWide(Guarded, frozen=True, kw_only=True):
    """How routing behaves in this org."""

    accept_required: bool | UnsetType = UNSET
    accept_timeout_seconds: Annotated[int, Meta(ge=5, le=600)] | UnsetType = UNSET
    timeout_status: Id | UnsetType | None = UNSET
    auto_unassign: bool | UnsetType = UNSET
    requeue_when_offline: bool | UnsetType = UNSET
    requeue_grace_seconds: Small | UnsetType = UNSET
    strategy: Literal["longest-idle", "most-free-capacity", "round-robin"] | UnsetType = UNSET
    reoffer_seconds: Small | UnsetType = UNSET
    sweep_seconds: Annotated[int, Meta(ge=1, le=3_600)] | UnsetType = UNSET
    rules_wait_ms: Annotated[int, Meta(ge=0, le=60_000)] | UnsetType = UNSET
    capacity: CapacityIn | UnsetType = UNSET
    schedule: Id | UnsetType | None = UNSET
    voice_after_work: Literal["off", "manual", "restore"] | UnsetType = UNSET
    unreachable_seconds: Annotated[int, Meta(ge=10, le=3_600)] | UnsetType | None = UNSET
    ivr_hold: IvrHoldIn | UnsetType | None = UNSET
    lag_objective_seconds: Annotated[int, Meta(ge=1, le=3_600)] | UnsetType = UNSET


@get(
    PATH,
    "listRoutingSettings",
    tag="settings",
    roles=roles.SETTINGS_READ,
    kind=RoutingSettings,
    answers="many",
    query=Pages,
)
async def listed(call: Call) -> Answer:
    """List the routing settings of all teams."""
    return await _cut(call, await views.settings_of_teams(call.world, call.org))


@get(
    "/v1/routing/users/current/settings",
    "listOwnRoutingSettings",
    tag="settings",
    roles=roles.SETTINGS_READ,
    kind=RoutingSettings,
    answers="many",
    query=Pages,
)
async def own(call: Call) -> Answer:
    """List the routing settings of the caller's teams."""
    return await _cut(call, await views.settings_of_teams(call.world, call.org, call.key.user or ""))


async def _cut(call: Call, found: list[RoutingSettings]) -> Answer:
    async def cut(offset: int, limit: int) -> list[RoutingSettings]:
        return found[offset : offset + limit]

    return await paged(call, cut)


@get(f"{PATH}/{{id:str}}", "getRoutingSettings", tag="settings", roles=roles.SETTINGS_READ, kind=RoutingSettings)
async def read(call: Call) -> Answer:
    """Read the routing settings of a team, by the team's id."""
    id = call.id()
    found = await views.present(call.world, call.org, RoutingSettings, id)
    if found is None:
        await call.one(Team, id)
        raise NotFound("This team has no routing settings yet; PUT makes them.")
    return call.show(found)


@put(
    f"{PATH}/{{id:str}}",
    "updateRoutingSettings",
    tag="settings",
    roles=roles.SETTINGS_UPDATE,
    body=TeamSettings,
    kind=RoutingSettings,
    example={"enabled": True, "workItemCapacity": 3},
)
async def change(call: Call) -> Answer:
    """Set how a team routes, by the team's id; the first PUT makes the settings; live sessions take it at once."""
    id = call.id()
    fields: dict[str, Any] = fields_of(call.body, RoutingSettings)
    precondition = call.precondition(RoutingSettings, id)
    return await call.act(
        lambda beside: service.put_routing_settings(call.world, call.by, id, fields, precondition, beside=beside),
        RoutingSettings,
        id=id,
    )


@get(ORG_PATH, "getOrgSettings", tag="settings", roles=roles.SETTINGS_READ, kind=OrgSettings, own=True)
async def read_org(call: Call) -> Answer:
    """Read how routing behaves in this org."""
    return call.show(await call.one(OrgSettings, call.org))


@put(
    ORG_PATH,
    "updateOrgSettings",
    tag="settings",
    roles=roles.SETTINGS_UPDATE,
    body=OrgWide,
    kind=OrgSettings,
    own=True,
    example={"acceptTimeoutSeconds": 30},
)
async def change_org(call: Call) -> Answer:
    """Set how routing behaves in this org."""
    fields = fields_of(call.body, OrgSettings)
    precondition = call.precondition(OrgSettings, call.org)
    return await call.act(
        lambda beside: service.put_org_settings(call.world, call.by, fields, precondition, beside=beside),
        OrgSettings,
        id=call.org,
    )


OPERATIONS = (listed, own, read, change, read_org, change_org)
