"""Skills, the rules that ask for them, and what agents can do, over HTTP; and how items come to ask."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, sessions, settled

SKILLS, RULES = "/v1/routing/skills", "/v1/routing/skill-rules"


def when(field: str, value: Any, operator: str = "equals") -> dict[str, Any]:
    """Criteria of one condition."""
    return {"and": [{field: {"operator": operator, "value": value}}]}


async def skill(admin: Client, floor: Floor, name: str, *levels: int) -> str:
    """A skill, and the levels at which the agents of the floor have it, in order (0: not at all)."""
    id = (await admin.post(SKILLS, {"name": name}))["data"]["id"]
    for user, level in zip(floor.agents, levels, strict=False):
        had = (await admin.get(f"/v1/routing/users/{user}/skills"))["data"]["attributes"]["skills"]
        every = had | ({id: level} if level else {})
        body = {"skills": [{"skill": s, "level": n} for s, n in every.items()]}
        await admin.put(f"/v1/routing/users/{user}/skills", body)
    return id


async def rule(admin: Client, criteria: dict[str, Any], *asked: dict[str, Any], status: int = 201) -> Any:
    """A skill rule."""
    return await admin.post(RULES, {"name": "r", "criteria": criteria, "skills": list(asked)}, status)


async def asked(admin: Client, conversation: str) -> dict[str, tuple[int, str]]:
    """What the newest item of a conversation asks for: level and mode by skill."""
    item = (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]
    return {s["skill"]: (s["level"], s["mode"]) for s in item["attributes"]["skills"]}


async def begin(house: House, admin: Client, **body: Any) -> str:
    """A conversation, taken in by every role."""
    id = (await admin.post("/v1/conversations", {"channels": ["chat"], **body}))["data"]["id"]
    await settled(house)
    return id


async def test_skills_are_kept_and_named_once(admin: Client) -> None:
    made = (await admin.post(SKILLS, {"name": "German"}))["data"]
    await admin.post(SKILLS, {"name": "german"}, 409)
    changed = await admin.put(made["links"]["self"], {"description": "Speaks it"})
    assert changed["data"]["attributes"]["description"] == "Speaks it"
    await admin.delete(made["links"]["self"])
    await admin.get(made["links"]["self"], 404)
    assert (await admin.get(SKILLS))["data"] == []
    await admin.post(SKILLS, {"name": "German"})


async def test_a_rule_names_skills_that_somebody_reaches(admin: Client, floor: Floor) -> None:
    german, chess = await skill(admin, floor, "German", 3, 4), await skill(admin, floor, "Chess")
    chat = when("conversation_channel", "chat")
    await rule(admin, chat, {"skill": german, "level": 4})
    refused = await rule(admin, chat, {"skill": german}, {"skill": chess}, status=422)
    assert refused["errors"][0]["source"]["pointer"] == "/skills/1"
    assert "nobody has it" in refused["errors"][0]["detail"]
    refused = await rule(admin, chat, {"skill": german, "level": 5}, status=422)
    assert "level 4" in refused["errors"][0]["detail"]
    soft = {"skill": chess, "relax": [{"afterSeconds": 60, "mode": "preferred"}]}
    await rule(admin, chat, soft, {"skill": german, "level": 5, "mode": "preferred"})
    await admin.delete(f"{SKILLS}/{german}", 422)


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"level": 6}, 400, "/skills/0/level"),
        ({"mode": "wished"}, 400, "/skills/0/mode"),
        ({"relax": [{"afterSeconds": 60, "level": 2, "drop": True}]}, 422, "/skills/0/relax/0"),
        ({"relax": [{"afterSeconds": 60}]}, 422, "/skills/0/relax/0"),
        ({"relax": [{"afterSeconds": 60, "level": 1}, {"afterSeconds": 30, "drop": True}]}, 422, "/skills/0/relax/1"),
        ({"skill": "f" * 24}, 404, "/skills/0/skill"),
    ],
)
async def test_what_is_no_requirement_is_refused_where_it_is_not(
    admin: Client, floor: Floor, wrong: dict[str, Any], status: int, pointer: str
) -> None:
    german = await skill(admin, floor, "German", 5)
    refused = await rule(admin, when("conversation_channel", "chat"), {"skill": german} | wrong, status=status)
    assert refused["errors"][0]["source"]["pointer"] == pointer
    assert (await admin.get(RULES))["data"] == []


async def test_all_rules_that_hold_count_and_the_highest_level_wins(house: House, admin: Client, floor: Floor) -> None:
    german, tax = await skill(admin, floor, "German", 5), await skill(admin, floor, "Tax", 5)
    await rule(admin, when("conversation_channel", "chat"), {"skill": german, "level": 2}, {"skill": tax})
    await rule(admin, when("conversation_name", "VAT"), {"skill": german, "level": 4})
    await rule(admin, when("conversation_name", "other"), {"skill": tax, "level": 5})
    c = await begin(house, admin, name="VAT", queue={"id": floor.queue})
    assert await asked(admin, c) == {german: (4, "required"), tax: (1, "required")}
    c = await begin(house, admin, name="VAT", skills=[{"skill": german, "level": 5, "mode": "preferred"}])
    assert await asked(admin, c) == {german: (5, "preferred"), tax: (1, "required")}


async def test_an_item_asks_anew_whenever_its_conversation_changes(house: House, admin: Client, floor: Floor) -> None:
    german = await skill(admin, floor, "German", 5)
    made = await rule(admin, when("conversation_name", "VAT"), {"skill": german, "level": 4})
    c = await begin(house, admin, name="hello", queue={"id": floor.queue})
    assert await asked(admin, c) == {}
    await admin.put(f"/v1/conversations/{c}", {"name": "VAT"})
    await settled(house)
    assert await asked(admin, c) == {german: (4, "required")}
    await admin.put(f"/v1/conversations/{c}", {"skills": [{"skill": german, "level": 5}]})
    await settled(house)
    assert await asked(admin, c) == {german: (5, "required")}
    await admin.put(f"/v1/conversations/{c}", {"skills": []})
    await settled(house)
    assert await asked(admin, c) == {german: (4, "required")}
    await admin.delete(made["data"]["links"]["self"])
    await admin.put(f"/v1/conversations/{c}", {"name": "VAT again"})
    await settled(house)
    assert await asked(admin, c) == {}


async def test_what_a_conversation_asks_by_itself_needs_no_rule(house: House, admin: Client, floor: Floor) -> None:
    german, chess = await skill(admin, floor, "German", 5), await skill(admin, floor, "Chess")
    c = await begin(house, admin, queue={"id": floor.queue}, skills=[{"skill": german}])
    assert await asked(admin, c) == {german: (1, "required")}
    refused = await admin.put(f"/v1/conversations/{c}", {"skills": [{"skill": chess}]}, 422)
    assert refused["errors"][0]["source"]["pointer"] == "/skills/0"
    await admin.put(f"/v1/conversations/{c}", {"skills": None})
    await settled(house)
    assert await asked(admin, c) == {}


async def test_a_workflow_asks_for_skills(house: House, admin: Client, floor: Floor) -> None:
    german = await skill(admin, floor, "German", 5)
    step = {"id": "s", "action": "interlock.conversation.update"}
    trigger = {"id": "t", "eventName": "interlock.conversation.create"}
    wish = {"skills": [{"skill": german, "level": 3}]}
    await admin.post("/v1/workflows", {"name": "w", "trigger": trigger, "steps": [step | {"params": wish}]})
    c = await begin(house, admin)
    assert await asked(admin, c) == {german: (3, "required")}
    wrong = step | {"params": {"skills": [{"skill": german, "level": 9}]}}
    refused = await admin.send("POST", "/v1/workflows", json={"name": "x", "trigger": trigger, "steps": [wrong]})
    assert refused.json()["errors"][0]["source"]["pointer"] == "/steps/0/params/skills"


@pytest.mark.parametrize(("level", "says"), [(5, "the best has level 4"), (1, "nobody has it")])
async def test_a_workflow_that_asks_for_what_nobody_has_is_refused(
    admin: Client, floor: Floor, level: int, says: str
) -> None:
    german, chess = await skill(admin, floor, "German", 4), await skill(admin, floor, "Chess")
    asks = {"skill": german if level > 1 else chess, "level": level}
    fine, steps = {"priority": 5}, [{"id": f"s{n}", "action": "interlock.conversation.update"} for n in range(2)]
    steps = [steps[0] | {"params": fine, "transitions": [{"target": "s1"}]}, steps[1] | {"params": {"skills": [asks]}}]
    body = {"name": "w", "trigger": {"id": "t", "eventName": "interlock.conversation.create"}, "steps": steps}
    refused = (await admin.post("/v1/workflows", body, 422))["errors"][0]
    assert refused["source"]["pointer"] == "/steps/1/params/skills/0"
    assert says in refused["detail"]
    asks["mode"] = "preferred"
    made = (await admin.post("/v1/workflows", body))["data"]
    asks["mode"] = "required"
    await admin.put(made["links"]["self"], {"steps": steps}, 422)
    unknown = {"params": {"skills": [{"skill": "f" * 24}]}}
    refused = (await admin.put(made["links"]["self"], {"steps": [steps[0], steps[1] | unknown]}, 404))["errors"][0]
    assert refused["source"]["pointer"] == "/steps/1/params/skills/0/skill"


@pytest.mark.parametrize("asked_by", ["skill rule", "workflow"])
async def test_the_last_agent_who_reaches_what_is_asked_for_keeps_it(
    house: House, admin: Client, asked_by: str
) -> None:
    floor = await Floor(house, admin).open(2)
    german = await skill(admin, floor, "German", 4, 3)
    if asked_by == "skill rule":
        made = await rule(admin, when("conversation_channel", "chat"), {"skill": german, "level": 3})
    else:
        step = {"id": "s", "action": "conversation.update", "params": {"skills": [{"skill": german, "level": 3}]}}
        body = {"name": "w", "trigger": {"id": "t", "eventName": "conversation.create"}, "steps": [step]}
        made = await admin.post("/v1/workflows", body)
    best, other = (f"/v1/routing/users/{user}/skills" for user in floor.agents)
    await admin.put(best, {"skills": []})
    for less in ([], [{"skill": german, "level": 2}]):
        refused = (await admin.put(other, {"skills": less}, 422))["errors"][0]
        assert (refused["code"], refused["source"]["pointer"]) == ("IN_USE", "/skills")
        assert refused["meta"]["by"] == made["data"]["id"]
        assert f"The {asked_by} " in refused["detail"]
    await admin.delete(f"{SKILLS}/{german}", 422)
    await admin.put(made["data"]["links"]["self"], {"enabled": False})
    await admin.put(other, {"skills": [{"skill": german, "level": 2}]})
    await admin.put(best, {"skills": [{"skill": german, "level": 3}]})
    await admin.put(made["data"]["links"]["self"], {"enabled": True})
    await admin.put(other, {"skills": []})
    await admin.put(f"/v1/users/{floor.agents[0]}", {"enabled": False})
    await admin.put(best, {"skills": []})


async def test_what_an_agent_can_do_reaches_their_shift_at_once(house: House, admin: Client, floor: Floor) -> None:
    german = await skill(admin, floor, "German")
    await floor.sign_in()
    path = f"/v1/routing/users/{floor.agents[0]}/skills"
    shown = await admin.put(path, {"skills": [{"skill": german, "level": 4}]})
    assert shown["data"]["attributes"]["skills"] == {german: 4}
    await settled(house)
    assert [s.skills for s in await sessions(house, admin)] == [{german: 4}]
    refused = await admin.put(path, {"skills": [{"skill": german, "level": 4}, {"skill": german, "level": 5}]}, 422)
    assert refused["errors"][0]["source"]["pointer"] == "/skills/1/skill"


async def test_rules_keep_the_order_they_are_given(admin: Client, floor: Floor) -> None:
    german = await skill(admin, floor, "German", 5)
    ids = [(await rule(admin, when("conversation_name", n), {"skill": german}))["data"]["id"] for n in ("a", "b")]
    ordered = await admin.put(f"{RULES}/order", {"rules": ids[::-1]})
    assert [r["id"] for r in ordered["data"]] == ids[::-1]
    await admin.put(f"{RULES}/order", {"rules": ids[:1]}, 422)


async def test_an_order_of_rules_that_moved_meanwhile_is_refused(admin: Client, floor: Floor) -> None:
    german = await skill(admin, floor, "German", 5)
    made = [(await rule(admin, when("conversation_name", n), {"skill": german}))["data"] for n in ("a", "b")]
    ids = [r["id"] for r in made]
    basis = [{"type": "skill_rule", "id": id, "rev": 1} for id in ids]
    await admin.put(f"{RULES}/{ids[0]}", {"enabled": False})
    refused = await admin.put(f"{RULES}/order", {"rules": ids[::-1], "basis": basis}, 412)
    assert [m["id"] for m in refused["errors"][0]["meta"]["moved"]] == ids[:1]
    assert [r["id"] for r in (await admin.get(RULES))["data"]] == ids
