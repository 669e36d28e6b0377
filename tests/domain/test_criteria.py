"""Criteria: every field reads where it says, every operator means what its name says, mistakes are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.conversation import Conversation, MessageMark
from interlock.domain.criteria import (
    CONDITIONS_MAX,
    FAMILIES,
    SKEW_MS,
    check_criteria,
    compile_condition,
    conditions,
    described_criteria,
    parse_duration,
)
from interlock.domain.customer import Customer
from interlock.domain.errors import InvalidValue, Malformed, TooMany
from interlock.domain.facts import FIELDS, Facts, field_of, parse_time
from interlock.domain.message import Message

NOW = 1_772_442_000_000
HOUR = 3_600_000
NOON = "2026-03-02T12:00:00Z"
NOON_MS = 1_772_452_800_000

CONVERSATION = Conversation(
    id="c", org="o", name="Parcel LATE", status="open", sub_status="waiting", direction="in",
    channels=("email", "chat"), reply_channel="email",
    tags=("t1", "t2"), default_lang="de", message_count=3, note_count=1, outbound_message_count=1,
    satisfaction=4, sentiment={"polarity": -1, "confidence": 0.9}, created_at=NOW - HOUR,
    last_message_direction="in", first_message_in=MessageMark("m1", NOW - 3000, NOW - 3000),
    first_message_out=MessageMark("m2", NOW - 1000, NOW - 1000),
    custom={
        "tierStr": "Gold", "noteTxt": "The foot is broken, not the football", "ageNum": 41, "vipBool": True,
        "sinceAt": "2026-03-02 12:00:00.250+00:00", "homeUrl": "https://x.example/A", "placeTree": "eu.de.berlin",
    },
)  # fmt: skip
CUSTOMER = Customer(
    id="k", org="o", name="Zoë Straße", emails=({"email": "Zoe@Example.com"}, {"email": "zs@mail.example"}),
    phones=({"phone": "+49 30 1"},), conversations_count=7, company="acme", created_by="u1", last_activity_at=NOW,
    last_seen_at=NOW - 10, signed_up_at=NOON_MS, created_at=NOON_MS, sentiment={"polarity": 1},
    custom={"tierStr": "silver"},
)  # fmt: skip
MESSAGE = Message(
    id="m", org="o", channel="email", app="postmark", direction="in", direction_type="initial-in", status="received",
    preview="Wo ist mein Paket?", subject="Re: my foot-ball order", auto=False,
    meta={
        "from": {"email": "Zoe@Example.com"}, "to": ["help@shop.example", {"email": "x@shop.example"}],
        "recipient": {"email": "help@shop.example"}, "subject": "Hello", "language": "de",
    },
)  # fmt: skip
ALL = Facts(CONVERSATION, CUSTOMER, MESSAGE, NOW)
NONE = Facts(Conversation(id="c", org="o"), None, None, NOW)


def holds(name: str, operator: str, value: Any = None, facts: Facts = ALL) -> bool:
    """Whether one condition holds."""
    test = {"operator": operator} if value is None else {"operator": operator, "value": value}
    [condition] = conditions({"and": [{name: test}]}, "and")
    return compile_condition(condition)(facts)


# fmt: off
MEANINGS: list[tuple[str, str, Any, bool]] = [
    ("customer_name", "equals", "zoë strasse", True),
    ("customer_name", "equals", "zoe\u0308 STRASSE", True),
    ("customer_name", "equals", "Zoe", False),
    ("customer_name", "contains", "STRA", True),
    ("customer_name", "starts_with", "zoë", True),
    ("customer_name", "ends_with", "ßE", True),
    ("customer_name", "in", ["Ana", "zoë straße"], True),
    ("customer_name", "in", ["Ana"], False),
    ("customer_email", "equals", "zs@mail.example", True),
    ("customer_email", "ends_with", "@example.com", True),
    ("customer_email", "ends_with", "@other.example", False),
    ("customer_phone", "starts_with", "+49", True),
    ("customer_conversationsCount", "gte", 7, True),
    ("customer_conversationsCount", "gt", 7, False),
    ("customer_conversationsCount", "lt", 7.5, True),
    ("customer_conversationsCount", "lte", 6, False),
    ("customer_conversationsCount", "in", [1, 7.0], True),
    ("customer_conversationsCount", "equals", 7, True),
    ("customer_createdBy", "equals", "u1", True),
    ("customer_company", "in", ["acme", "x"], True),
    ("customer_sentiment", "equals", "1", True),
    ("customer_signedUpAt", "gte", NOON, True),
    ("customer_signedUpAt", "gt", NOON, False),
    ("customer_signedUpAt", "gt", "2026-03-02T11:59:59.999999Z", True),
    ("customer_signedUpAt", "lt", "2026-03-02T12:00:00.000001Z", True),
    ("customer_signedUpAt", "lte", "2026-03-02 13:00:00+01:00", True),
    ("customer_signedUpAt", "lt", "2026-03-02 13:00:00+01:00", False),
    ("customer_activityAt", "within_last", "PT1S", True),
    ("customer_lastSeenAt", "older_than", "PT1S", False),
    ("conversation_name", "contains", "late", True),
    ("conversation_satisfaction", "equals", "4", True),
    ("conversation_defaultLang", "equals", "de", True),
    ("conversation_defaultLang", "equals", "DE", False),
    ("conversation_defaultLang", "in", ["en", "de"], True),
    ("conversation_subStatus", "starts_with", "wait", True),
    ("conversation_subStatus", "starts_with", "Wait", False),
    ("conversation_messageCount", "equals", 3, True),
    ("conversation_noteCount", "gt", 0, True),
    ("conversation_outboundMessageCount", "lt", 1, False),
    ("conversation_firstResponseTime", "equals", 2000, True),
    ("conversation_firstResponseSentAt", "within_last", "PT1S", True),
    ("conversation_createdAt", "within_last", "PT1H", True),
    ("conversation_createdAt", "within_last", "PT59M59S", False),
    ("conversation_createdAt", "older_than", "PT59M59S", True),
    ("conversation_createdAt", "older_than", "PT1H", False),
    ("conversation_direction", "equals", "in", True),
    ("conversation_sentiment", "in", ["-1", "0"], True),
    ("conversation_status", "not_equals", "open", False),
    ("conversation_channel", "equals", "chat", True),
    ("conversation_channel", "equals", "voice", False),
    ("conversation_channel", "not_equals", "chat", False),
    ("conversation_channel", "in", ["voice", "chat"], True),
    ("conversation_channel", "not_in", ["voice", "sms"], True),
    ("conversation_channel", "contains_all", ["chat", "email"], True),
    ("conversation_channel", "contains_all", ["chat", "voice"], False),
    ("conversation_replyChannel", "contains_all", ["email"], True),
    ("conversation_replyChannel", "equals", "email", True),
    ("conversation_tags", "contains_all", ["t2"], True),
    ("conversation_tags", "equals", "t3", False),
    ("conversation_lastMessageDirection", "equals", "out", False),
    ("message_preview", "not_contains", "paket", False),
    ("message_meta_recipient_email", "equals", "help@shop.example", True),
    ("message_meta_from", "equals", "zoe@example.com", True),
    ("message_meta_to", "equals", "x@shop.example", True),
    ("message_meta_subject", "equals", "hello", True),
    ("message_app", "equals", "postmark", True),
    ("message_language", "equals", "de", True),
    ("message_subject", "contains", "MY FOOT", True),
    ("message_subject", "contains", "foot ball", True),
    ("message_subject", "contains", "oo", False),
    ("message_subject", "contains", "order my", False),
    ("message_subject", "not_contains", "football", True),
    ("message_auto", "equals", False, True),
    ("message_auto", "not_equals", False, False),
    ("message_auto", "set", None, True),
    ("message_channel", "equals", "email", True),
    ("message_directionType", "equals", "initial-in", True),
    ("message_direction", "in", ["out"], False),
    ("message_status", "equals", "received", True),
    ("customer_custom_tierStr", "equals", "SILVER", True),
    ("conversation_custom_tierStr", "equals", "gold", True),
    ("conversation_custom_noteTxt", "contains", "foot", True),
    ("conversation_custom_noteTxt", "contains", "ball", False),
    ("conversation_custom_ageNum", "gt", 40, True),
    ("conversation_custom_vipBool", "equals", True, True),
    ("conversation_custom_sinceAt", "gt", "2026-03-02T12:00:00.249Z", True),
    ("conversation_custom_sinceAt", "gt", "2026-03-02T12:00:00.25Z", False),
    ("conversation_custom_homeUrl", "starts_with", "https://x.example/A", True),
    ("conversation_custom_homeUrl", "starts_with", "https://x.example/a", False),
    ("conversation_custom_placeTree", "equals", "eu.de.berlin", True),
    ("conversation_custom_placeTree", "equals", "eu.de", False),
    ("conversation_custom_placeTree", "in_subtree", "eu.de", True),
    ("conversation_custom_placeTree", "in_subtree", "eu.de.berlin", True),
    ("conversation_custom_placeTree", "in_subtree", "eu.d", False),
    ("conversation_custom_placeTree", "not_in_subtree", "eu.fr", True),
]
# fmt: on


@pytest.mark.parametrize(("name", "operator", "value", "expected"), MEANINGS)
def test_what_a_condition_means(name: str, operator: str, value: Any, expected: bool) -> None:
    assert holds(name, operator, value) is expected


SAMPLE: dict[str, Any] = {
    "string": "x", "string_notanalyzed": "x", "text": "x", "number": 1, "datetime": NOON, "boolean": True, "list": "x",
    "tree": "a.b",
}  # fmt: skip


def sample(name: str, operator: str) -> Any:
    """A value that this operator takes."""
    field = field_of(name)
    assert field is not None
    if operator in ("set", "not_set"):
        return None
    if operator in ("within_last", "older_than"):
        return "PT1H"
    value = field.enum[0] if field.enum else SAMPLE[field.family]
    return [value] if operator in ("in", "not_in", "contains_all") else value


CUSTOM = [
    f"{part}_custom_some{suffix}" for part in ("customer", "conversation")
    for suffix in ("Str", "Txt", "Num", "At", "Bool", "Url", "Tree")
]  # fmt: skip
ALWAYS_THERE = {
    "conversation_satisfaction", "conversation_messageCount", "conversation_noteCount",
    "conversation_outboundMessageCount", "conversation_createdAt", "conversation_status",
}  # fmt: skip


@pytest.mark.parametrize("name", [*FIELDS, *CUSTOM])
def test_a_missing_value_makes_only_the_not_operators_true(name: str) -> None:
    field = field_of(name)
    assert field is not None
    for operator in FAMILIES[field.family]:
        result = holds(name, operator, sample(name, operator), NONE)
        if name not in ALWAYS_THERE:
            assert result == operator.startswith("not_"), operator
        if f"not_{operator}" in FAMILIES[field.family]:
            for facts in (ALL, NONE):
                value = sample(name, operator)
                assert holds(name, operator, value, facts) != holds(name, f"not_{operator}", value, facts)


@pytest.mark.parametrize("name", [n for n in FIELDS if n not in ALWAYS_THERE])
def test_every_field_is_read_somewhere(name: str) -> None:
    assert not holds(name, "set", facts=NONE)
    assert holds(name, "set", facts=ALL)


def test_an_empty_text_or_list_is_a_missing_one_and_zero_is_not() -> None:
    empty = Facts(Conversation(id="c", org="o", name="", tags=(), custom={"xStr": "", "xNum": 0, "xBool": False}),
                  Customer(id="k", org="o", emails=({"email": ""}, {})), None, NOW)  # fmt: skip
    for name in ("conversation_name", "conversation_tags", "conversation_custom_xStr", "customer_email"):
        assert holds(name, "not_set", facts=empty)
    for name in ("conversation_custom_xNum", "conversation_custom_xBool", "conversation_noteCount"):
        assert holds(name, "set", facts=empty)


def test_a_custom_value_of_another_type_counts_as_missing() -> None:
    custom = {"xNum": "7", "xBool": 1, "xAt": "soon", "yNum": True}
    odd = Facts(Conversation(id="c", org="o", custom=custom), None, None, 0)
    for name in ("xNum", "xBool", "xAt", "yNum"):
        assert holds(f"conversation_custom_{name}", "not_set", facts=odd)


def test_within_last_forgives_another_servers_clock_but_knows_the_future() -> None:
    def at(ms: int) -> Facts:
        return Facts(CONVERSATION.with_(created_at=ms), None, None, NOW)

    assert holds("conversation_createdAt", "within_last", "PT1H", at(NOW + SKEW_MS))
    assert not holds("conversation_createdAt", "within_last", "PT1H", at(NOW + SKEW_MS + 1))
    assert not holds("conversation_createdAt", "older_than", "PT0S", at(NOW + 1))


def test_an_answer_before_the_question_is_no_response() -> None:
    outbound = CONVERSATION.with_(first_message_out=MessageMark("m0", NOW - 9000, NOW - 9000))
    assert holds("conversation_firstResponseTime", "not_set", facts=Facts(outbound, None, None, NOW))


@settings(max_examples=200, deadline=None)
@given(st.text("abAB ß-", max_size=8), st.text("abAB ß-", min_size=1, max_size=3))
def test_texts_against_what_python_says_of_them(text: str, wanted: str) -> None:
    message = Message(id="m", org="o", channel="chat", subject=text)
    facts = Facts(Conversation(id="c", org="o", name=text), None, message, 0)
    low, want = text.casefold(), wanted.casefold()
    for operator, expected in (
        ("equals", low == want), ("contains", want in low), ("starts_with", low.startswith(want)),
        ("ends_with", low.endswith(want)), ("in", low == want),
    ):  # fmt: skip
        value = [wanted] if operator == "in" else wanted
        assert holds("conversation_name", operator, value, facts) == (bool(text) and expected)
    words, sought = low.replace("-", " ").split(), want.replace("-", " ").split()
    if sought:
        found = any(words[i : i + len(sought)] == sought for i in range(len(words)))
        assert holds("message_subject", "contains", wanted, facts) == found


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0), ("2026-03-02T12:00:00Z", NOON_MS), ("2026-03-02t12:00:00z", NOON_MS),
        ("2026-03-02 12:00:00+00:00", NOON_MS), ("2026-03-02T07:00:00-0500", NOON_MS),
        ("2026-03-02T12:00:00.123456Z", NOON_MS + 123.456), ("2026-03-02T12:00:00.5", NOON_MS + 500),
        ("1969-12-31T23:59:59Z", -1000), ("2026-02-30T00:00:00Z", None), ("2026-03-02", None), ("yesterday", None),
        ("2026-W10-1T00:00:00Z", None), ("2026-03-02T25:00:00Z", None), ("", None),
    ],
)  # fmt: skip
def test_times(text: str, ms: float | None) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT1S", 1000), ("PT30M", 30 * 60_000), ("P1DT12H", 36 * HOUR), ("P2W", 14 * 24 * HOUR), ("PT0S", 0),
        ("P1W2DT3H4M5S", ((9 * 24 + 3) * 60 + 4) * 60_000 + 5000), ("P30D", 30 * 24 * HOUR),
        ("P1M", None), ("P1Y", None), ("P", None), ("PT", None), ("P1DT", None), ("1D", None), ("-P1D", None),
        ("PT1.5H", None), ("P99999D", None), ("P9999999999999999999999W", None), ("pt1h", None), ("", None),
    ],
)  # fmt: skip
def test_durations(text: str, ms: int | None) -> None:
    assert parse_duration(text) == ms


def one(name: str, test: Any) -> dict[str, Any]:
    """Criteria of one condition."""
    return {"and": [{name: test}], "or": []}


# fmt: off
MISTAKES: list[tuple[str, Any, str, str]] = [
    ("conversation_chanel", {"operator": "set"}, "", "Did you mean conversation_channel?"),
    ("CUSTOMER_EMAIL", {"operator": "set"}, "", "Did you mean customer_email?"),
    ("zzz", {"operator": "set"}, "", "queue-rules-criteria"),
    ("conversation_custom_tier", {"operator": "set"}, "", "Str"),
    ("message_custom_tierStr", {"operator": "set"}, "", "customer_custom_"),
    ("a/b~c", {"operator": "set"}, "", "no field"),
    ("customer_name", {"operator": "equal", "value": "x"}, "/operator", "Did you mean equals?"),
    ("customer_name", {"operator": ["set"]}, "/operator", "equals, "),
    ("customer_name", {"operator": "gt", "value": "x"}, "/operator", "cannot be tested with gt"),
    ("conversation_tags", {"operator": "contains", "value": "x"}, "/operator", "contains_all"),
    ("customer_name", {"operator": "equals"}, "/value", "text"),
    ("customer_name", {"operator": "equals", "value": ""}, "/value", "text"),
    ("customer_name", {"operator": "equals", "value": 5}, "/value", "text"),
    ("customer_name", {"operator": "in", "value": "x"}, "/value", "list"),
    ("customer_name", {"operator": "in", "value": []}, "/value", "list"),
    ("customer_name", {"operator": "in", "value": ["x", 1]}, "/value/1", "text"),
    ("customer_name", {"operator": "set", "value": "x"}, "/value", "no value"),
    ("customer_name", {"operator": "set", "valeu": "x"}, "", "members"),
    ("customer_name", "x", "", "members"),
    ("conversation_noteCount", {"operator": "gt", "value": "5"}, "/value", "number"),
    ("conversation_noteCount", {"operator": "gt", "value": True}, "/value", "number"),
    ("conversation_noteCount", {"operator": "gt", "value": float("inf")}, "/value", "number"),
    ("conversation_createdAt", {"operator": "gt", "value": "2026-03-02"}, "/value", "RFC 3339"),
    ("conversation_createdAt", {"operator": "gt", "value": "2026-03-02T12:00:00"}, "/value", "zone"),
    ("conversation_createdAt", {"operator": "within_last", "value": "P1M"}, "/value", "P30D"),
    ("message_auto", {"operator": "equals", "value": "true"}, "/value", "true or false"),
    ("message_subject", {"operator": "contains", "value": "--"}, "/value", "text"),
    ("conversation_status", {"operator": "equals", "value": "opne"}, "/value", "Did you mean open?"),
    ("conversation_channel", {"operator": "in", "value": ["chat", "fax"]}, "/value/1", "Use one of"),
    ("conversation_custom_xTree", {"operator": "equals", "value": "a..b"}, "/value", "path"),
]
# fmt: on


@pytest.mark.parametrize(("name", "test", "where", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_what_to_do(name: str, test: Any, where: str, words: str) -> None:
    with pytest.raises(Malformed) as refusal:
        check_criteria(one(name, test))
    escaped = name.replace("~", "~0").replace("/", "~1")
    assert refusal.value.pointer == f"/criteria/and/0/{escaped}{where}"
    assert words in refusal.value.detail


SET = {"operator": "set"}


@pytest.mark.parametrize(
    ("criteria", "pointer", "words"),
    [
        ({"and": [{}], "or": []}, "/criteria/and/0", "one field each"),
        ({"or": [{"customer_name": SET, "customer_email": SET}]}, "/criteria/or/0", "one field each"),
        ({"and": {}}, "/criteria/and", "list"),
        ({"And": []}, "/criteria", '"and" and "or"'),
        ([], "/criteria", '"and" and "or"'),
    ],
)
def test_criteria_of_another_shape(criteria: Any, pointer: str, words: str) -> None:
    with pytest.raises(Malformed) as refusal:
        check_criteria(criteria)
    assert refusal.value.pointer == pointer
    assert words in refusal.value.detail


def test_no_condition_and_too_many_are_refused() -> None:
    for nothing in ({}, {"and": []}, {"and": [], "or": []}):
        with pytest.raises(InvalidValue):
            check_criteria(nothing)
    many = [{"customer_name": {"operator": "set"}}] * CONDITIONS_MAX
    check_criteria({"and": many, "or": []})
    with pytest.raises(TooMany):
        check_criteria({"and": many, "or": many[:1]})


def test_every_operator_of_every_field_can_be_saved() -> None:
    for name in (*FIELDS, *CUSTOM):
        field = field_of(name)
        assert field is not None
        for operator in FAMILIES[field.family]:
            value = sample(name, operator)
            without = {"operator": operator}
            check_criteria(one(name, without if value is None else {**without, "value": value}))


def test_the_document_says_what_the_code_does() -> None:
    document = described_criteria()
    assert set(document) == {"type", "properties", "patternProperties", "definitions"}
    assert set(document["definitions"]) == {"user", *FAMILIES}
    assert set(document["properties"]) == set(FIELDS)
    for name, told in document["properties"].items():
        family = told["operator"]["$ref"].removeprefix("#/definitions/")
        for operator in document["definitions"][family]["enum"]:
            value = sample(name, operator)
            check_criteria(one(name, {"operator": operator, "value": value}))
    assert document["properties"]["conversation_status"]["enum"] == ["open", "snoozed", "done"]
    assert document["properties"]["conversation_createdAt"]["format"] == "date-time"
    assert document["properties"]["customer_createdBy"]["format"] == "user"
    assert document["properties"]["message_auto"]["type"] == "boolean"
    assert len(document["patternProperties"]) == 7
