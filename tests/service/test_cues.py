"""What a role is told and what it has to do about it: decided from the rows alone, before anything is loaded."""

from __future__ import annotations

from tests.worlds import Client, Floor, House

from interlock.domain.log import Row
from interlock.ports import World
from interlock.service import cues, reactions
from interlock.service.relay import run_once


async def rows_of(house: House, conversation: str) -> list[Row]:
    """The log of a conversation."""
    return await house.world.store.changes(0, 1000, partition=conversation)


async def through(house: House, admin: Client) -> str:
    """A conversation that was queued by the rules; its id."""
    made = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    for _ in range(4):
        await run_once(house.world, "sync")
        await run_once(house.world, "rules")
    return made


async def test_the_last_cue_counts_also_if_it_leaves_nothing_to_do(house: House, admin: Client, floor: Floor) -> None:
    """An item that was placed meanwhile is not placed again because an earlier cue says that it stood in `ivr`."""
    conversation = await through(house, admin)
    rows = await rows_of(house, conversation)
    table = cues.by_type("rules", reactions.REACTIONS)
    told = [each for row in rows for each in cues.cues(row, table) if each[0].do is reactions.place]
    begun = [each for each in told if cues.due([each])]
    assert len(told) > len(begun) == 1
    assert cues.due(told) == []
    assert cues.due(begun) == begun


async def test_what_counts_by_itself_is_not_merged(house: House, admin: Client, floor: Floor) -> None:
    """Of a reaction that looks at every event each is kept, in order."""
    conversation = await through(house, admin)
    rows = await rows_of(house, conversation)

    async def note(world: World, cue: cues.Cue) -> None:
        """Nothing."""

    each = cues.Reaction("sync", "work_item", note, each=True)
    last = cues.Reaction("sync", "work_item", note)
    changes = [(row, n, c) for row in rows for n, c in enumerate(row.changes) if c.type == "work_item"]
    assert len(changes) > 1
    told = [cues.cue_of(row, change, n) for row, n, change in changes]
    assert [cue for _, cue in cues.due([(each, cue) for cue in told])] == told
    assert [cue for _, cue in cues.due([(last, cue) for cue in told])] == told[-1:]
