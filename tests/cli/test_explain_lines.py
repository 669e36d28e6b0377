"""What `interlock explain` prints for people: a queue by its classes, an item with its figures, a decision by name."""

from __future__ import annotations

from tests.cases.shop import Shop
from tests.worlds import House

from interlock.cli.explain import lines


async def test_a_queue_an_item_and_a_decision() -> None:
    house = House()
    await house.found()
    shop = await Shop(house).open()
    queue = await shop.floor("Ann", workItemCapacity=1)
    taken = await shop.take("Ann", queue)
    waits = [await shop.arrive(queue) for _ in range(3)]

    async def told(path: str) -> list[str]:
        return list(lines((await shop.admin.get(path))["data"]["attributes"]))

    of_queue = await told(f"/v1/routing/queues/{queue}/explain")
    assert of_queue[0] == "3 wait in Orders; 1 signed-in agents serve it."
    assert of_queue[-1] == "       3 × ALL_AT_CAPACITY: chat, weight 1. All agents at 1 of 1."
    of_item = await told(f"/v1/routing/work-items/{(await shop.item(waits[1]))['id']}/explain")
    assert of_item[-2:] == ["1 item is before it.", "Agents: 1 × AT_CAPACITY."]
    decisions = (await shop.admin.get(f"/v1/conversations/{taken}/decisions"))["data"]
    offer = next(d for d in decisions if d["attributes"]["direction"] == "offer")
    of_decision = await told(offer["links"]["self"])
    assert f"candidate {shop.users['Ann']}: chosen" in of_decision
    assert "strategy: longest-idle" in of_decision
