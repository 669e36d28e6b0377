"""Business schedules: when a company works, for queues and for what is reported as business time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode, etag_of
from interlock.api.operation import delete, get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Name, Rev, SeenRevs, fields_of
from interlock.domain.errors import InUse, NotFound
from interlock.domain.resource import Json, resource
from interlock.domain.schedule import Schedule
from interlock.service import schedules as service
from interlock.service import views
from interlock.service.calendars import EPOCH, holidays_of

PATH = "/v1/schedules"
Minute = Annotated[int, Meta(ge=0, le=1440)]
Day = Annotated[tuple[tuple[Minute, Minute], ...], Meta(max_length=48)] | UnsetType | None


class HoursIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans of each weekday, "0" is Sunday, in minutes of the local day: `[[540, 1020]]` is nine to five."""

    sunday: Day = msgspec.field(default=UNSET, name="0")
    monday: Day = msgspec.field(default=UNSET, name="1")
    tuesday: Day = msgspec.field(default=UNSET, name="2")
    wednesday: Day = msgspec.field(default=UNSET, name="3")
    thursday: Day = msgspec.field(default=UNSET, name="4")
    friday: Day = msgspec.field(default=UNSET, name="5")
    saturday: Day = msgspec.field(default=UNSET, name="6")


class HolidayIn(Base, frozen=True, kw_only=True):
    """A local day that is closed."""

    date: date
    name: Annotated[str, Meta(max_length=255)] = ""


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a schedule. `holidayCountry` closes its public holidays, of `holidayRegion` if given."""

    timezone: Name | UnsetType = UNSET
    default: bool | UnsetType = UNSET
    holidays: Annotated[tuple[HolidayIn, ...], Meta(max_length=500)] | UnsetType | None = UNSET
    holiday_country: Annotated[str, Meta(min_length=2, max_length=3)] | UnsetType | None = UNSET
    holiday_region: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType | None = UNSET


class ScheduleNew(Writable, frozen=True, kw_only=True):
    """A new schedule."""

    name: Name
    hours: HoursIn


class ScheduleChange(Writable, frozen=True, kw_only=True):
    """A change of a schedule; `hours` and `holidays` are given whole."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET
    hours: HoursIn | UnsetType = UNSET


class With(msgspec.Struct, frozen=True, kw_only=True):
    """What else is shown: `holidays`, the closed days of this year and the next, the country's among them."""

    include: Literal["holidays"] | None = None


class ManyWith(Pages, frozen=True, kw_only=True):
    """Which schedules, and what else is shown."""

    include: Literal["holidays"] | None = None


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


def _fields(call: Call) -> dict[str, Any]:
    return fields_of(call.body, Schedule)


def _closed_days(call: Call, s: Schedule) -> list[Json]:
    year = (EPOCH + timedelta(milliseconds=call.world.clock.now())).year
    mention = {"schedule": {"data": {"type": s.TYPE, "id": s.id}}}
    return [
        {
            "type": "holiday",
            "id": f"{s.id}.{h.date}",
            "attributes": {"date": h.date, "name": h.name},
            "relationships": mention,
        }
        for h in holidays_of(s, (year, year + 1))
    ]


def _shown(call: Call, s: Schedule, include: str | None) -> Answer:
    if include is None:
        return call.show(s)
    found, days = resource(s), _closed_days(call, s)
    found["relationships"]["holidays"] = {"data": [{"type": d["type"], "id": d["id"]} for d in days]}
    body = {"data": found, "included": days, "links": {"self": f"{s.PATH}{s.id}"}}
    return Answer(200, encode(body), etag_of(s))


@get(PATH, "listSchedules", tag="schedules", roles=roles.SCHEDULE_READ, kind=Schedule, answers="many", query=ManyWith)
async def listed(call: Call) -> Answer:
    """List schedules by name."""
    shown: list[Schedule] = []

    async def cut(offset: int, limit: int) -> list[Schedule]:
        shown[:] = await views.listing(call.world, call.org, Schedule, offset, limit, states=("live",))
        return shown

    answer = await paged(call, cut)
    if call.query.include is None:
        return answer
    page: Json = msgspec.json.decode(answer.body)
    listed_ids = {d["id"] for d in page["data"]}
    page["included"] = [day for s in shown if s.id in listed_ids for day in _closed_days(call, s)]
    return Answer(200, encode(page), answer.etag)


@post(
    PATH,
    "createSchedule",
    tag="schedules",
    roles=roles.SCHEDULE_CREATE,
    body=ScheduleNew,
    kind=Schedule,
    example={
        "name": "Office",
        "timezone": "Europe/Berlin",
        "hours": {str(day): [[540, 1020]] for day in range(1, 6)},
        "holidayCountry": "DE",
    },
)
async def create(call: Call) -> Answer:
    """Add a schedule."""
    fields = _fields(call)
    return await call.act(lambda beside: service.create(call.world, call.by, fields, beside=beside), Schedule)


@get(f"{PATH}/default", "getDefaultSchedule", tag="schedules", roles=roles.SCHEDULE_READ, kind=Schedule, query=With)
async def default(call: Call) -> Answer:
    """Read the default schedule: the one in force wherever a queue names none."""
    found = await views.default_schedule(call.world, call.org)
    if found is None:
        raise NotFound("This org has no default schedule: it is always open.")
    return _shown(call, found, call.query.include)


async def _schedule(call: Call) -> Schedule:
    found = await call.one(Schedule, call.id())
    if found.deleted:
        raise NotFound(f"The schedule {found.name} was deleted.")
    return found


@get(f"{PATH}/{{id:str}}", "getSchedule", tag="schedules", roles=roles.SCHEDULE_READ, kind=Schedule, query=With)
async def read(call: Call) -> Answer:
    """Read a schedule."""
    return _shown(call, await _schedule(call), call.query.include)


@put(
    f"{PATH}/{{id:str}}",
    "updateSchedule",
    tag="schedules",
    roles=roles.SCHEDULE_UPDATE,
    body=ScheduleChange,
    kind=Schedule,
    example={"holidays": [{"date": "2026-12-24", "name": "Christmas Eve"}]},
)
async def change(call: Call) -> Answer:
    """Change a schedule. What has stopped keeps its business time."""
    id, fields = (await _schedule(call)).id, _fields(call)
    precondition = call.precondition(Schedule, id)
    return await call.act(
        lambda beside: service.update(call.world, call.by, id, fields, precondition, beside=beside), Schedule, id=id
    )


@delete(
    f"{PATH}/{{id:str}}",
    "deleteSchedule",
    tag="schedules",
    roles=roles.SCHEDULE_DELETE,
    kind=Schedule,
    query=Seen,
    guard="optional",
    errors=(InUse,),
)
async def remove(call: Call) -> Answer:
    """Delete a schedule that no queue uses."""
    id = (await _schedule(call)).id
    precondition = call.precondition(Schedule, id)
    return await call.act(
        lambda beside: service.delete(call.world, call.by, id, precondition, beside=beside), Schedule, id=id, status=204
    )


OPERATIONS = (listed, create, default, read, change, remove)
