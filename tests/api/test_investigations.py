"""Investigations over HTTP: the project's incident to its verdict, repairs taken back, redaction, bounds, isolation."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

from tests.worlds import OTHER_KEY, Client, Floor, House, settled

from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Basis, Decision, Provenance, Why, step
from interlock.domain.log import entry_of
from interlock.ports import Commit
from interlock.service import orgs, views

INCIDENT = (Path(__file__).parents[2] / "examples" / "incident.md").read_text(encoding="utf-8")


async def investigate(client: Client, status: int = 201, **body: Any) -> Any:
    """The attributes of an investigation."""
    made = await client.post("/v1/investigations", body, status=status)
    return made["data"]["attributes"] | {"id": made["data"]["id"]} if status == 201 else made


async def test_the_incident_reaches_its_verdict(admin: Client) -> None:
    told = await investigate(admin, text=INCIDENT)
    worst = told["findings"][0]
    assert (told["verdict"], worst["id"], worst["severity"]) == ("broken", "R1", "high")
    assert "assignedUsers" in worst["field"]
    wrong = [
        x["card"] for t in told["timelines"] for x in t["lines"] if x["card"] and "should not" in x["card"]["outcome"]
    ]
    assert [card["title"] for card in wrong] == ["reverse sync"]
    again = await admin.get(f"/v1/investigations/{told['id']}")
    assert again["data"]["attributes"]["findings"] == told["findings"]
    exports = (await admin.get(f"/v1/investigations/{told['id']}/exports"))["data"]["attributes"]
    assert exports["markdown"].startswith("# Broken")
    compile(exports["test"]["text"], "test", "exec")
    assert exports["test"]["historyName"] in exports["test"]["text"]


async def test_files_may_be_packed(admin: Client) -> None:
    data = base64.b64encode(gzip.compress(INCIDENT.encode())).decode()
    told = await investigate(admin, files=[{"name": "incident.md.gz", "data": data}])
    assert told["verdict"] == "broken"
    assert told["inputs"][0]["name"] == "incident.md.gz"


async def test_an_undone_repair_takes_its_entry_with_it(admin: Client) -> None:
    damaged = INCIDENT.replace('"rev": 7', '"rev": 7,,', 1)
    told = await investigate(admin, text=damaged)
    repairs = told["inputs"][0]["repairs"]
    assert repairs, "the case needs a repair"
    body = {"undo": [{"line": repairs[0]["line"]}]}
    again = (await admin.post(f"/v1/investigations/{told['id']}/again", body))["data"]["attributes"]
    assert len(again["inputs"][0]["repairs"]) < len(repairs)
    assert "undone" in again["inputs"][0]["refused"][-1]["why"]
    assert again["asked"]["undo"] == [{"input": 0, "line": repairs[0]["line"]}]


async def test_redacted_it_comes_to_the_same_without_the_ids(admin: Client) -> None:
    plain = await investigate(admin, text=INCIDENT)
    hidden = await investigate(admin, text=INCIDENT, redact=True)
    assert [f["id"] for f in hidden["findings"]] == [f["id"] for f in plain["findings"]]
    assert not {r["id"] for r in hidden["records"]} & {r["id"] for r in plain["records"]}


async def test_it_is_bounded(admin: Client) -> None:
    await investigate(admin, status=422)
    await investigate(admin, status=422, text="x" * 4_000_001)
    await investigate(admin, status=400, files=[{"data": "no base64!"}])
    await investigate(admin, status=422, text=INCIDENT, format="telegram")
    first = await investigate(admin, text=INCIDENT)
    for n in range(16):
        await investigate(admin, text=INCIDENT + "\n" * n + "more")
    await admin.get(f"/v1/investigations/{first['id']}", status=404)


async def test_of_another_org_it_is_not_found(house: House, admin: Client) -> None:
    await house.found("Other", OTHER_KEY)
    other = house.client(OTHER_KEY)
    told = await investigate(admin, text=INCIDENT)
    await other.get(f"/v1/investigations/{told['id']}", status=404)
    await other.post(f"/v1/investigations/{told['id']}/again", {}, status=404)
    await other.get(f"/v1/investigations/{told['id']}/exports", status=404)


async def test_a_conversations_own_history_is_sound(house: House, admin: Client, floor: Floor) -> None:
    made = await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    id = made["data"]["id"]
    await floor.sign_in(0)
    await settled(house)
    offer = (await floor.agent(0).get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    await floor.agent(0).post(f"/v1/routing/reservations/{offer}/accept", status=200)
    await settled(house)
    house.clock.pass_ms(60_000)
    told = (await admin.get(f"/v1/conversations/{id}/investigation"))["data"]["attributes"]
    assert (told["verdict"], [f for f in told["findings"] if f["severity"] != "low"]) == ("sound", [])
    assert told["timelines"][0]["lines"]


async def test_findings_are_read_from_the_log_and_grouped(house: House, admin: Client, floor: Floor) -> None:
    """A record that is bent in the log behind the service's back is found, by a server that was not there either."""
    assert (await admin.get("/v1/incidents"))["data"] == []
    made = await admin.post("/v1/conversations", {"channels": ["chat"]})
    await settled(house)
    await lose(house, made["data"]["id"], floor.agents[0])
    house.clock.pass_ms(60_000)
    found = (await admin.get("/v1/findings"))["data"]
    assert {f["attributes"]["record"]["id"] for f in found} == {made["data"]["id"]}
    incidents = (await admin.get("/v1/incidents"))["data"]
    assert sum(i["attributes"]["count"] for i in incidents) == len(found) > 0
    assert incidents[0]["attributes"]["examples"][0]["id"] == made["data"]["id"]


async def test_an_incident_is_worked_off_and_opens_itself_when_it_comes_back(
    house: House, admin: Client, floor: Floor
) -> None:
    second = await one_of_two_lost(house, admin, floor)
    found = (await admin.get("/v1/incidents?state=open"))["data"]
    path = next(f"/v1/incidents/{i['id']}" for i in found if i["attributes"]["rule"] == "R1")
    assert [i["attributes"]["state"] for i in found] == ["open"] * len(found)
    assert (await admin.get(path))["data"]["attributes"]["rev"] == 0
    said = (await admin.put(path, {"state": "acknowledged"}))["data"]["attributes"]
    assert (said["state"], said["rev"], said["stateBy"]) == ("acknowledged", 1, "bootstrap")
    await admin.put(path, {"state": "closed"}, status=422)
    stale = await admin.put(path, {"state": "closed", "reason": "late", "rev": 9}, status=412)
    assert stale["errors"][0]["code"] == "PRECONDITION_FAILED"
    closed = (await admin.put(path, {"state": "closed", "reason": "a test wrote it", "rev": 1}))["data"]["attributes"]
    assert (closed["state"], closed["reason"], closed["cameBack"]) == ("closed", "a test wrote it", False)
    assert path not in [f"/v1/incidents/{i['id']}" for i in (await admin.get("/v1/incidents?state=open"))["data"]]
    house.clock.pass_ms(1_000)
    await lose(house, second, floor.agents[0])
    house.clock.pass_ms(60_000)
    back = (await admin.get(path))["data"]["attributes"]
    assert (back["state"], back["cameBack"], back["count"], back["reason"]) == ("open", True, 2, "a test wrote it")
    await admin.put("/v1/incidents/" + "f" * 24, {"state": "acknowledged"}, status=404)


async def one_of_two_lost(house: House, admin: Client, floor: Floor) -> str:
    """An incident that is a minute old; a conversation to which it can happen again."""
    first, second = [(await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"] for _ in range(2)]
    await settled(house)
    await lose(house, first, floor.agents[0])
    house.clock.pass_ms(60_000)
    return second


async def lose(house: House, id: str, user: str) -> None:
    """What the incident's system did: a person assigns, and a sync that had not seen it writes the users away."""
    found = await views.present(house.world, (await orgs.all_orgs(house.world))[0].id, Conversation, id)
    assert found is not None
    before = found
    for users, client, sync in (((user,), "api", False), ((), "sync", True)):
        after = before.with_(assigned_users=users)
        write = step(before, after, house.clock.now())
        why = Why(
            direction="reverse" if sync else "person", kind="merge" if sync else "intent", record=before.ref,
            rev_before=before.rev, rev_after=before.rev + 1, is_sync=sync, written={"assignedUsers": list(users)},
        )  # fmt: skip
        by = Provenance(before.org, Actor("system" if sync else "person", "user", user), client)
        decision = Decision(partition=id, why=why, writes=(write,))
        seen = Basis("conversation", id, 1) if sync else Basis("conversation", id, before.rev)
        entry = entry_of(decision, house.world.ids.fresh(), by, house.clock.now(), (seen,))
        await house.store.commit(Commit(entry=entry, writes=decision.writes))
        house.clock.pass_ms(105)
        before = write.after
