"""Calls and their agent's status: busy while they have one, wrap-up included, and what they are after it."""

from __future__ import annotations

from interlock.domain import agent
from interlock.domain.agent import Status, User, WorkSession
from interlock.domain.decision import Decision, Provenance
from interlock.domain.errors import InvalidValue, Refused
from interlock.ports import Query, World
from interlock.service.calendars import hours_of
from interlock.service.transact import Done, Reading, unless_refused

CALL = "voice"


def on_call(s: WorkSession) -> bool:
    """Whether an item of a call is with this agent."""
    return any(h.channel == CALL and not h.offered and not h.paused for h in s.holding)


def may_concern(s: WorkSession) -> bool:
    """Whether a call, or the end of one, may change what this agent is."""
    return s.before_call is not None or (on_call(s) and s.status_type == "available")


async def follow(world: World, by: Provenance, session: str) -> Done | None:
    """The status that a shift's calls ask for, by `voiceAfterWork` of the org; `None` if it has that already."""

    async def decide(reading: Reading) -> Decision:
        s = await reading.one(WorkSession, session)
        mode = reading.settings.voice_after_work if reading.settings else "off"
        if mode == "off" or s.signed_out_at or not may_concern(s):
            raise Refused("Calls change nothing here.")
        who, calendar = await reading.one(User, s.user), (await hours_of(reading)).org
        if on_call(s):
            if s.status_type != "available":
                raise Refused("They are busy already.")
            busy = await _busy(reading)
            return agent.change_status(s, who, busy, reading.moment, calendar, code="ON_CALL", before_call=s.status)
        if mode != "restore":
            raise Refused("They stay busy until they say otherwise.")
        former = await reading.one(Status, s.before_call or "")
        return agent.change_status(s, who, former, reading.moment, calendar, code="AFTER_CALL")

    return await unless_refused(world, by, decide, also=(InvalidValue,))


async def _busy(reading: Reading) -> Status:
    """The built-in status of type busy."""
    query = Query(name="listing", org=reading.org, type=Status.TYPE, states=("busy",), limit=1000)
    found = next((s for s in await reading.find(Status, query) if s.system), None)
    if found is None:
        raise Refused("This org has no built-in busy status.")
    return found
