"""Configuration as files: the round trip, the plan, what is refused and how, and a plan that ends half-way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.served import KEY, Served, served

from interlock.cli.configuration import writing
from interlock.cli.configuration.present import look
from interlock.cli.connection import Connection, Server

Json = dict[str, Any]
CONFIG = """
statuses:
  - {name: Lunch, statusType: unavailable, description: back at two}
queues:
  - {key: orders, name: Orders, priority: 2}
  - {key: vip, name: VIP, itemSize: 3}
teams:
  - {name: Support}
teamRouting:
  - {team: Support, enabled: true, queues: [vip, orders], workItemCapacity: 4}
orgSettings:
  acceptTimeoutSeconds: 45
  timeoutStatus: Lunch
queueRules:
  - name: Gold
    criteria: {and: [{conversation_custom_tierStr: {operator: equals, value: gold}}]}
    queue: vip
  - name: Chats
    criteria: {and: [{conversation_channel: {operator: equals, value: chat}}]}
    queueKey: orders
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("INTERLOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INTERLOCK_KEY", KEY)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with one org."""
    async with served(tmp_path) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder with the configuration above."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "all.yaml").write_text(CONFIG)
    return folder


def edit(config: Path, old: str, new: str) -> None:
    """Change the file."""
    text = (config / "all.yaml").read_text()
    assert old in text
    (config / "all.yaml").write_text(text.replace(old, new))


async def names(server: Served, path: str) -> list[str]:
    """Names of what the API lists, in its order."""
    return [r["attributes"]["name"] for r in (await server.send("GET", path))["data"]]


async def test_plan_apply_and_then_nothing_to_do(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await server.call("diff", "-f", str(config)) == 1
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "+7 ~1 -0"
    assert "  + queue orders" in shown
    assert "      acceptTimeoutSeconds: 30 → 45" in shown
    assert await names(server, "/v1/routing/queue-rules") == []
    assert await server.call("apply", "-f", str(config), "--dry-run") == 0
    assert await names(server, "/v1/routing/queue-rules") == []
    assert await server.call("apply", "-f", str(config)) == 0
    assert "applied +7 ~1 -0" in capsys.readouterr().out
    assert await names(server, "/v1/routing/queue-rules") == ["Gold", "Chats"]
    before = await server.house.store.last_position()
    assert await server.call("apply", "-f", str(config)) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert await server.house.store.last_position() == before
    assert await server.call("diff", "-f", str(config)) == 0


async def test_rules_that_go_and_rules_that_move_in_one_plan(server: Served, config: Path) -> None:
    await server.call("apply", "-f", str(config))
    head, _, rules = (config / "all.yaml").read_text().partition("queueRules:\n")
    new = rules.split("  - name: Chats")[0].replace("Gold", "Silver")
    (config / "all.yaml").write_text(
        head + "queueRules:\n" + new + "  - name: Chats" + rules.split("  - name: Chats")[1]
    )
    assert await server.call("apply", "-f", str(config), "--prune") == 0
    assert await names(server, "/v1/routing/queue-rules") == ["Silver", "Chats"]
    assert await server.call("diff", "-f", str(config), "--prune") == 0


async def test_fields_order_and_targets_change(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await server.call("apply", "-f", str(config))
    capsys.readouterr()
    text = (config / "all.yaml").read_text()
    head, _, rules = text.partition("queueRules:\n")
    gold, chats = rules.split("  - name: Chats")
    swapped = "  - name: Chats" + chats.replace("queueKey: orders", "queue: vip") + gold.replace("gold", "silver")
    (config / "all.yaml").write_text(head + "queueRules:\n" + swapped)
    assert await server.call("apply", "-f", str(config)) == 0
    told = capsys.readouterr().out
    assert told.startswith("+0 ~3 -0")
    assert 'queueKey: "orders" → null' in told
    rules_ = (await server.send("GET", "/v1/routing/queue-rules"))["data"]
    assert [r["attributes"]["name"] for r in rules_] == ["Chats", "Gold"]
    assert "queueKey" not in rules_[0]["attributes"]
    assert await server.call("diff", "-f", str(config)) == 0


async def test_nothing_is_taken_away_unless_asked(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await server.call("apply", "-f", str(config))
    capsys.readouterr()
    (config / "all.yaml").write_text("queueRules: []\nqueues:\n  - {key: orders, name: Orders}\nteamRouting: []\n")
    assert await server.call("apply", "-f", str(config)) == 0
    told = capsys.readouterr()
    assert told.out == "nothing to do\n"
    assert "not listed  queue vip: --prune takes it away" in told.err
    assert await server.call("diff", "-f", str(config)) == 0
    assert await server.call("diff", "-f", str(config), "--prune") == 1
    capsys.readouterr()
    assert await server.call("apply", "-f", str(config), "--prune") == 0
    told = capsys.readouterr()
    for name in ("- queue rule Gold", "- queue rule Chats", "- queue vip", "- routing settings of team Support"):
        assert f"  {name}\n" in told.out
    assert await names(server, "/v1/routing/queue-rules") == []
    assert await names(server, "/v1/routing/queues") == ["Default queue", "Orders"]
    assert await server.call("diff", "-f", str(config), "--prune") == 0
    edit(config, "- {key: orders, name: Orders}", "- {key: vip, name: VIP}")
    await server.call("apply", "-f", str(config))
    assert "VIP" in await names(server, "/v1/routing/queues"), "an archived queue that is listed again is opened again"


WRONG = [
    ("priority: 2", "prioritty: 2", "all.yaml:5: a queue has no prioritty. Did you mean priority?"),
    ("queues:\n  - {key", "queus:\n  - {key", "all.yaml:4: there is no section queus. Did you mean queues?"),
    ("queue: vip", "queue: vipp", "all.yaml:17: there is no queue vipp. Did you mean vip?"),
    ("timeoutStatus: Lunch", "timeoutStatus: Lynch", "all.yaml:13: there is no status Lynch. Did you mean Lunch?"),
    ("{name: Support}", "{icon: star}", "all.yaml:8: this team has no name"),
    ("{name: Support}", "{name: Support, name: Other}", "all.yaml:8: name is said twice"),
    ("{key: vip, name: VIP, itemSize: 3}", "{key: orders, name: VIP}", "all.yaml:6: queue orders is listed twice"),
    ("queueKey: orders", "queueKey: orders\n    queue: vip", "a rule names its queue by queue or by queueKey"),
    ("teams:\n", "teams: [\n", "this is no YAML"),
    ("teams:\n", "teams: &a [*a]\nteams2:\n", "all.yaml:7: a team is written as"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[w[2][:40] for w in WRONG])
async def test_what_cannot_be_is_refused_with_file_and_line(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    before = await server.house.store.last_position()
    edit(config, old, new)
    assert await server.call("apply", "-f", str(config)) == 2
    assert said in capsys.readouterr().err
    assert await server.house.store.last_position() == before


async def test_built_in_and_fixed_fields_stay(server: Served, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await server.call("apply", "-f", str(config))
    edit(config, "{name: Lunch, statusType: unavailable", "{name: Lunch, statusType: busy")
    edit(config, "queues:\n", "queues:\n  - {key: DEFAULT_QUEUE, name: Mine}\n")
    capsys.readouterr()
    assert await server.call("apply", "-f", str(config)) == 2
    told = capsys.readouterr().err
    assert "all.yaml:3: the statusType of status Lunch never changes" in told
    assert "all.yaml:5: queue DEFAULT_QUEUE is built in; its name stays as it is" in told


async def test_the_servers_refusal_says_which_line(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(config, "operator: equals, value: gold", "operator: equalz, value: gold")
    assert await server.call("apply", "-f", str(config), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["what"].startswith("+ queue rule Gold failed: The request cannot be understood.")
    assert "/criteria/and/0/conversation_custom_tierStr/operator" in told["error"]["why"]
    assert "all.yaml:15" in told["error"]["why"]
    assert [s["label"] for s in told["done"]][-1] == "Support"
    assert [s["label"] for s in told["notDone"]] == ["Gold", "Chats"]
    edit(config, "operator: equalz, value: gold", "operator: equals, value: gold")
    assert await server.call("apply", "-f", str(config)) == 0
    assert capsys.readouterr().out.startswith("+2 ~0 -0"), "what was done is not done again"


async def test_a_change_meanwhile_is_refused_with_what_changed(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody renames the queue between the plan and the write, and later changes the order of the rules."""
    await server.call("apply", "-f", str(config))
    edit(config, "priority: 2", "priority: 7")
    loop = asyncio.get_running_loop()
    plain = look

    def meanwhile(connection: Connection) -> Any:
        found = plain(connection)
        asyncio.run_coroutine_threadsafe(change(), loop).result(10)
        return found

    async def change() -> None:
        queue = (await server.send("GET", "/v1/routing/queues?key=orders"))["data"][0]["id"]
        await server.send("PUT", f"/v1/routing/queues/{queue}", {"name": "Parcels"})

    monkeypatch.setattr("interlock.cli.configuration.present.look", meanwhile)
    capsys.readouterr()
    assert await server.call("apply", "-f", str(config)) == 5
    told = capsys.readouterr().err
    assert "~ queue orders failed" in told
    assert "Changed meanwhile: name (rev 2, api," in told
    assert "done: nothing" in told
    queue = (await server.send("GET", "/v1/routing/queues?key=orders"))["data"][0]["attributes"]
    assert (queue["name"], queue["priority"]) == ("Parcels", 2)

    async def turn() -> None:
        ids = [r["id"] for r in (await server.send("GET", "/v1/routing/queue-rules"))["data"]]
        await server.send("PUT", "/v1/routing/queue-rules/order", {"rules": ids[::-1]})

    head, _, rules = (config / "all.yaml").read_text().partition("queueRules:\n")
    gold, chats = rules.split("  - name: Chats")
    (config / "all.yaml").write_text(head + "queueRules:\n  - name: Chats" + chats + gold)
    monkeypatch.setattr("interlock.cli.configuration.present.look", plain)
    await server.call("diff", "-f", str(config))

    def turned(connection: Connection) -> Any:
        found = plain(connection)
        asyncio.run_coroutine_threadsafe(turn(), loop).result(10)
        return found

    monkeypatch.setattr("interlock.cli.configuration.present.look", turned)
    assert await server.call("apply", "-f", str(config)) == 5
    assert "order of the queue rules" in capsys.readouterr().err


@pytest.mark.parametrize("after", [1, 3, 6])
async def test_killed_in_the_middle_it_is_taken_up_again(server: Served, config: Path, after: int) -> None:
    """kill -9 between a commit and its answer: nothing is done twice, and the same command does the rest."""
    env = {**os.environ, "INTERLOCK_KEY": KEY, "INTERLOCK_URL": server.url}
    command = [sys.executable, "-m", "interlock.cli.main", "apply", "-f", str(config)]
    victim = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    written: list[str] = []

    def heard(rows: Any) -> None:
        written.extend(c.type for row in rows for c in row.changes)
        if len(written) == after and victim.returncode is None:
            os.kill(victim.pid, signal.SIGKILL)

    server.house.store.listen(heard)
    assert await victim.wait() == -signal.SIGKILL
    assert after <= len(written) < 8
    again = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    out, _ = await again.communicate()
    assert again.returncode == 0
    assert len(written) == 8, "each record was written once"
    assert out.decode().strip().endswith("-0")
    assert await server.call("diff", "-f", str(config)) == 0


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
KEYS = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,11}", fullmatch=True)
PLAIN = st.sampled_from(["a", "B", "no", "1", "null", "x: y", "# z", " lead", "été", "😀", "two\nlines"]) | WORDS


@st.composite
def configurations(draw: st.DrawFn) -> Json:
    """What an org may have: names twice, queues without keys, text that YAML would read otherwise."""
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    queues = [{"name": draw(PLAIN), "key": key, "priority": draw(st.integers(1, 100))} for key in keys]
    queues += [
        {"name": draw(st.sampled_from(["same", "other"])), "description": draw(PLAIN)}
        for _ in range(draw(st.integers(0, 2)))
    ]
    statuses = draw(st.lists(KEYS, max_size=2, unique=True))
    text = {"operator": draw(st.sampled_from(["equals", "contains"])), "value": draw(PLAIN)}
    test = st.sampled_from([
        {"conversation_name": text},
        {"conversation_messageCount": {"operator": "gt", "value": draw(st.floats(-1e6, 1e6) | st.integers(-9, 9))}},
        {"conversation_channel": {"operator": "in", "value": ["chat", "email"]}},
    ])  # fmt: skip
    some = st.integers(0, len(queues) - 1) if queues else st.none()
    rules = [
        {
            "name": draw(st.sampled_from(["one", "one", "two"])),
            "criteria": {"and": draw(st.lists(test, min_size=1, max_size=2))},
            "queue": draw(some | st.none()),
            "enabled": draw(st.booleans()),
        }
        for _ in range(draw(st.integers(0, 3)))
    ]
    served_by = st.lists(some, max_size=3, unique=True) if queues else st.none()
    teams = [
        {"name": draw(st.sampled_from(["Support", "Sales"])), "queues": draw(served_by | st.none())}
        for _ in range(draw(st.integers(0, 2)))
    ]
    settings_ = {
        "acceptTimeoutSeconds": draw(st.integers(5, 600)),
        "strategy": draw(st.sampled_from(["round-robin", "longest-idle"])),
    }
    return {"queues": queues, "statuses": statuses, "rules": rules, "teams": teams, "settings": settings_}


async def build(server: Served, key: str, drawn: Json) -> None:
    """Make it, through the API."""

    async def post(path: str, body: Json) -> str:
        return (await server.send("POST", path, {n: v for n, v in body.items() if v is not None}, key=key))["data"][
            "id"
        ]

    for name in drawn["statuses"]:
        await post("/v1/routing/statuses", {"name": name, "statusType": "busy"})
    queues = [await post("/v1/routing/queues", q) for q in drawn["queues"]]
    for rule in drawn["rules"]:
        target = (
            {"queue": queues[rule["queue"]]}
            if rule["queue"] is not None
            else {"queueKey": "k.{{conversation.defaultLang}}", "queue": None}
        )
        await post("/v1/routing/queue-rules", {**rule, **target})
    for team in drawn["teams"]:
        id = await post("/v1/teams", {"name": team["name"]})
        if team["queues"] is not None:
            body = {
                "enabled": True,
                "queues": [queues[n] for n in team["queues"]],
                "capacity": {"total": 3, "channels": {"voice": 1}},
            }
            await server.send("PUT", f"/v1/routing/settings/{id}", body, key=key)
    await server.send("PUT", "/v1/routing/org-settings", drawn["settings"], key=key)


async def exported(server: Served, key: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The whole export of an org."""
    monkeypatch.setenv("INTERLOCK_KEY", key)
    return writing.whole(await asyncio.to_thread(lambda: look(Connection(Server(url=server.url)))))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=configurations())
async def test_export_applied_to_an_empty_org_exports_the_same_bytes(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Json
) -> None:
    """The round trip, of whatever an org may have."""
    first, second = await server.org("First"), await server.org("Second")
    await build(server, first, drawn)
    before = await exported(server, first, monkeypatch)
    file = tmp_path / "export.yaml"
    file.write_text(before, encoding="utf-8")
    monkeypatch.setenv("INTERLOCK_KEY", second)
    assert await server.call("apply", "-f", str(file)) == 0
    assert await server.call("diff", "-f", str(file), "--prune") == 0
    assert await exported(server, second, monkeypatch) == before


async def test_export_writes_one_file_a_section_with_comments(
    server: Served, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await server.call("apply", "-f", str(config))
    folder = tmp_path / "out"
    assert await server.call("export", "--to", str(folder)) == 0
    assert sorted(p.name for p in folder.iterdir()) == [
        "org-settings.yaml", "queue-rules.yaml", "queues.yaml", "schedules.yaml", "skill-rules.yaml", "skills.yaml",
        "statuses.yaml", "team-routing.yaml", "teams.yaml",
    ]  # fmt: skip
    text = (folder / "queue-rules.yaml").read_text()
    assert "# Queue rules, first one first" in text
    assert "    queue: vip\n" in text
    capsys.readouterr()
    assert await server.call("diff", "-f", str(folder), "--prune") == 0
    assert await server.call("export") == 0
    whole = capsys.readouterr().out
    assert whole.count("# ") > 10
    file = tmp_path / "file.yaml"
    file.write_text(whole)
    assert await server.call("diff", "-f", str(file), "--prune") == 0


async def placed(server: Served, *channels: str) -> list[str]:
    """Conversations that the rules have placed."""
    made = [(await server.send("POST", "/v1/conversations", {"channels": [c]}))["data"]["id"] for c in channels]
    for id in made:
        await server.ran(id)
    return made


async def test_rules_from_files_are_tried_before_they_are_applied(
    server: Served, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (chat,) = await placed(server, "chat")
    capsys.readouterr()
    assert await server.call("rule", "dry-run", "-f", str(config)) == 0
    told = capsys.readouterr().out
    assert "1 of 1 would have gone elsewhere" not in told, "the queue is not there yet"
    await server.call("apply", "-f", str(config))
    capsys.readouterr()
    assert await server.call("rule", "dry-run", "-f", str(config)) == 0
    told = capsys.readouterr().out
    assert "orders\t0\t1\t1\t0" in told
    assert f"{chat}  DEFAULT_QUEUE → orders: No rule held then; now Chats holds." in told
    assert await server.call("rule", "dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changed"] == 1
    assert await server.call("rule", "evaluate", chat, "-f", str(config)) == 0
    told = capsys.readouterr().out
    assert "✗ 1. Gold: conversation_custom_tierStr equals 'gold' fails, it is None" in told
    assert "✓ 2. Chats: chosen" in told
    edit(config, "operator: equals, value: chat", "operator: equalz, value: chat")
    assert await server.call("rule", "dry-run", "-f", str(config)) == 2
    assert "/rules/1/criteria/and/0/conversation_channel/operator" in capsys.readouterr().err
    assert await server.call("rule", "evaluate", "0" * 24) == 1


MORE = """
schedules:
  - {name: Office, timezone: Europe/Berlin, hours: {'1': [[540, 1020]], '2': [[540, 720], [780, 1020]]},
     holidays: [{date: 2026-12-25, name: Christmas}]}
skills:
  - {name: French, description: spoken}
  - {name: Billing}
queues:
  - {key: orders, name: Orders, schedule: Office, outsideHours: hold}
skillRules:
  - name: French speakers
    criteria: {and: [{conversation_defaultLang: {operator: equals, value: fr}}]}
    skills: [{skill: French, level: 2, mode: preferred}]
  - name: Bills
    criteria: {and: [{conversation_tags: {operator: equals, value: bill}}]}
    skills: [{skill: Billing, mode: preferred}, {skill: French, mode: preferred}]
"""


async def test_schedules_skills_and_skill_rules(
    server: Served, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name each other by name, also inside a list, and come round like the rest."""
    (config / "all.yaml").write_text(MORE)
    assert await server.call("apply", "-f", str(config)) == 0, capsys.readouterr().err
    assert await server.call("diff", "-f", str(config), "--prune") == 0
    before = await exported(server, KEY, monkeypatch)
    assert "skill: French" in before
    assert "schedule: Office" in before
    file = tmp_path / "whole.yaml"
    file.write_text(before)
    other = await server.org()
    monkeypatch.setenv("INTERLOCK_KEY", other)
    assert await server.call("apply", "-f", str(file)) == 0, capsys.readouterr().err
    assert await exported(server, other, monkeypatch) == before
    head, _, rules = MORE.partition("skillRules:\n")
    first, bills = rules.split("  - name: Bills")
    (config / "all.yaml").write_text(head + "skillRules:\n  - name: Bills" + bills + first)
    assert await server.call("apply", "-f", str(config)) == 0
    assert await names(server, "/v1/routing/skill-rules") == ["French speakers", "Bills"], "another org's"
    monkeypatch.setenv("INTERLOCK_KEY", KEY)
    assert await server.call("apply", "-f", str(config)) == 0
    assert await names(server, "/v1/routing/skill-rules") == ["Bills", "French speakers"]
    edit(config, "skill: Billing", "skill: Biling")
    assert await server.call("diff", "-f", str(config)) == 2
    assert "there is no skill Biling. Did you mean Billing?" in capsys.readouterr().err
