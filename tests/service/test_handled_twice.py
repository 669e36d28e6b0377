"""A conversation that comes back within one shift is two items and one conversation."""

from __future__ import annotations

from tests.worlds import Client, Floor, House, sessions, settled


async def test_a_conversation_handled_twice_in_a_shift_counts_once(house: House, admin: Client, floor: Floor) -> None:
    """Drawn histories seldom come here, so it stands by itself."""
    await floor.sign_in()
    body = {"channels": ["chat"], "assignedUsers": [floor.agents[0]]}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    for status in ("done", "open", "done"):
        await admin.put(f"/v1/conversations/{c}", {"status": status})
        await settled(house)
    (shift,) = await sessions(house, admin)
    assert (shift.handled_item_count, shift.handled_conversation_count) == (2, 1)
