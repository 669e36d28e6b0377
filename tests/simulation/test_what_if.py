"""A day under another configuration: what a log says is read exactly, and the rest is production's own code."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.main import run
from interlock.cli.simulate import side_of
from interlock.domain.event import encode, events_of
from interlock.domain.rule import QueueRule, RuleList
from interlock.simulation.arrivals import day_of
from interlock.simulation.compared import told
from interlock.simulation.what_if import WhatIf
from interlock.simulation.world import at_once
from interlock.simulation.yesterday import Gathering, Yesterday, gather, told_by_events, told_by_rows

CONFIG = """
queues:
  - {key: chat, name: Chat, targetSeconds: 60}
  - {key: mail, name: Mail, priority: 5, targetSeconds: 600}
teams:
  - {name: Support}
teamRouting:
  - {team: Support, enabled: true, queues: [chat, mail], workItemCapacity: 2}
"""
RULES = """
queueRules:
  - name: Chats
    criteria: {and: [{conversation_channel: {operator: equals, value: chat}}]}
    queue: chat
  - name: Mails
    criteria: {and: [{conversation_channel: {operator: equals, value: email}}]}
    queue: mail
"""
FRENCH_FIRST = """
queueRules:
  - name: French
    criteria: {and: [{conversation_defaultLang: {operator: equals, value: fr}}]}
    queue: mail
  - name: Chats
    criteria: {and: [{conversation_channel: {operator: equals, value: chat}}]}
    queue: chat
"""


def arrivals(seed: int = 1, every_s: float = 40, hours: float = 2) -> list[str]:
    """A morning's lines."""
    chance, at = random.Random(seed), 9 * 3600.0
    lines = ["time,channel,language"]
    while (at := at + chance.expovariate(1 / every_s)) < (9 + hours) * 3600:
        s = int(at)
        clock = f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
        lines.append(f"{clock},{chance.choice(['chat', 'email'])},{chance.choice(['en', 'fr'])}")
    return lines


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder with queues, a team and rules."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "floor.yaml").write_text(CONFIG)
    (folder / "rules.yaml").write_text(RULES)
    return folder


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Other rules, and nothing else."""
    file = tmp_path / "french.yaml"
    file.write_text(FRENCH_FIRST)
    return file


def lived(config: Path, agents: int = 6, seed: int = 3) -> WhatIf:
    """A day that leaves a log of its own: made from arrivals, as production would have written it."""
    side = side_of(day_of(arrivals(), seed=seed, handle_s=240), config, seed, prune=False)
    side.staff("Support", agents)
    at_once(side.play())
    return side


def recorded(side: WhatIf) -> Yesterday:
    """What its log says."""
    return gather(told_by_rows(side.store.rows))


def test_a_log_says_who_came_what_the_rules_saw_and_how_long_they_waited(config: Path) -> None:
    side = lived(config)
    day = recorded(side)
    assert [(e.at, e.conversation.channel, e.conversation.default_lang) for e in day.entries] == [
        (e.at, e.conversation.channel, e.conversation.default_lang) for e in side.day.entries
    ]
    assert all(e.by_rules and not e.missing for e in day.entries)
    waits = {s.entry.conversation.id: (s.queue, s.waited, s.ended) for s in side.out.stays}
    assert {e.conversation.id: (e.queue, e.waited, e.ended) for e in day.entries} == waits
    assert len(day.turns) == 6
    assert len(day.answers) == side.out.offers
    drawn = {h for hs in side.day.holds.values() for h in hs}
    assert {h for hs in day.holds.values() for h in hs} <= drawn


def test_events_tell_the_same_day_as_rows(config: Path) -> None:
    """All but what events do not show: what sessions may carry, and the conversation's coupled state."""
    side = lived(config)
    lines = [encode(e) for row in side.store.rows for e in events_of(row, published_at=0)]
    by_rows, by_events = recorded(side), gather(told_by_events(lines))

    def shown(day: Yesterday) -> Any:
        return [(e.item, e.at, e.queue, e.by_rules, e.waited, e.held, e.ended, e.missing) for e in day.entries]

    assert shown(by_events) == shown(by_rows)
    assert by_events.answers == by_rows.answers
    rules = RuleList(by_rows.kept(QueueRule))
    assert [e.conversation.default_lang for e in by_events.entries] == [
        e.conversation.default_lang for e in by_rows.entries
    ]
    assert rules is not None
    assert {k: r.with_(id="") for k, r in by_events.config.items()}.keys() == by_rows.config.keys()


def test_the_day_as_it_was_comes_out_nearly_as_it_was(config: Path) -> None:
    """Arrivals and places exactly; waits by chance, but of the same size."""
    day = recorded(lived(config, agents=4))
    again = WhatIf(day, seed=11)
    at_once(again.found())
    at_once(again.play())
    assert [(s.entry.at, s.queue) for s in again.out.stays] == [(e.at, e.queue) for e in day.entries]
    was = sorted(e.waited for e in day.entries if e.ended == "accepted" and e.waited is not None)
    now = sorted(s.waited for s in again.out.stays if s.ended == "accepted" and s.waited is not None)
    assert abs(len(was) - len(now)) <= 5
    assert 0.5 < (1 + now[len(now) // 2]) / (1 + was[len(was) // 2]) < 2


def test_what_moves_is_what_the_rules_say(config: Path, changed: Path) -> None:
    """Held against the rules themselves, asked one by one."""
    day = recorded(lived(config))
    before = side_of(day, None, 5, prune=False)
    after = side_of(day, changed, 5, prune=True)
    for side in (before, after):
        at_once(side.play())
    document = told(day, before, after, seed=5, source="here")
    french = [
        e.conversation.id
        for e in day.entries
        if e.conversation.default_lang == "fr" and e.conversation.channel == "chat"
    ]
    english_mail = [
        e.conversation.id
        for e in day.entries
        if e.conversation.default_lang == "en" and e.conversation.channel == "email"
    ]
    moved = {m["conversation"]: (m["before"], m["after"]) for m in document["moved"]}
    assert moved == {
        **dict.fromkeys(french, ("chat", "mail")),
        **dict.fromkeys(english_mail, ("mail", "DEFAULT_QUEUE")),
    }
    by_key = {q["key"]: q for q in document["queues"]}
    assert by_key["mail"]["in"] == len(french)
    assert by_key["mail"]["out"] == len(english_mail)
    assert by_key["chat"]["recorded"]["items"] - len(french) == by_key["chat"]["after"]["items"]
    assert by_key["DEFAULT_QUEUE"]["after"]["stillWaiting"] == len(english_mail), "no team serves it"


def test_one_seed_is_one_outcome(config: Path) -> None:
    day = recorded(lived(config, agents=3))

    def outcome(seed: int) -> Any:
        side = WhatIf(day, seed=seed)
        at_once(side.found())
        return [(s.entry.item, s.waited) for s in at_once(side.play()).stays]

    assert outcome(1) == outcome(1)
    assert outcome(1) != outcome(2)


def test_more_agents_wait_less_and_are_less_busy(config: Path) -> None:
    few, many = lived(config, agents=3).out, lived(config, agents=8).out

    def waited(out: Any) -> float:
        waits = [s.waited if s.waited is not None else 4 * 3_600_000 for s in out.stays]
        return sum(waits) / len(waits)

    assert waited(few) > 3 * waited(many)
    assert max(few.load.values()) > max(many.load.values())
    assert all(0 < share <= 1 for share in few.load.values())


def test_what_the_log_does_not_have_is_left_out_on_both_sides(config: Path, changed: Path, tmp_path: Path) -> None:
    """One conversation's creation is gone from the events: it is not judged by guess."""
    side = lived(config)
    lost = side.day.entries[3].conversation.id
    lines = [encode(e) for row in side.store.rows for e in events_of(row, published_at=0)]
    kept = [x for x in lines if json.loads(x)["subject"] != f"conversation/{lost}"]
    day = gather(told_by_events(kept))
    assert [e.missing for e in day.entries if e.conversation.id == lost] == [("conversation",)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(kept))
    assert run(["simulate", str(file), "--rules", str(changed), "--json"]) == 0


def test_a_span_keeps_shifts_that_began_before_it(config: Path) -> None:
    side = lived(config)
    middle = side.day.entries[len(side.day.entries) // 2].at
    gathering = Gathering(since=middle)
    for each in told_by_rows(side.store.rows):
        gathering.take(each)
    day = gathering.finished()
    assert len(day.turns) == 6
    assert all(turns[0].at <= middle for turns in day.turns.values())
    assert all(e.at >= middle for e in day.entries)
    assert len(day.entries) == sum(e.at >= middle for e in side.day.entries)


def test_the_command_tells_what_is_exact_and_what_is_simulated(
    config: Path, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = lived(config)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(encode(e) for row in side.store.rows for e in events_of(row, published_at=0)))
    assert run(["simulate", str(file), "--rules", str(changed), "--prune", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["leftOut"] == 0
    assert len(document["moved"]) > 10
    assert any("arrivals" in text for text in document["exact"])
    assert any("drawn from" in text for text in document["simulated"])
    assert {s for q in document["queues"] for s in q} >= {"recorded", "before", "after"}
    assert run(["simulate", str(file), "--rules", str(changed), "--prune"]) == 0
    told_ = capsys.readouterr()
    assert "items go elsewhere" in told_.out
    assert "chat\tafter\t" in told_.out
    assert "exact" in told_.err
    assert "seed       7" in told_.err


BAD = [
    ("x.csv", "when,what\n", "the columns time and channel are needed"),
    ("x.csv", "time,channel\n09:00,pigeon\n", "line 2: 'pigeon' is no channel"),
    ("x.csv", "time,channel\nnoon,chat\n", "line 2:"),
    ("x.csv", "time,channel\n", "there are no arrivals"),
    ("x.jsonl", '{"a": 1}\n', "line 1 is no event of Interlock"),
    ("x.jsonl", "not json\n", "line 1 is no event of Interlock"),
    ("x.jsonl", "", "nobody came into a queue"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD, ids=[b[2][:30] for b in BAD])
def test_files_that_are_no_log(
    name: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert run(["simulate", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err


def test_a_day_needs_somebody_to_work(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "day.csv").write_text("\n".join(arrivals(hours=0.2)))
    given = ["simulate", str(tmp_path / "day.csv"), "--rules", str(config)]
    assert run(given) == 2
    assert "--agents TEAM=N" in capsys.readouterr().err
    assert run([*given, "--agents", "Sales=3"]) == 2
    assert "there is no team Sales" in capsys.readouterr().err
    assert run([*given, "--agents", "many"]) == 2
    assert run([*given, "--from", "yesterday"]) == 2
    assert run([*given, "--agents", "Support=3", "--json"]) == 0
