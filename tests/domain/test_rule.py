"""Queue rules: the first that holds wins, what was tried is told, and a target that is not there passes a rule over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.decision import Tried
from interlock.domain.errors import InvalidCombination, InvalidValue, Malformed
from interlock.domain.facts import Facts
from interlock.domain.message import Message
from interlock.domain.queue import DEFAULT_KEY, Queue
from interlock.domain.rule import (
    CRITERIA_INVALID,
    RULE_TARGET_UNKNOWN,
    QueueRule,
    check_rule,
    compile_rule,
    first_match,
    next_match,
    render,
)

C = Conversation(id="c", org="o", channels=("chat",), default_lang="de", priority=4, custom={"areaStr": "x", "n": None})
FACTS = Facts(
    C,
    Customer(id="k", org="o", name="Ana", emails=({"email": "a@example.com"},)),
    Message(id="m", org="o", channel="chat", app="web"),
    5,
)


def when(name: str, value: Any, operator: str = "equals") -> dict[str, Any]:
    """A condition."""
    return {name: {"operator": operator, "value": value}}


CHAT, EMAIL = when("conversation_channel", "chat"), when("conversation_channel", "email")
GERMAN, FRENCH = when("conversation_defaultLang", "de"), when("conversation_defaultLang", "fr")


def rule(id: str, ands: list[Any], ors: list[Any] | None = None, **fields: Any) -> QueueRule:
    """A rule that leads to a queue of its own name."""
    target = {} if "queue_key" in fields else {"queue": f"q-{id}"}
    position = int(id) if id.isdigit() else 1
    criteria = {"and": ands, "or": ors or []}
    return QueueRule(id=id, org="o", name=id, criteria=criteria, **{"position": position, **target, **fields})


@pytest.mark.parametrize(
    ("ands", "ors", "failed"),
    [
        ([CHAT], [], ""),
        ([CHAT, GERMAN], [], ""),
        ([CHAT, FRENCH, EMAIL], [], "conversation_defaultLang"),
        ([EMAIL, FRENCH], [], "conversation_channel"),
        ([], [FRENCH, CHAT], ""),
        ([], [FRENCH, EMAIL], "conversation_defaultLang"),
        ([CHAT], [EMAIL, GERMAN], ""),
        ([CHAT], [EMAIL, FRENCH], "conversation_channel"),
        ([FRENCH], [CHAT], "conversation_defaultLang"),
        ([], [], CRITERIA_INVALID),
        ([{"no_such_field": {"operator": "set"}}], [], CRITERIA_INVALID),
    ],
)
def test_when_a_rule_holds_and_what_is_noted_if_not(ands: list[Any], ors: list[Any], failed: str) -> None:
    match = first_match([rule("1", ands, ors)], FACTS)
    assert match.tried == (Tried("1", 1, failed),)
    assert (match.rule is not None) == (not failed)
    assert match.queue == (None if failed else "q-1")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8), st.randoms(use_true_random=False))
def test_the_first_enabled_rule_that_holds_wins_whatever_order_they_come_in(
    rules: list[tuple[bool, bool]], chance: Any
) -> None:
    listed = [rule(str(i + 1), [CHAT if holds else EMAIL], enabled=enabled) for i, (enabled, holds) in enumerate(rules)]
    winner = next((str(i + 1) for i, (enabled, holds) in enumerate(rules) if enabled and holds), None)
    until = [r.id for r in listed if r.enabled and (winner is None or int(r.id) <= int(winner))]
    chance.shuffle(listed)
    match = first_match(listed, FACTS)
    assert (match.rule.id if match.rule else None) == winner
    assert [t.rule for t in match.tried] == until
    assert [t.failed for t in match.tried] == [
        "" if t.rule == winner else "conversation_channel" for t in match.tried
    ]  # fmt: skip


def test_a_missing_target_passes_the_rule_over_and_the_next_one_is_asked() -> None:
    rules = [rule("1", [EMAIL]), rule("2", [CHAT]), rule("3", [FRENCH]), rule("4", [CHAT])]
    first = first_match(rules, FACTS)
    second = next_match(rules, FACTS, first)
    third = next_match(rules, FACTS, second)
    assert (first.queue, second.queue, third.rule) == ("q-2", "q-4", None)
    assert [(t.rule, t.failed) for t in third.tried] == [
        ("1", "conversation_channel"), ("2", RULE_TARGET_UNKNOWN), ("3", "conversation_defaultLang"),
        ("4", RULE_TARGET_UNKNOWN),
    ]  # fmt: skip
    assert second.tried[-1].failed == ""


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("chat", "chat"),
        ("chat.{{conversation.defaultLang}}", "chat.de"),
        ("{{ conversation.priority }}-{{message.app}}", "4-web"),
        ("{{conversation.custom.areaStr}}", "x"),
        ("{{conversation.channels.0}}", "chat"),
        ("{{customer.emails.0.email}}", "a@example.com"),
        ("{{conversation.ended}}", "false"),
        ("{plain}", "{plain}"),
        ("{{conversation.custom.n}}", None),
        ("{{conversation.custom.missing}}", None),
        ("{{conversation.channels.7}}", None),
        ("{{conversation.channels}}", None),
        ("{{conversation.name}}", None),
        ("{{conversation.coupled}}", None),
        ("{{conversation.nothing}}", None),
        ("{{queue.key}}", None),
        ("{{1 + 1}}", None),
    ],
)
def test_templates(template: str, key: str | None) -> None:
    assert render(template, FACTS) == key
    match = first_match([rule("1", [CHAT], queue_key=template)], FACTS)
    assert match.queue_key == key
    assert match.tried == (Tried("1", 1, "" if key else RULE_TARGET_UNKNOWN),)


def test_what_is_filled_in_is_text_and_never_a_template_again() -> None:
    tricky = Facts(C.with_(default_lang="{{conversation.priority}}"), None, None, 0)
    assert render("chat.{{conversation.defaultLang}}", tricky) == "chat.{{conversation.priority}}"
    assert render("{{message.app}}", tricky) is None


def test_a_template_cannot_be_talked_into_the_default_queue() -> None:
    facts = Facts(C.with_(default_lang=DEFAULT_KEY), None, None, 0)
    assert first_match([rule("1", [CHAT], queue_key="{{conversation.defaultLang}}")], facts).rule is None


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{conversation.defaultLang", "without its"),
        ("conversation.defaultLang}}", "without its"),
        ("{{ {{conversation.defaultLang}} }}", "inside another"),
        ("{{}}", "no path"),
        ("{{1 + 1}}", "no path"),
        ("{{conversation.defaultLang | lower}}", "no path"),
        ("{{conversation['defaultLang']}}", "no path"),
        ("{{queue.key}}", "no path"),
        ("{{conversation}}", "no path"),
        ("{{conversation.queue}}", "decides"),
        ("{{conversation.externalQueue}}", "decides"),
        ("{{conversation.assignedUsers.0}}", "decides"),
        ("{{conversation.defaultLng}}", "Did you mean conversation.defaultLang?"),
        ("{{conversation.coupled}}", "has no"),
        ("x" * 201, "200"),
    ],
)
def test_a_template_that_leads_nowhere_is_refused_when_it_is_saved(template: str, words: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        check_rule({"criteria": {"and": [CHAT]}, "queue_key": template}, None)
    assert words in refusal.value.detail
    assert refusal.value.pointer == "/queueKey"


GOOD = {"criteria": {"and": [CHAT], "or": []}, "name": "x"}
QUEUE = Queue(id="q", org="o", name="Q")


def test_what_makes_a_rule() -> None:
    check_rule({**GOOD, "queue": "q", "queue_key": None}, QUEUE)
    check_rule({**GOOD, "queue_key": "chat.{{conversation.custom.areaStr}}"}, None)


@pytest.mark.parametrize(
    ("values", "queue", "pointer"),
    [
        ({"queue": "q"}, QUEUE.with_(system=True), "/queue/id"),
        ({"queue_key": DEFAULT_KEY}, None, "/queueKey"),
        ({"queue": "q"}, QUEUE.with_(archived=True), "/queue/id"),
        ({}, None, "/queue"),
        ({"queue": None, "queue_key": ""}, None, "/queue"),
        ({"queue": "q", "criteria": {"and": [], "or": []}}, QUEUE, "/criteria"),
        ({"queue": "q", "criteria": None}, QUEUE, "/criteria"),
    ],
)
def test_what_makes_none(values: dict[str, Any], queue: Queue | None, pointer: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        check_rule({**GOOD, **values}, queue)
    assert refusal.value.pointer == pointer


def test_both_a_queue_and_a_key_are_one_too_many() -> None:
    with pytest.raises(InvalidCombination) as refusal:
        check_rule({**GOOD, "queue": "q", "queue_key": "chat"}, QUEUE)
    assert refusal.value.meta["fields"] == ["queue", "queueKey"]


def test_a_bad_condition_is_refused_where_it_stands() -> None:
    with pytest.raises(Malformed) as refusal:
        check_rule({**GOOD, "queue": "q", "criteria": {"or": [CHAT, {"customer_nam": {"operator": "set"}}]}}, QUEUE)
    assert refusal.value.pointer == "/criteria/or/1/customer_nam"


def test_a_rule_is_compiled_once_and_a_change_of_one_compiles_no_other() -> None:
    rules = [rule(f"once-{i}", [EMAIL]) for i in range(3)]
    compiled = [compile_rule(r) for r in rules]
    rules[1] = rules[1].with_(rev=2, criteria={"and": [FRENCH]})
    reread = [r.with_(criteria=dict(r.criteria)) for r in rules]
    again = [compile_rule(r) for r in reread]
    assert [a is b for a, b in zip(compiled, again, strict=True)] == [True, False, True]
    assert again[1].judge(FACTS).failed == "conversation_defaultLang"


def test_a_draft_with_the_id_and_rev_of_a_stored_rule_is_judged_by_its_own_criteria() -> None:
    stored, draft = rule("1", [CHAT]), rule("1", [EMAIL])
    assert first_match([stored], FACTS).rule is not None
    assert first_match([draft], FACTS).rule is None
    assert compile_rule(stored).judge(FACTS).failed == ""


def test_which_rules_need_the_latest_message() -> None:
    assert rule("1", [when("message_app", "web")]).wants_message
    assert rule("1", [], [when("message_app", "web")]).wants_message
    assert rule("1", [CHAT], queue_key="{{message.app}}").wants_message
    assert not rule("1", [CHAT], queue_key="{{conversation.defaultLang}}").wants_message


def test_rules_are_listed_in_order() -> None:
    places = [rule("1", [CHAT], position=p).index().sort for p in (1, 2, 10, 100)]
    assert places == sorted(places)
    assert rule("1", [CHAT], deleted=True).index().state == "deleted"
