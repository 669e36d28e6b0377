"""Business schedules: kept, checked, and one of them the default, which the org's settings name in the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.agent import OrgSettings
from interlock.domain.decision import Decision, Provenance, Write, birth, step
from interlock.domain.errors import InUse, InvalidValue, NotFound
from interlock.domain.queue import Queue
from interlock.domain.schedule import Schedule, check_hours
from interlock.ports import Query, World
from interlock.service.calendars import check_country, check_zone
from interlock.service.preconditions import Precondition
from interlock.service.records import written
from interlock.service.routing import settings_of
from interlock.service.transact import Beside, Done, Reading, transact

SCHEDULES_MAX = 200


async def create(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new schedule. With `default` it takes the place of the one that was."""

    async def decide(reading: Reading) -> Decision:
        now = reading.moment.now
        made = Schedule(
            id=reading.moment.fresh(), org=by.org, created_at=now, updated_at=now, modified_at=now, **fields
        )
        _check(made)
        if len(await live_schedules(reading)) >= SCHEDULES_MAX:
            raise InvalidValue(f"An org has at most {SCHEDULES_MAX} schedules; delete one first.")
        others = await name_default(reading, made.id) if made.default else []
        return written(made, (birth(made), *others))

    return await transact(world, by, decide, beside=beside)


async def update(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a schedule. Timers that have stopped keep what they say; those that run end by the new one."""

    async def decide(reading: Reading) -> Decision:
        present = await live_schedule(reading, id)
        await precondition.check(reading, present, {Schedule.outward(f) for f in fields})
        after = present.with_(**fields)
        _check(after)
        own = (step(present, after, reading.moment.now, by_hand=True),) if after != present else ()
        others = await name_default(reading, id if after.default else None) if after.default != present.default else []
        return written(present, (*own, *others))

    return await transact(world, by, decide, beside=beside)


async def delete(world: World, by: Provenance, id: str, precondition: Precondition, *, beside: Beside) -> Done:
    """Delete a schedule that no queue names. It is kept, marked deleted; if it was the default, there is none."""

    async def decide(reading: Reading) -> Decision:
        present = await live_schedule(reading, id)
        await precondition.check(reading, present, set())
        for queue in await reading.find(Queue, Query(name="listing", org=by.org, type=Queue.TYPE, limit=10_000)):
            if queue.schedule == id:
                raise InUse(f"The queue {queue.name} uses this schedule; give it another first.", queue=queue.id)
        gone = step(present, present.with_(deleted=True, default=False), reading.moment.now, by_hand=True)
        others = await name_default(reading, None) if present.default else []
        return written(present, (gone, *others))

    return await transact(world, by, decide, beside=beside)


def _check(schedule: Schedule) -> None:
    check_hours(schedule.hours)
    check_zone(schedule.timezone, pointer="/timezone")
    check_country(schedule.holiday_country, schedule.holiday_region)


async def name_default(reading: Reading, id: str | None) -> list[Write]:
    """The writes beside a schedule that becomes the default (`None`: it was, and is not any more)."""
    settings = await settings_of(reading)
    if settings.schedule == id:
        return []
    stored = await reading.maybe(OrgSettings, reading.org)
    after = settings.with_(schedule=id)
    own = step(settings, after, reading.moment.now, by_hand=True) if stored else birth(after)
    others = await default_flags(reading, settings.schedule, None) if id is not None else []
    return [own, *others]


async def default_flags(reading: Reading, former: str | None, next: str | None) -> list[Write]:
    """The writes by which schedules say themselves which of them is the default."""
    writes: list[Write] = []
    if former is not None:
        was = await reading.maybe(Schedule, former)
        if was is not None and was.default:
            writes.append(step(was, was.with_(default=False), reading.moment.now, by_hand=True))
    if next is not None:
        becomes = await live_schedule(reading, next, pointer="/schedule")
        writes.append(step(becomes, becomes.with_(default=True), reading.moment.now, by_hand=True))
    return writes


async def live_schedule(reading: Reading, id: str, *, pointer: str = "") -> Schedule:
    """A schedule that was not deleted; raises `NotFound`."""
    found = await reading.one(Schedule, id, pointer=pointer)
    if found.deleted:
        raise NotFound(f"The schedule {found.name} was deleted.", pointer=pointer)
    return found


async def live_schedules(reading: Reading) -> list[Schedule]:
    """The schedules of the org, by name."""
    query = Query(name="listing", org=reading.org, type=Schedule.TYPE, states=("live",), limit=SCHEDULES_MAX + 1)
    return await reading.find(Schedule, query)
