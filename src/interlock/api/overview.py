"""The floor at a glance: every queue with who waits and how the last hour went, and every agent who is signed in."""

from __future__ import annotations

import asyncio

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode
from interlock.api.operation import get
from interlock.ports import World
from interlock.service.overview import Overview

PATH = "/v1/routing/overview"
ORGS_MAX = 200


class Overviews:
    """The overview of each org that was asked for. Bounded: the one that was asked for longest ago is let go."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Overview, asyncio.Lock]] = {}

    async def of(self, world: World, org: str) -> Overview:
        """The overview of an org, up to date; whoever asks meanwhile waits for the same."""
        kept = self._kept.pop(org, None) or (Overview(org), asyncio.Lock())
        self._kept[org] = kept
        while len(self._kept) > ORGS_MAX:
            del self._kept[next(iter(self._kept))]
        overview, lock = kept
        async with lock:
            await overview.catch_up(world)
        return overview


@get(PATH, "getOverview", tag="queues", roles=roles.QUEUE_READ, answers="resource", own=True)
async def overview(call: Call) -> Answer:
    """Read the floor: waiting, longest wait, share inside the target, agents and load, as of a position of the log.

    `series` has, for each of the last 60 minutes, how many were taken and how many of them inside the target.
    """
    overviews: Overviews = call.host.rooms.setdefault("overview", Overviews())
    kept = await overviews.of(call.world, call.org)
    data = {
        "type": "overview",
        "id": call.org,
        "attributes": kept.told(call.world.clock.now()),
        "relationships": {},
        "links": {"self": PATH},
    }
    return Answer(200, encode({"data": data, "links": {"self": PATH}}))


OPERATIONS = (overview,)
