"""The incident replayed on the production code, with and without the guard. Played once, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode
from interlock.api.operation import get
from interlock.domain.errors import Busy

PATH = "/v1/replays/incident"
PLAYED_WITHIN_S = 60.0
MODULE = "interlock.simulation.retold"


class Replays:
    """What was played, and one player at a time."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] | None = None
        self._turn = asyncio.Lock()

    async def incident(self) -> list[dict[str, Any]]:
        """Both runs. Raises `Busy` if they cannot be played just now."""
        async with self._turn:
            if self._told is None:
                self._told = await _played()
            return self._told


async def _played() -> list[dict[str, Any]]:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    player = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, stdin=nothing, stdout=pipe, stderr=nothing
    )
    try:
        out, _ = await asyncio.wait_for(player.communicate(), PLAYED_WITHIN_S)
    except TimeoutError:
        player.kill()
        await player.wait()
        raise Busy("The replay takes too long; this machine is busy.") from None
    if player.returncode:
        raise Busy("The replay cannot be played just now.")
    return msgspec.json.decode(out)


@get(PATH, "replayIncident", tag="investigations", roles=roles.EVENT_READ, answers="resource", own=True)
async def incident(call: Call) -> Answer:
    """Read the incident as it goes with the guard and without it: events, decisions, findings, and what broke."""
    replays: Replays = call.host.rooms.setdefault("replays", Replays())
    data = {
        "type": "replay",
        "id": "incident",
        "attributes": {"runs": await replays.incident()},
        "relationships": {},
        "links": {"self": PATH},
    }
    return Answer(200, encode({"data": data, "links": {"self": PATH}}))


OPERATIONS = (incident,)
