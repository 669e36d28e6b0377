"""Queue rules: how fast they are judged, and how long a dry run takes. `python bench/rules.py [--conversations N]`.

    judged       rules judged a second by compiled criteria, on facts in memory, 20 rules of 1 to 3 conditions
    interpreted  the same conditions found, typed and tried anew each time, as without the compiled form
    bare         the same tests written by hand as one Python expression a rule: the floor of this interpreter
    dry run      a list of rules over conversations of the past in a SQLite file: read, rebuilt, judged, counted

Every conversation of the dry run has the rows it has in real life up to the rules (created with a message, its item,
the rules' run) and as many again afterwards. Processor time, medians of the rounds; trust the ratios. Most of a run's
time is spent on making the past, about a minute for 100,000 conversations; `wall_s` is what a supervisor waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from interlock.domain.conversation import Conversation, MessageMark
from interlock.domain.criteria import check_each
from interlock.domain.facts import Facts
from interlock.domain.message import Message
from interlock.domain.rule import QueueRule, RuleList, compile_rule
from interlock.ports import World, in_turn
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.service import dry_runs, orgs
from interlock.store.sqlite import SqliteStore
from rules_past import Past, queues_of

CHANNELS = ("chat", "email", "voice", "sms", "whatsapp")
LANGUAGES = ("en", "fr", "de", "es")
Json = dict[str, Any]


def rules_of(org: str, customer: bool = False) -> list[QueueRule]:
    """Twenty rules as real ones are: a channel, a language, a custom attribute, a number; 1 to 3 conditions each."""
    made = []
    for n in range(20):
        tests: list[Json] = [{"conversation_channel": {"operator": "equals", "value": CHANNELS[n % 5]}}]
        if n % 2:
            tests.append({"conversation_defaultLang": {"operator": "in", "value": [LANGUAGES[n % 4], "it"]}})
        if n % 3 == 2:
            tests.append({"conversation_custom_tierStr": {"operator": "equals", "value": f"tier {n}"}})
        if customer and n == 19:
            tests = [{"customer_conversationsCount": {"operator": "gt", "value": 3}}]
        made.append(QueueRule(
            id=f"rule-{n:02d}", org=org, name=f"Rule {n}", criteria={"and": tests}, position=n + 1,
            queue_key=f"q{n % 5}",
        ))  # fmt: skip
    return made


def facts(n: int) -> Facts:
    """What a conversation of the past looks like; most hold for no rule but a late one."""
    c = Conversation(
        id=f"{n:024x}", org="o", channels=(CHANNELS[n % 5],), default_lang=LANGUAGES[n * 7 % 4],
        custom={"tierStr": f"tier {n % 40}"}, message_count=1,
        first_message_in=MessageMark(id="m", sent_at=1, created_at=1),
    )  # fmt: skip
    return Facts(c, None, Message(id="m", org="o", channel="chat"), 1_772_442_000_000)


def by_hand(rules: list[QueueRule], all_facts: list[Facts]) -> Callable[[], int]:
    """The same rules as expressions."""
    source = []
    for r in rules:
        tests = []
        for condition in r.criteria["and"]:
            [(field, test)] = condition.items()
            value = test["value"]
            if field == "conversation_channel":
                tests.append(f"{value!r} in c.channels")
            elif field == "conversation_defaultLang":
                tests.append(f"c.default_lang in {tuple(value)!r}")
            else:
                tests.append(f"str(c.custom.get('tierStr')).casefold() == {value!r}")
        source.append(f"lambda c: {' and '.join(tests)}")
    made = [eval(s) for s in source]

    def run() -> int:
        judged = 0
        for f in all_facts:
            for each in made:
                judged += 1
                if each(f.conversation):
                    break
        return judged

    return run


def compiled(rules: list[QueueRule], all_facts: list[Facts]) -> Callable[[], int]:
    """The rules as the program runs them: first match wins; only rules that were judged are counted."""
    ready = RuleList(rules)
    return lambda: sum(len(ready.first(f).tried) for f in all_facts)


def interpreted(rules: list[QueueRule], all_facts: list[Facts]) -> Callable[[], int]:
    """The same without anything kept: each condition is read, typed and compiled for each conversation."""

    def run() -> int:
        judged = 0
        for f in all_facts:
            for r in rules:
                judged += 1
                if all(c.holds for c in check_each(r.criteria, "and", f)):
                    break
        return judged

    return run


def rate(run: Callable[[], int]) -> float:
    """Rules a second of processor time."""
    began = time.process_time()
    judged = run()
    return judged / (time.process_time() - began)


def judging(rounds: int) -> dict[str, float]:
    """Medians of all three, in turns."""
    rules, many = rules_of("o"), [facts(n) for n in range(5_000)]
    for r in rules:
        compile_rule(r)
    loops = {
        "judged": compiled(rules, many),
        "interpreted": interpreted(rules, many[:300]),
        "bare": by_hand(rules, many),
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, run in loops.items():
            found[name].append(rate(run))
    return {name: statistics.median(values) for name, values in found.items()}


async def past(folder: Path, conversations: int, rounds: int) -> Json:
    """A store with a past, and dry runs over it: with rules that look at the conversation, and at the customer too."""
    clock, path = SystemClock(), folder / "past.db"
    store = SqliteStore.open(path, clock)
    world = World(store, None, clock, RandomIds(clock), in_turn)  # pyright: ignore[reportArgumentType]
    row = (await orgs.found(world, "Bench", key="ilk_" + "0" * 64)).row
    org, queues = row.org, await queues_of(world, row.org, row.by)
    first = await store.last_position() + 1
    await store.close()
    Past(world, org, queues).write(path, conversations, first=first)
    store = SqliteStore.open(path, clock)
    world = msgspec.structs.replace(world, store=store)
    out: Json = {"rows": await store.last_position(), "bytes": path.stat().st_size}
    for name, customer in (("dry_run_s", False), ("dry_run_with_customers_s", True)):
        rules = [r.with_(queue=queues[n % len(queues)], queue_key=None) for n, r in enumerate(rules_of(org, customer))]
        spans: list[tuple[float, float]] = []
        told: Json = {}
        for _ in range(rounds):
            span = dry_runs.Span(last=conversations, until=clock.now() + 10**9)
            began, cpu = time.perf_counter(), time.process_time()
            told = await dry_runs.try_out(world, org, rules, span, items_max=100)
            spans.append((time.process_time() - cpu, time.perf_counter() - began))
        assert told["runs"] == conversations, told["leftOut"]
        assert 0 < told["changed"] <= conversations
        out[name] = statistics.median(cpu for cpu, _ in spans)
        out[f"{name.removesuffix('_s')}_wall_s"] = statistics.median(wall for _, wall in spans)
        out[f"{name.removesuffix('_s')}_changed"] = told["changed"]
    await store.close()
    return out


def main() -> None:
    """Measure, and print figures and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    rates = judging(max(3, given.rounds))
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        figures = asyncio.run(past(Path(folder), given.conversations, given.rounds))
    told = {
        "rules_per_s": {name: round(value) for name, value in rates.items()},
        "ratios": {
            "judged/interpreted": round(rates["judged"] / rates["interpreted"], 2),
            "judged/bare": round(rates["judged"] / rates["bare"], 2),
        },
        "conversations": given.conversations,
        **{k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()},
        "goals": {
            "500,000 rules/s": rates["judged"] >= 500_000,
            "100,000 conversations in 5 s": figures["dry_run_s"] * 100_000 / given.conversations < 5,
        },
    }
    if given.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
