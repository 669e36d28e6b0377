"""What supervisors write through the console: incidents, settings, rules, work; over a house in memory."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.api.test_investigations import lose, one_of_two_lost
from tests.console.test_pages import Browser
from tests.worlds import Client, Floor, House, settled

from interlock.console.merging import merge


async def test_an_incident_is_acknowledged_closed_with_a_reason_and_comes_back(
    house: House, admin: Client, floor: Floor
) -> None:
    second = await one_of_two_lost(house, admin, floor)
    sam = await Browser(house).sign_in(admin, "supervisor")
    told = (await sam.get("/incidents.json")).json()["incidents"]
    id = next(i["id"] for i in told if i["rule"] == "R1")
    await sam.post(f"/incidents/{id}/acknowledge", {"rev": "0"})
    await sam.post(f"/incidents/{id}/close", {"rev": "1", "reason": ""}, 422)
    other = await Browser(house).sign_in(admin, "supervisor")
    await other.post(f"/incidents/{id}/close", {"rev": "1", "reason": "we tried it out"})
    await sam.post(f"/incidents/{id}/close", {"rev": "1", "reason": "I saw another state"}, 412)
    shown = (await sam.get("/incidents?state=closed")).text
    assert "we tried it out" in shown
    assert "Closed by Ana" in shown
    assert id not in (await sam.get("/incidents")).text
    house.clock.pass_ms(1_000)
    await lose(house, second, floor.agents[0])
    house.clock.pass_ms(60_000)
    again = (await sam.get("/incidents")).text
    assert "came back" in again
    assert "we tried it out" in again
    reader = await Browser(house).sign_in(admin, "reader")
    assert "Acknowledge</button>" not in (await reader.get("/incidents")).text
    await reader.post(f"/incidents/{id}/reopen", {"rev": "2"}, 404)


async def form_of(somebody: Browser, path: str) -> dict[str, str]:
    """Every field of the form on a page, as a browser would send it back."""
    page = (await somebody.get(path)).text
    return fields_in(page)


def fields_in(page: str) -> dict[str, str]:
    """The fields of the editor's form."""
    reader = Sheet()
    reader.feed(page)
    return reader.fields


class Sheet(HTMLParser):
    """Reads inputs, selects and text areas of the form of the editor."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._inside = False
        self._name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A field begins."""
        a = dict(attrs)
        if tag == "form":
            self._inside = a.get("class") == "sheet"
        name = a.get("name") or ""
        if not self._inside or name in ("", "csrf", "once", "step"):
            if tag == "option" and self._inside and self._name and "selected" in a:
                self.fields[self._name] = a.get("value") or ""
            return
        if tag == "input" and a.get("type") == "checkbox":
            if "checked" in a:
                self.fields[name] = "on"
        elif tag in ("input", "textarea", "select"):
            self.fields[name] = a.get("value") or ""
        self._name = name if tag in ("select", "textarea") else ""

    def handle_endtag(self, tag: str) -> None:
        """A form ends, and what stands in a text area."""
        if tag in ("select", "textarea"):
            self._name = ""
        if tag == "form":
            self._inside = False

    def handle_data(self, data: str) -> None:
        """The text of a text area."""
        if self._name and data.strip() and self.get_starttag_text() and "<textarea" in (self.get_starttag_text() or ""):
            self.fields[self._name] = data


async def test_a_rule_is_tried_saved_and_taken_back(house: House, admin: Client, floor: Floor) -> None:
    other = (await admin.post("/v1/routing/queues", {"name": "Returns", "key": "returns"}))["data"]["id"]
    criteria = {"and": [{"conversation_channel": {"operator": "in", "value": ["chat", "email"]}}]}
    rule = {"name": "First", "criteria": criteria, "queue": floor.queue}
    id = (await admin.post("/v1/routing/queue-rules", rule))["data"]["id"]
    for channel in ("chat", "email"):
        await admin.post("/v1/conversations", {"channels": [channel]})
    await settled(house)
    sam = await Browser(house).sign_in(admin, "supervisor")
    path = f"/settings/rules/{id}"
    form = await form_of(sam, path)
    assert (form["criteria.0.field"], form["criteria.0.value"]) == ("conversation_channel", "chat, email")
    form |= {"criteria.0.operator": "equals", "criteria.0.value": "chat", "queue": other}
    told = (await sam.post(path, {**form, "step": "review"}, 200)).text
    assert "What the draft would have done" in told
    assert "+0 ~2 −0" in told
    assert (await admin.get(f"/v1/routing/queue-rules/{id}"))["data"]["attributes"]["rev"] == 1
    await sam.post(path, {**form, "step": "save"})
    stored = (await admin.get(f"/v1/routing/queue-rules/{id}"))["data"]
    assert stored["attributes"]["criteria"]["and"] == [
        {"conversation_channel": {"operator": "equals", "value": "chat"}}
    ]
    assert stored["relationships"]["queue"]["data"]["id"] == other
    shown = (await sam.get(f"{path}/history")).text
    assert "Ana" in shown
    assert "Go back to rev 1" in shown
    old = await form_of(sam, f"{path}?rev=1")
    assert (old["criteria.0.value"], old["queue"], old["rev"]) == ("chat, email", floor.queue, "2")
    await sam.post(path, {**old, "step": "save"})
    again = (await admin.get(f"/v1/routing/queue-rules/{id}"))["data"]
    assert again["attributes"]["criteria"]["and"] == criteria["and"]
    wrong = {**(await form_of(sam, path)), "criteria.0.field": "conversation_chanel", "step": "save"}
    assert "conversation_channel" in (await sam.post(path, wrong, 400)).text
    await sam.post(f"{path}/delete", {"rev": "1"}, 412)
    await sam.post(f"{path}/delete", {"rev": "3"})
    await sam.get(path, 404)


async def test_two_edit_one_queue_and_neither_loses_a_word(house: House, admin: Client, floor: Floor) -> None:
    sam, ben = [await Browser(house).sign_in(admin, "supervisor") for _ in range(2)]
    path = f"/settings/queues/{floor.queue}"
    mine, theirs = await form_of(sam, path), await form_of(ben, path)
    await ben.post(path, {**theirs, "priority": "7", "targetSeconds": "20", "step": "save"})
    mine |= {"priority": "3", "itemSize": "2", "step": "save"}
    told = await sam.post(path, mine, 409)
    assert "Somebody else wrote rev 2 meanwhile" in told.text
    assert "both changed it" in told.text
    assert "theirs, kept" in told.text
    now = (await admin.get(f"/v1/routing/queues/{floor.queue}"))["data"]["attributes"]
    assert (now["priority"], now["itemSize"]) == (7, 1)
    await sam.post(path, {**fields_in(told.text), "step": "save"})
    now = (await admin.get(f"/v1/routing/queues/{floor.queue}"))["data"]["attributes"]
    assert (now["priority"], now["itemSize"], now["targetSeconds"]) == (3, 2, 20)


async def test_every_setting_can_be_opened_and_saved_as_it_is(house: House, admin: Client, floor: Floor) -> None:
    """A form that is sent back untouched writes nothing: what it shows is what there is."""
    skill = (await admin.post("/v1/routing/skills", {"name": "French"}))["data"]["id"]
    hours = {"1": [[540, 750], [810, 1020]], "5": [[540, 900]]}
    days = [{"date": "2026-12-25", "name": "Christmas"}]
    s = await admin.post(
        "/v1/schedules", {"name": "Shop", "hours": hours, "holidays": days, "timezone": "Europe/Paris"}
    )
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/skills", {"skills": [{"skill": skill, "level": 4}]})
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/capacity", {"total": 4, "channels": {"chat": 2}})
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"ageing": {"afterSeconds": 60, "priority": 2}})
    places = {
        "routing/org": "", f"queues/{floor.queue}": "", f"teams/{floor.team}": "", f"skills/{skill}": "",
        f"schedules/{s['data']['id']}": "", f"agents/{floor.agents[0]}": "", f"abilities/{floor.agents[0]}": "",
    }  # fmt: skip
    sam = await Browser(house).sign_in(admin, "supervisor")
    front = (await sam.get("/settings")).text
    assert "Europe/Paris" in front
    assert not {"True", "False", "None"} & set(re.findall(r"\w+", front))
    before = await house.store.last_position()
    for place in places:
        path = f"/settings/{place}"
        assert place.startswith("routing") or path in front
        told = await sam.post(path, {**await form_of(sam, path), "step": "save"}, 200)
        assert "Nothing is changed." in told.text, place
    assert await house.store.last_position() == before
    limits = f"/settings/agents/{floor.agents[0]}"
    await sam.post(limits, {**await form_of(sam, limits), "capacity.total": "9", "step": "save"})
    who = (await admin.get(f"/v1/users/{floor.agents[0]}"))["data"]["attributes"]
    assert who["capacity"] == {"total": 9, "channels": {"chat": 2}}
    skills = {**await form_of(sam, f"/settings/abilities/{floor.agents[0]}"), f"skills.{skill}": "2", "step": "save"}
    await sam.post(f"/settings/abilities/{floor.agents[0]}", skills)
    assert (await admin.get(f"/v1/users/{floor.agents[0]}"))["data"]["attributes"]["skills"] == {skill: 2}
    made = await sam.post("/settings/skills/new", {"name": "German", "description": "", "step": "save"})
    assert made.headers["location"].startswith("/settings/skills/")
    reader = await Browser(house).sign_in(admin, "reader")
    assert 'name="step"' not in (await reader.get(f"/settings/queues/{floor.queue}")).text
    await reader.post(f"/settings/queues/{floor.queue}", {"step": "save"}, 404)


@given(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]), min_size=3, max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]), min_size=3, max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]), min_size=3, max_size=3),
)
def test_a_merge_keeps_what_each_of_both_moved(
    base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]
) -> None:
    found = merge(base, theirs, mine)
    for n, text in found.texts.items():
        if mine[n] == base[n]:
            assert text == theirs[n]
            assert n not in found.clashes
        else:
            assert text == mine[n]
            assert (n in found.clashes) == (theirs[n] not in (base[n], mine[n]))


async def taken(house: House, admin: Client, floor: Floor, agent: int = 0) -> str:
    """A conversation that an agent accepted."""
    id = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    offers = (await floor.agent(agent).get("/v1/routing/reservations?state=pending"))["data"]
    if offers:
        await floor.agent(agent).post(f"/v1/routing/reservations/{offers[0]['id']}/accept", status=200)
    await settled(house)
    return id


async def test_two_conversations_are_laid_beside_each_other(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in(0)
    first, second = await taken(house, admin, floor), await taken(house, admin, floor)
    sam = await Browser(house).sign_in(admin, "supervisor")
    same = (await sam.get(f"/compare.json?a={first}&b={second}")).json()
    assert same["parted"] is None
    assert all(r["same"] for r in same["rows"])
    await admin.put(f"/v1/conversations/{second}", {"status": "done"})
    await settled(house)
    told = (await sam.get(f"/compare.json?a={first}&b={second}")).json()
    assert told["parted"] == len(same["rows"]) + 1
    assert told["rows"][told["parted"] - 1]["a"] is None
    fields = {f["field"]: (f["a"], f["b"], f["same"]) for f in told["heads"][0]["fields"]}
    assert fields["status"] == ("open", "done", False)
    then = (await sam.get(f"/compare.json?a={second}@1&b={second}")).json()
    assert (then["a"]["step"], then["b"]["step"]) == (1, then["b"]["steps"])
    assert next(f for f in then["heads"][0]["fields"] if f["field"] == "users")["a"] == "nobody"
    page = (await sam.get(f"/compare?a={second}@1&b={second}")).text
    assert "Alike up to row 1, then they part" in page
    assert "is no id of a conversation" in (await sam.get("/compare?a=nonsense&b=")).text


async def test_a_supervisor_reassigns_and_says_an_agents_status(house: House, admin: Client, floor: Floor) -> None:
    session = (await floor.sign_in(0))["data"]["id"]
    id = await taken(house, admin, floor)
    sam = await Browser(house).sign_in(admin, "supervisor")
    asked = (await sam.get(f"/conversations/{id}/reassign")).text
    assert "with Agent 0, from Orders" in asked
    rev = str((await admin.get(f"/v1/conversations/{id}"))["data"]["attributes"]["rev"])
    form = {"to": floor.agents[1], "queue": floor.queue, "rev": rev}
    await sam.post(f"/conversations/{id}/reassign", form)
    await settled(house)
    assert (await admin.get(f"/v1/conversations/{id}"))["data"]["attributes"]["assignedUsers"] == [floor.agents[1]]
    item = (await admin.get(f"/v1/routing/conversations/{id}/work-items"))["data"][0]
    assert item["relationships"]["assignedTo"]["data"]["id"] == floor.agents[1]
    stale = await sam.post(f"/conversations/{id}/reassign", {**form, "to": floor.agents[0]}, 412)
    assert "read it again" in stale.text.lower()
    await sam.post(f"/conversations/{id}/reassign", {"to": "", "queue": floor.queue, "rev": ""})
    await settled(house)
    assert (await admin.get(f"/v1/conversations/{id}"))["data"]["attributes"]["assignedUsers"] == []
    busy = next(s["id"] for s in (await admin.get("/v1/routing/statuses"))["data"]
                if s["attributes"]["statusType"] == "busy")  # fmt: skip
    assert "Agent 0 has an offer and has 1 item" in (await sam.get(f"/agents/{session}/status")).text
    await sam.post(f"/agents/{session}/status", {"status": busy})
    told = (await admin.get(f"/v1/routing/work-sessions/{session}"))["data"]["attributes"]
    assert told["statusType"] == "busy"
    reader = await Browser(house).sign_in(admin, "reader")
    assert "/reassign" not in (await reader.get(f"/conversations/{id}")).text
    await reader.post(f"/conversations/{id}/reassign", form, 404)
    await reader.post(f"/agents/{session}/status", {"status": busy}, 404)
