"""The console as an ASGI application over a house in memory: doors, roles, forms, twins, tags, files."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import httpx
from tests.worlds import Client, Floor, House, settled

import interlock.console
from interlock.api.app import operations
from interlock.console.app import Console
from interlock.console.asked import Who
from interlock.console.pages import ROUTES
from interlock.console.rendering import RAIL
from interlock.console.statics import Statics
from interlock.domain.assignment import Actor, Coupled
from interlock.domain.decision import Decision, Provenance, Why, Write, birth
from interlock.domain.log import entry_of
from interlock.domain.work_item import PassHead, QueuePass, WorkItem
from interlock.ports import Commit, Query, World
from interlock.service import orgs

ROOM = Path(interlock.console.__file__).parent
HTMX = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"


class Browser:
    """Somebody with a cookie jar, who sends forms as a page would."""

    def __init__(self, house: House) -> None:
        api: Any = house.app
        transport = httpx.ASGITransport(app=Console(api), raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test:8080", trust_env=False)
        self.csrf = ""
        self.sent = 0

    async def sign_in(self, admin: Client, role: str, **more: Any) -> Browser:
        """With a fresh link, as anybody does."""
        made = await admin.post("/v1/sign-in-links", {"role": role, "name": "Ana", **more})
        answer = await self.http.get(made["meta"]["path"])
        assert answer.status_code == 303, answer.text
        self.csrf = Who(secret=next(iter(self.http.cookies.jar)).value or "").csrf
        return self

    async def get(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        """A page."""
        answer = await self.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:2000]}"
        return answer

    async def post(self, path: str, form: dict[str, str], status: int = 303, **headers: str) -> httpx.Response:
        """A form, with its token."""
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        self.sent += 1
        body = {"csrf": self.csrf, "once": f"form-{self.sent}", **form}
        answer = await self.http.post(path, data=body, headers=given)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:2000]}"
        return answer


async def waiting(admin: Client, floor: Floor, house: House) -> str:
    """A conversation that waits."""
    made = await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    return made["data"]["id"]


async def test_whoever_is_not_signed_in_is_led_to_the_door(house: House) -> None:
    somebody = Browser(house)
    answer = await somebody.get("/queues?show=late", 303)
    assert answer.headers["location"] == "/sign-in?next=%2Fqueues%3Fshow%3Dlate"
    part = await somebody.get("/queues?region=table", 401, hx_request="true")
    assert part.headers["hx-retarget"] == "#notice", "a sign-in page never lands in a table cell"
    assert (await somebody.get("/sign-in")).headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_link_signs_in_once_and_never_from_another_site(house: House, admin: Client) -> None:
    made = await admin.post("/v1/sign-in-links", {"role": "reader"})
    path = made["meta"]["path"]
    led = await Browser(house).get(path, sec_fetch_site="cross-site")
    assert "Sign in with this link" in led.text
    somebody = Browser(house)
    answer = await somebody.get(path, 303)
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    assert said.startswith("interlock_8080=")
    assert "Secure" not in said
    await Browser(house).get(path, 401)


async def test_over_tls_the_cookie_is_secure_and_next_stays_here(house: House, admin: Client) -> None:
    made = await admin.post("/v1/sign-in-links", {"role": "reader"})
    answer = await Browser(house).get(made["meta"]["path"] + "&next=//evil.example/", 303, x_forwarded_proto="https")
    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["location"] == "/"


async def test_what_a_role_lacks_is_neither_rendered_nor_served(house: House, admin: Client, floor: Floor) -> None:
    await waiting(admin, floor, house)
    reader = await Browser(house).sign_in(admin, "reader")
    page = (await reader.get("/queues")).text
    assert "Orders" in page
    assert "/pause" not in page
    assert "/inbox" not in page
    await reader.get(f"/queues/{floor.queue}/pause", 404)
    await reader.post(f"/queues/{floor.queue}/pause", {}, 404)
    await reader.get("/inbox", 404)
    supervisor = await Browser(house).sign_in(admin, "supervisor")
    assert f"/queues/{floor.queue}/pause" in (await supervisor.get("/queues")).text
    assert f"/queues/{floor.queue}/pause" not in (await supervisor.get("/queues?wall=1")).text


async def test_a_form_from_elsewhere_is_refused(house: House, admin: Client, floor: Floor) -> None:
    somebody = await Browser(house).sign_in(admin, "supervisor")
    path = f"/queues/{floor.queue}/pause"
    await somebody.post(path, {}, 403, sec_fetch_site="cross-site")
    await somebody.post(path, {}, 403, sec_fetch_site="same-site")
    await somebody.post(path, {}, 403, origin="http://evil.example")
    await somebody.post(path, {"csrf": "0" * 32}, 403)
    assert (await admin.get(f"/v1/routing/queues/{floor.queue}"))["data"]["attributes"].get("paused") is None
    await somebody.post(path, {"note": "lunch"}, sec_fetch_site="same-origin", origin="http://test:8080")
    paused = (await admin.get(f"/v1/routing/queues/{floor.queue}"))["data"]["attributes"]["paused"]
    assert (paused["by"], paused["reason"]) == ("Ana", "lunch")


async def test_acts_say_what_they_do_in_numbers_and_are_signed(house: House, admin: Client, floor: Floor) -> None:
    for _ in range(3):
        await waiting(admin, floor, house)
    await floor.sign_in(0)
    await settled(house)
    other = (await admin.post("/v1/routing/queues", {"name": "Returns", "key": "returns"}))["data"]["id"]
    somebody = await Browser(house).sign_in(admin, "supervisor")
    asked = (await somebody.get(f"/queues/{floor.queue}/move")).text
    assert "Moves 2 items; 1 is offered and stays with the offer." in asked
    await somebody.post(f"/queues/{floor.queue}/move", {"to": other})
    await settled(house)
    told = (await admin.get("/v1/routing/overview"))["data"]["attributes"]["queues"]
    assert {q["name"]: q["waiting"] for q in told} == {"Orders": 1, "Returns": 2}
    log = (await admin.get(f"/v1/routing/queues/{other}/work-items"))["data"][0]
    conversation = log["relationships"]["resource"]["data"]["id"]
    decisions = (await admin.get(f"/v1/conversations/{conversation}/decisions"))["data"]
    assert decisions[-1]["attributes"]["actor"]["class"] == "person" or any(
        d["attributes"]["actor"]["class"] == "person" for d in decisions
    )


async def test_every_wait_is_explained_in_words(house: House, admin: Client, floor: Floor) -> None:
    id = await waiting(admin, floor, house)
    somebody = await Browser(house).sign_in(admin, "reader")
    page = await somebody.get(f"/queues?open={floor.queue}")
    assert id in page.text
    assert "NO_AGENT_SIGNED_IN" in page.text
    await admin.post(f"/v1/routing/queues/{floor.queue}/pause", {"reason": "lunch"}, status=200)
    page = await somebody.get(f"/queues?open={floor.queue}&region=table")
    assert "QUEUE_PAUSED" in page.text
    assert "lunch" in page.text
    assert "UNKNOWN" not in page.text


async def test_ten_thousand_waiting_are_explained_by_their_reasons(house: House, admin: Client, floor: Floor) -> None:
    """The first fifty, and how many wait for which reason; ten times as many do not cost ten times as much."""
    somebody = await Browser(house).sign_in(admin, "supervisor")
    took: dict[int, float] = {}
    for upto in (1_000, 10_000):
        await wait_for(house.world, floor.queue, upto)
        await somebody.get("/queues")
        took[upto] = min([await timed(somebody, f"/queues?open={floor.queue}") for _ in range(3)])
    page = (await somebody.get(f"/queues.json?open={floor.queue}")).json()
    assert next(q["waiting"] for q in page["queues"] if q["id"] == floor.queue) == 10_000
    assert [(c["code"], c["count"]) for c in page["why"]["counts"]] == [("NO_AGENT_SIGNED_IN", 10_000)]
    assert len(page["why"]["items"]) == 50
    text = (await somebody.get(f"/queues?open={floor.queue}&region=table")).text
    assert len(text) < 20_000, len(text)
    assert "1 to 50 of 10,000" in text
    last = (await somebody.get(f"/queues.json?open={floor.queue}&page=200")).json()["why"]
    assert [i["position"] for i in last["items"]] == list(range(9_951, 10_001))
    assert {i["because"] for i in last["items"]} == {"NO_AGENT_SIGNED_IN"}
    assert not last["more"]
    tag = (await somebody.get(f"/queues?open={floor.queue}&region=table")).headers["etag"]
    house.clock.pass_ms(5_000)
    await somebody.get(f"/queues?open={floor.queue}&region=table", 304, if_none_match=tag)
    await somebody.get(f"/queues?open={floor.queue}&page=2&region=table", 200, if_none_match=tag)
    other = await Browser(house).sign_in(admin, "reader")
    await other.get(f"/queues?open={floor.queue}&region=table", 200, if_none_match=tag)
    assert took[10_000] < 5 * took[1_000] + 0.05, took


async def timed(somebody: Browser, path: str) -> float:
    """Processor time of one page, in seconds."""
    began = time.process_time()
    await somebody.get(path)
    return time.process_time() - began


async def wait_for(world: World, queue: str, upto: int) -> None:
    """So many items wait in a queue, as if they had come one after the other."""
    org = (await orgs.all_orgs(world))[0].id
    have = len(await world.store.find(Query(name="waiting", org=org, type=WorkItem.TYPE, queue=queue, limit=upto)))
    by, now = Provenance(org, Actor("system", "system", "system"), "bulk"), world.clock.now()
    for first in range(have, upto, 500):
        writes: list[Write] = []
        for n in range(first, min(first + 500, upto)):
            p, w, c = (f"69a5519{kind}{n:016x}" for kind in "012")
            head = PassHead(entered_queue_at=now + n)
            writes.append(birth(QueuePass(id=p, org=org, work_item=w, queue=queue, entered_queue_at=now + n)))
            item = WorkItem(
                id=w, org=org, status="queued", queue=queue, pass_=p, resource=c, channel="chat", last_revision=head,
                updated_at=now, coupled=Coupled(),
            )  # fmt: skip
            writes.append(birth(item))
        decision = Decision(partition=queue, why=Why(direction="system", kind="change"), writes=tuple(writes))
        entry = entry_of(decision, world.ids.fresh(), by, now, ())
        await world.store.commit(Commit(entry=entry, writes=decision.writes))


async def test_twins_show_the_same_answer_and_tags_spare_the_way(house: House, admin: Client, floor: Floor) -> None:
    id = await waiting(admin, floor, house)
    somebody = await Browser(house).sign_in(admin, "supervisor")
    for path in ("/queues", "/conversations", f"/conversations/{id}", "/incidents", "/rules", "/proof", "/system"):
        twin = await somebody.get(path + ".json")
        assert twin.headers["content-type"] == "application/json"
        assert twin.json()
        page = await somebody.get(path)
        assert page.headers["cache-control"] == "private, no-cache"
    part = await somebody.get("/queues?region=agents", hx_request="true")
    assert "<html" not in part.text
    await somebody.get("/queues?region=agents", 304, hx_request="true", if_none_match=part.headers["etag"])
    await somebody.get("/queues?region=../sign_in", 200)


async def test_ids_of_another_org_lead_nowhere(house: House, admin: Client, floor: Floor) -> None:
    id = await waiting(admin, floor, house)
    key = "ilk_" + "b" * 64
    await house.found("Other", key)
    stranger = await Browser(house).sign_in(house.client(key), "supervisor")
    await stranger.get(f"/conversations/{id}", 404)
    assert id not in (await stranger.get(f"/jump?q={id}")).text.replace(f"“{id}”", "").replace(f"q={id}", "")
    assert floor.queue not in (await stranger.get("/queues")).text


async def test_the_timeline_shows_both_records_and_every_decision(house: House, admin: Client, floor: Floor) -> None:
    id = await waiting(admin, floor, house)
    await floor.sign_in(0)
    await settled(house)
    offer = (await floor.agent(0).get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    await floor.agent(0).post(f"/v1/routing/reservations/{offer}/accept", status=200)
    await settled(house)
    house.clock.pass_ms(20_000)
    somebody = await Browser(house).sign_in(admin, "reader")
    told = (await somebody.get(f"/conversations/{id}.json")).json()
    assert told["verdict"]["title"] == "In step, every change explained"
    assert told["heads"]["differing"] == []
    assert told["heads"]["conversation"]["userNames"] == ["Agent 0"]
    assert told["count"] == len((await admin.get(f"/v1/conversations/{id}/decisions"))["data"])
    first = (await somebody.get(f"/conversations/{id}.json?at=1")).json()
    assert first["heads"]["work_item"] is None
    assert first["heads"]["conversation"]["users"] == []
    found = (await somebody.get(f"/conversations/{id}.json?q=accepted")).json()
    assert [r["card"]["title"] for r in found["rows"]] == ["Agent 0 accepted"]
    for density in ("story", "records", "everything"):
        await somebody.get(f"/conversations/{id}?density={density}&order=clock")


async def test_the_incident_reaches_its_verdict_and_repairs_can_be_undone(house: House, admin: Client) -> None:
    somebody = await Browser(house).sign_in(admin, "reader")
    made = await somebody.post("/investigate", {"sample": "1"})
    path = made.headers["location"]
    page = (await somebody.get(path)).text
    assert "Lost assignment: a sync wrote a field that its source had not changed" in page
    assert "should not have applied" in page
    repairs = (await somebody.get(path + ".json")).json()["repairs"]["all"]
    again = await somebody.post(f"{path}/again", {"input": "0", "line": str(repairs[0]["line"])})
    told = (await somebody.get(again.headers["location"].partition("#")[0] + ".json")).json()
    assert len(told["repairs"]["all"]) < len(repairs)
    assert "# Broken" in (await somebody.get(f"{path}/report")).text
    compile((await somebody.get(f"{path}/test")).text, "test", "exec")
    refused = await somebody.post("/investigate", {"text": ""}, 422)
    assert "Send text, or files." in refused.text


async def test_text_of_a_log_is_text(house: House, admin: Client) -> None:
    somebody = await Browser(house).sign_in(admin, "reader")
    evil = '{"name": "a", "id": "<script>alert(1)</script>", "rev": 2, "data": {"x": "</script><img src=x onerror=1>"}}'
    made = await somebody.post("/investigate", {"text": evil})
    page = (await somebody.get(made.headers["location"])).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page


async def test_rules_are_tried_before_they_are_saved(house: House, admin: Client, floor: Floor) -> None:
    ids: list[str] = []
    await admin.post("/v1/routing/queues", {"name": "Returns", "key": "returns"})
    for name, key in (("First", "orders"), ("Second", "returns")):
        criteria = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}
        rule = {"name": name, "criteria": criteria, "queueKey": key}
        ids.append((await admin.post("/v1/routing/queue-rules", rule))["data"]["id"])
    await admin.post("/v1/conversations", {"channels": ["chat"]})
    await settled(house)
    somebody = await Browser(house).sign_in(admin, "supervisor")
    draft = f"-{ids[0]},{ids[1]}"
    told = (await somebody.get(f"/rules.json?draft={draft}")).json()
    assert told["changed"] == ["First is switched off"]
    queues = {q["name"]: (q["before"], q["after"]) for q in told["tried"]["queues"]}
    assert (queues["Orders"], queues["Returns"]) == ((1, 0), (0, 1))
    assert [r["attributes"]["enabled"] for r in (await admin.get("/v1/routing/queue-rules"))["data"]] == [True, True]
    await somebody.post("/rules", {"draft": draft, "revs": "of another day"}, 412)
    await somebody.post("/rules", {"draft": draft, "revs": told["revs"]})
    assert [r["attributes"]["enabled"] for r in (await admin.get("/v1/routing/queue-rules"))["data"]] == [False, True]


async def test_the_loser_of_a_race_is_told_who_won(house: House, admin: Client, floor: Floor) -> None:
    await waiting(admin, floor, house)
    await floor.sign_in(0)
    await settled(house)
    agent = await Browser(house).sign_in(admin, "agent", user=floor.agents[0])
    offer = (await agent.get("/inbox.json")).json()["offer"]
    item = (await admin.get("/v1/routing/work-items"))["data"][0]
    taken = {"assignedTo": floor.agents[1], "rev": item["attributes"]["rev"]}
    await admin.put(f"/v1/routing/work-items/{item['id']}", taken)
    house.clock.pass_ms(200)
    lost = await agent.post(f"/inbox/offers/{offer['id']}/accept", {}, 409, hx_request="true")
    assert "Agent 1 was first, 200 ms earlier." in lost.text


async def test_static_files_have_their_hash_in_the_name(house: House) -> None:
    somebody, statics = Browser(house), Statics()
    for name in statics.names:
        answer = await somebody.get(statics.url(name))
        assert "immutable" in answer.headers["cache-control"]
    await somebody.get("/static/console.css", 404)
    script = (await somebody.get(statics.url("console.js"))).text
    for imported in re.findall(r'"\./([^"]+)"', script):
        await somebody.get(f"/static/{imported}")


def test_htmx_is_the_one_that_is_written_down() -> None:
    """Byte for byte the package's file, and the page beside it says which."""
    body = (ROOM / "static/vendor/htmx-4.0.1.min.js").read_bytes()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (37_448, HTMX)
    assert HTMX in (ROOM / "static/vendor/VENDORED.md").read_text()
    assert "Zero-Clause BSD" in (ROOM / "static/vendor/htmx-LICENSE").read_text()


def test_templates_trust_nothing() -> None:
    """No markup is taken as safe, nothing is inline that the policy would refuse."""
    for path in sorted((ROOM / "templates").rglob("*.html")):
        text = path.read_text()
        for refused in ("|safe", "| safe", "autoescape false", "style=", "hx-on", "javascript:", "<script>", "http://"):
            assert refused not in text, f"{path.name}: {refused}"
        assert not re.search(r"\son[a-z]+=", text), path.name


def test_modules_are_small_and_vendored_files_are_named() -> None:
    for path in sorted((ROOM / "static").glob("*.js")):
        assert len(path.read_text().splitlines()) < 200, path.name
    written = (ROOM / "static/vendor/VENDORED.md").read_text()
    assert all(p.name in written or p.name == "VENDORED.md" for p in (ROOM / "static/vendor").iterdir())


def test_pages_need_operations_that_there_are() -> None:
    """A mistyped name would hide a page from everybody."""
    known = {o.id for o in operations()}
    needed = {n for r in ROUTES for n in r.needs} | {n for entry in RAIL for n in entry[3]}
    assert needed <= known
    text = "".join(p.read_text() for p in (ROOM / "templates").rglob("*.html"))
    assert set(re.findall(r'who\.may\("(\w+)"\)', text)) <= known


def test_the_sample_and_the_proof_are_of_this_version() -> None:
    """The sample is the project's example; the proof names the scenarios and mutants that there are."""
    import json

    from interlock.simulation.mutants import MUTANTS
    from interlock.simulation.scenarios import SCENARIOS

    example = Path(__file__).parents[2] / "examples" / "incident.md"
    assert (ROOM / "incident.md").read_bytes() == example.read_bytes()
    proof = json.loads((ROOM / "proof.json").read_text())
    assert {s["name"] for s in proof["scenarios"]} == {"core", *(s.name for s in SCENARIOS)}
    assert {m["name"] for m in proof["mutants"]} == {m.name for m in MUTANTS}
