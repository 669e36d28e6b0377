"""What people say of incidents. The first word makes the record; what was found stays in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.decision import Decision, Provenance, Why, birth
from interlock.domain.incident import Incident, State, said
from interlock.ports import World
from interlock.service import views
from interlock.service.preconditions import Precondition
from interlock.service.records import put
from interlock.service.transact import Beside, Done, Reading, transact


async def say(
    world: World,
    by: Provenance,
    id: str,
    state: State,
    reason: str,
    who: str,
    about: Mapping[str, Any],
    precondition: Precondition,
    *,
    beside: Beside,
) -> Done:
    """Open, acknowledge or close an incident, in the name of `who`. `about`: what is known of it now, if anything."""

    async def decide(reading: Reading) -> Decision:
        now = reading.moment.now
        fields = {**about, **said(state, reason, who, now)}
        present = await reading.maybe(Incident, id)
        if present is None:
            made = Incident(id=id, org=by.org, created_at=now, updated_at=now, modified_at=now, **fields)
            why = Why(direction="person", kind="change", record=made.ref, rev_after=1)
            return Decision(partition=id, why=why, writes=(birth(made),))
        await precondition.check(reading, present, {"state", "reason"})
        return put(present, fields, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def known(world: World, org: str) -> dict[str, Incident]:
    """Every incident that somebody said something of, by its id."""
    found = await views.listing(world, org, Incident, 0, views.ALL)
    return {i.id: i for i in found}
