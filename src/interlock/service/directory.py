"""Who works here: users and teams (each named by the other, changed together), statuses, and keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain import agent
from interlock.domain.access import ApiKey
from interlock.domain.agent import OrgSettings, RoutingSettings, Status, Team, User
from interlock.domain.capacity import check_limits
from interlock.domain.decision import Decision, Provenance, Write, birth, step
from interlock.domain.errors import InvalidValue, KeyTaken, SystemRecord
from interlock.ports import World
from interlock.service import records
from interlock.service.orgs import digest
from interlock.service.preconditions import Precondition
from interlock.service.transact import Beside, Done, Reading, transact


async def create_user(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new user, who is a member of the teams named."""

    async def decide(reading: Reading) -> Decision:
        now = reading.moment.now
        made = User(id=reading.moment.fresh(), org=by.org, created_at=now, updated_at=now, modified_at=now, **fields)
        await _free(reading, made, None)
        await check_capacity(reading, made, "/capacity")
        return records.written(made, (birth(made), *await _join(reading, made.id, (), made.teams)))

    return await transact(world, by, decide, beside=beside)


async def update_user(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a user; their teams' members change with them."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(User, id)
        await precondition.check(reading, present, {User.outward(f) for f in fields})
        after = present.with_(**fields)
        await _free(reading, after, present)
        if "capacity" in fields:
            await check_capacity(reading, after, "/capacity")
        moved = await _join(reading, id, present.teams, after.teams)
        own = (step(present, after, reading.moment.now, by_hand=True),) if after != present else ()
        return records.written(present, (*own, *moved))

    return await transact(world, by, decide, beside=beside)


async def set_capacity(
    world: World, by: Provenance, id: str, limits: dict[str, Any] | None, precondition: Precondition, *, beside: Beside
) -> Done:
    """A user's own limits, whole; their live shift takes them at once (a reaction)."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(User, id)
        await precondition.check(reading, present, {"capacity"})
        await check_capacity(reading, present.with_(capacity=limits), "")
        return records.put(present, {"capacity": limits}, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def check_capacity(reading: Reading, user: User, pointer: str) -> None:
    """Raises if a user's limits contradict each other, or the total that any of their teams would give them."""
    if not user.capacity:
        return
    org = reading.settings or OrgSettings(id=reading.org, org=reading.org)
    nobody = user.with_(capacity=None)
    teams = await reading.many(RoutingSettings, user.teams)
    totals = [agent.limits(nobody, settings, org).total for settings in (*teams.values(),) or (None,)]
    check_limits(user.capacity, inherited=max(totals), pointer=pointer)


async def _free(reading: Reading, after: User, before: User | None) -> None:
    for claim in after.claims():
        if (before is None or claim not in before.claims()) and await reading.claimed(User, claim):
            raise KeyTaken("Another user has this mail address.", claim=claim, pointer="/email")


async def _join(reading: Reading, user: str, before: Iterable[str], after: Iterable[str]) -> list[Write]:
    """The teams whose members change when a user's list of teams does."""
    old, new = set(before), set(after)
    teams = await reading.many(Team, sorted(old ^ new))
    for missing in new - old - set(teams):
        raise InvalidValue(f"There is no team {missing}.", pointer="/teams")
    now = reading.moment.now
    return [
        step(
            t,
            t.with_(members=(*(m for m in t.members if m != user), *((user,) if t.id in new else ()))),
            now,
            by_hand=True,
        )
        for t in teams.values()
        if (user in t.members) != (t.id in new)
    ]


async def create_team(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new team with its members."""

    async def decide(reading: Reading) -> Decision:
        now = reading.moment.now
        made = Team(id=reading.moment.fresh(), org=by.org, created_at=now, updated_at=now, modified_at=now, **fields)
        return records.written(made, (birth(made), *await _take_in(reading, made.id, (), made.members)))

    return await transact(world, by, decide, beside=beside)


async def update_team(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a team; its members' lists of teams change with it."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(Team, id)
        await precondition.check(reading, present, {Team.outward(f) for f in fields})
        after = present.with_(**fields)
        moved = await _take_in(reading, id, present.members, after.members)
        own = (step(present, after, reading.moment.now, by_hand=True),) if after != present else ()
        return records.written(present, (*own, *moved))

    return await transact(world, by, decide, beside=beside)


async def _take_in(reading: Reading, team: str, before: Iterable[str], after: Iterable[str]) -> list[Write]:
    """The users whose list of teams changes when a team's members do."""
    old, new = set(before), set(after)
    users = await reading.many(User, sorted(old ^ new))
    for missing in new - old - set(users):
        raise InvalidValue(f"There is no user {missing}.", pointer="/members")
    now = reading.moment.now
    return [
        step(
            u, u.with_(teams=(*(t for t in u.teams if t != team), *((team,) if u.id in new else ()))), now, by_hand=True
        )
        for u in users.values()
        if (team in u.teams) != (u.id in new)
    ]


async def create_status(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new status. Only one of type available takes new work."""
    values = {**fields, "routable": fields["status_type"] == "available"}
    return await records.create(world, by, Status, values, beside=beside)


async def update_status(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a status; its type never changes, and a built-in one keeps its name and stays enabled."""
    return await records.update(world, by, Status, id, fields, precondition, beside=beside, check=_check_status)


async def _check_status(reading: Reading, present: Status | None, fields: Mapping[str, Any]) -> None:
    if present is not None and present.system and set(fields) & {"name", "enabled", "selectable"}:
        raise SystemRecord("Of a built-in status only description and externalId can be changed.")


async def create_key(world: World, by: Provenance, fields: Mapping[str, Any], secret: str, *, beside: Beside) -> Done:
    """A new key. Only the digest of its secret is stored; whoever asked is shown the secret once."""
    return await records.create(
        world, by, ApiKey, {**fields, "digest": digest(secret)}, beside=beside, check=_check_key
    )


async def _check_key(reading: Reading, present: ApiKey | None, fields: Mapping[str, Any]) -> None:
    if fields.get("user"):
        await reading.one(User, fields["user"], pointer="/user")


async def revoke_key(world: World, by: Provenance, id: str, precondition: Precondition, *, beside: Beside) -> Done:
    """A key opens nothing from now on."""
    return await records.update(world, by, ApiKey, id, {"revoked": True}, precondition, beside=beside)
