"""Rules tried on what was: exact, nothing written, and refused where the log does not have what was seen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds import Client, House, settled

from interlock.domain.resource import iso

DRY, EVALUATE = "/v1/routing/queue-rules/dry-run", "/v1/routing/queue-rules/evaluate"
Json = dict[str, Any]


def channel(value: str, key: str, name: str = "", **more: Any) -> Json:
    """A rule on the channel."""
    test = {"conversation_channel": {"operator": "equals", "value": value}}
    return {"name": name or f"{value} to {key}", "criteria": {"and": [test]}, "queueKey": key, **more}


@pytest.fixture
async def queues(admin: Client) -> dict[str, str]:
    """Three queues beside the default one: ids by key."""
    made = [(k, await admin.post("/v1/routing/queues", {"name": k.title(), "key": k})) for k in ("a", "b", "c")]
    return {key: q["data"]["id"] for key, q in made}


async def said(house: House, admin: Client, *channels: str, **more: Any) -> list[str]:
    """Conversations that the rules have placed."""
    made = [(await admin.post("/v1/conversations", {"channels": [c], **more}))["data"]["id"] for c in channels]
    await settled(house)
    return made


async def tried(admin: Client, **body: Any) -> Json:
    """The attributes of a dry run."""
    return (await admin.post(DRY, body, 200))["data"]["attributes"]


def flow(told: Json) -> dict[str, tuple[int, int]]:
    """Per queue key: before and after."""
    return {q["key"]: (q["before"], q["after"]) for q in told["queues"]}


async def test_what_moves_and_why(house: House, admin: Client, queues: dict[str, str]) -> None:
    rule = (await admin.post("/v1/routing/queue-rules", channel("chat", "a", "Chats")))["data"]["id"]
    _, mail, _ = await said(house, admin, "chat", "email", "chat")
    rows = await house.store.last_position()
    told = await tried(admin, rules=[channel("email", "b", "Mails"), channel("chat", "a", "Chats", id=rule)])
    assert flow(told) == {"a": (2, 2), "b": (0, 1), "DEFAULT_QUEUE": (1, 0)}
    (item,) = told["items"]
    assert item["conversation"] == mail
    assert (item["before"]["key"], item["after"]["key"]) == ("DEFAULT_QUEUE", "b")
    assert item["because"] == "No rule held then; now Mails holds."
    assert [r["matched"] for r in told["rules"]] == [1, 2]
    assert await house.store.last_position() == rows


async def test_why_in_every_way_a_match_can_change(house: House, admin: Client, queues: dict[str, str]) -> None:
    rule = (await admin.post("/v1/routing/queue-rules", channel("chat", "a", "Chats")))["data"]["id"]
    await said(house, admin, "chat")
    first = channel("chat", "b", "First")

    async def because(*rules: Json) -> str:
        return (await tried(admin, rules=list(rules)))["items"][0]["because"]

    assert await because(channel("chat", "b", "Chats", id=rule)) == "Chats holds as it did, and names another queue."
    assert await because(first, channel("chat", "a", "Chats", id=rule)) == (
        "First holds, and comes before Chats, which held then."
    )
    assert await because(first) == "The rule that held then is not among these; First holds."
    assert await because(channel("email", "a", "Chats", id=rule)) == (
        "Chats, which held then, fails at conversation_channel; no rule holds, so the default queue takes it."
    )
    off = channel("chat", "a", "Chats", id=rule, enabled=False)
    assert await because(off, first) == "Chats, which held then, is switched off; First holds."


CHOICES = st.sampled_from(["chat", "email", "sms", "voice"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rules=st.lists(st.tuples(CHOICES, st.sampled_from("abc?")), max_size=4),
    work=st.lists(st.tuples(CHOICES, st.sampled_from(["en", "fr", None]), st.booleans()), max_size=6),
)
async def test_the_rules_that_ran_change_nothing(rules: list[tuple[str, str]], work: list[Any]) -> None:
    """A law: history replayed under the very rules that made it comes out as it was, whatever came later."""
    house = House()
    await house.found()
    admin = house.client()
    for key in "abc":
        await admin.post("/v1/routing/queues", {"name": key, "key": key})
    for value, key in rules:
        await admin.post(
            "/v1/routing/queue-rules", channel(value, "{{conversation.defaultLang}}" if key == "?" else key)
        )
    wants = {"message_subject": {"operator": "contains", "value": "refund"}}
    await admin.post("/v1/routing/queue-rules", {"name": "Refunds", "criteria": {"and": [wants]}, "queueKey": "c"})
    for value, lang, spoke in work:
        c = (await admin.post("/v1/conversations", {"channels": [value], "defaultLang": lang}))["data"]["id"]
        if spoke:
            await admin.post(f"/v1/conversations/{c}/messages", {"channel": value, "subject": "a refund, please"})
        await settled(house)
        await admin.put(f"/v1/conversations/{c}", {"channels": ["whatsapp"], "defaultLang": "a"})
        await admin.post(f"/v1/conversations/{c}/messages", {"channel": value, "subject": "nothing"})
    await settled(house)
    told = await tried(admin)
    assert (told["runs"], told["changed"], told["leftOut"]["count"]) == (len(work), 0, 0)


async def test_a_conversation_is_judged_as_it_was(house: House, admin: Client, queues: dict[str, str]) -> None:
    """The customer's name, the channel and the message of then, though all three have changed."""
    customer = (await admin.post("/v1/customers", {"name": "Ana"}))["data"]["id"]
    begun = {"channels": ["chat"], "customer": customer, "name": "first"}
    c = (await admin.post("/v1/conversations", begun))["data"]["id"]
    await admin.post(f"/v1/conversations/{c}/messages", {"channel": "chat", "preview": "then"})
    await settled(house)
    await admin.put(f"/v1/customers/{customer}", {"name": "Bea"})
    await admin.put(f"/v1/conversations/{c}", {"name": "second"})
    await admin.post(f"/v1/conversations/{c}/messages", {"channel": "chat", "preview": "later"})
    await settled(house)
    tests = {"customer_name": "Ana", "conversation_name": "first", "message_preview": "then"}
    was = {"and": [{f: {"operator": "equals", "value": v}} for f, v in tests.items()]}
    told = await tried(admin, rules=[{"name": "As it was", "criteria": was, "queueKey": "a"}], conversation=c)
    assert flow(told) == {"a": (0, 1), "DEFAULT_QUEUE": (1, 0)}
    rules = [{"name": "As it was", "criteria": was, "queueKey": "a"}]
    then = (await admin.post(EVALUATE, {"conversation": c, "rules": rules}, 200))["data"]["attributes"]
    assert then["rules"][0]["holds"]
    now = (await admin.post(EVALUATE, {"conversation": c, "rules": rules, "now": True}, 200))["data"]["attributes"]
    assert now["rules"][0]["firstFailing"] == {
        "pointer": "/criteria/and/0/customer_name", "field": "customer_name", "operator": "equals",
        "wanted": "Ana", "found": "Bea",
    }  # fmt: skip


async def test_each_rule_with_its_first_failing_condition(house: House, admin: Client, queues: dict[str, str]) -> None:
    rule = (await admin.post("/v1/routing/queue-rules", channel("chat", "a", "Chats")))["data"]["id"]
    either = {"or": [{"conversation_name": {"operator": "equals", "value": v}} for v in ("x", "y")]}
    await admin.post("/v1/routing/queue-rules", {"name": "Names", "criteria": either, "queueKey": "b"})
    hidden = (await admin.post("/v1/routing/queue-rules", channel("chat", "b", "Late")))["data"]["id"]
    (c,) = await said(house, admin, "chat")
    told = (await admin.post(EVALUATE, {"conversation": c}, 200))["data"]["attributes"]
    chats, names, late = told["rules"]
    assert chats["chosen"]
    assert told["queue"]["key"] == "a"
    assert told["recorded"]["rule"] == {"id": rule, "rev": 1}
    assert names["firstFailing"]["oneOf"] == ["conversation_name", "conversation_name"]
    assert (late["rule"], late["holds"], late["hiddenBy"]) == (hidden, True, rule)


async def test_a_queue_that_is_not_there_passes_the_rule_over(house: House, admin: Client) -> None:
    (c,) = await said(house, admin, "chat")
    body = {"conversation": c, "rules": [channel("chat", "nowhere")]}
    told = (await admin.post(EVALUATE, body, 200))["data"]["attributes"]
    assert told["rules"][0]["passedOver"] == "RULE_TARGET_UNKNOWN"
    assert told["queue"]["key"] == "DEFAULT_QUEUE"


async def test_spans(house: House, admin: Client, queues: dict[str, str]) -> None:
    moments = []
    for _ in range(3):
        await said(house, admin, "chat")
        moments.append(house.clock.now())
        house.clock.pass_ms(60_000)
    rules = [channel("chat", "a")]

    def at(n: int) -> str:
        return iso(moments[n])

    assert (await tried(admin, rules=rules))["runs"] == 3
    assert (await tried(admin, rules=rules, last=2))["runs"] == 2
    span = {"from": at(0), "to": at(2)}
    assert (await tried(admin, rules=rules, **span))["runs"] == 2
    assert (await tried(admin, rules=rules, to=at(0)))["runs"] == 0
    assert (await tried(admin, rules=rules, items=1))["changed"] == 3


async def test_history_that_was_not_recorded_is_left_out_and_refused(
    house: House, admin: Client, queues: dict[str, str]
) -> None:
    """The log lost the customer's version that was read (a store begun from another's records has no such row)."""
    customer = (await admin.post("/v1/customers", {"name": "Ana"}))["data"]["id"]
    (c,) = await said(house, admin, "chat", customer=customer)
    (other,) = await said(house, admin, "chat")
    log = house.store._log
    log[:] = [msgspec.structs.replace(r, changes=()) if r.partition == customer else r for r in log]
    named = {"customer_name": {"operator": "equals", "value": "Ana"}}
    rules = [{"name": "Ana", "criteria": {"and": [named]}, "queueKey": "a"}]
    told = await tried(admin, rules=rules)
    assert told["runs"] == 1
    assert told["leftOut"] == {"count": 1, "because": {"customer not recorded": 1}, "conversations": [c]}
    (error,) = (await admin.post(DRY, {"rules": rules, "conversation": c}, 422))["errors"]
    assert error["code"] == "HISTORY_NOT_RECORDED"
    assert error["meta"]["record"] == "customer"
    assert (await tried(admin, rules=[channel("chat", "a")]))["runs"] == 2, "what no rule looks at need not be there"
    log[:] = [msgspec.structs.replace(r, changes=()) if r.partition == other and not r.basis else r for r in log]
    (error,) = (await admin.post(EVALUATE, {"conversation": other}, 422))["errors"]
    assert error["meta"]["record"] == "conversation"


async def test_a_message_that_the_log_does_not_have_is_not_made_up(house: House, admin: Client) -> None:
    c = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    await admin.post(f"/v1/conversations/{c}/messages", {"channel": "chat", "preview": "then"})
    await settled(house)
    log = house.store._log

    def without(row: Any) -> Any:
        kept = tuple(x for x in row.changes if x.type != "message")
        return msgspec.structs.replace(row, changes=kept)

    log[:] = [without(r) for r in log]
    wants = {"message_preview": {"operator": "equals", "value": "then"}}
    rules = [{"name": "Then", "criteria": {"and": [wants]}, "queueKey": "a"}]
    assert (await tried(admin, rules=rules))["leftOut"]["because"] == {"message not recorded": 1}


BAD = [
    ({"and": [{"conversation_chanel": {"operator": "equals", "value": "x"}}]}, 400,
     "/criteria/and/0/conversation_chanel",
     "conversation_channel"),
    ({"and": [{"conversation_channel": {"operator": "equalz", "value": "chat"}}]}, 400,
     "/criteria/and/0/conversation_channel/operator", "equals"),
    ({"and": [{"conversation_messageCount": {"operator": "gt", "value": "many"}}]}, 400,
     "/criteria/and/0/conversation_messageCount/value", "a number"),
    ({}, 422, "/criteria", "at least one condition"),
]  # fmt: skip


@pytest.mark.parametrize(("criteria", "status", "pointer", "hint"), BAD)
async def test_bad_criteria_are_refused_with_where_and_why(
    admin: Client, criteria: Json, status: int, pointer: str, hint: str
) -> None:
    good = channel("chat", "a")
    for path, more in ((DRY, {}), (EVALUATE, {"conversation": "0" * 24})):
        bad = {"name": "Bad", "criteria": criteria, "queueKey": "a"}
        (error,) = (await admin.post(path, {"rules": [good, bad], **more}, status))["errors"]
        assert error["source"]["pointer"] == f"/rules/1{pointer}"
        assert hint in error["detail"]


@pytest.mark.parametrize(
    "template", ["x.{{conversation.queue}}", "{{a.{{b}}}}", "{{conversation.nope}}", "{{customer}}"]
)
async def test_templates_that_go_round_or_nowhere_are_refused(admin: Client, template: str) -> None:
    rule = channel("chat", template, "Template")
    (error,) = (await admin.post(DRY, {"rules": [rule]}, 422))["errors"]
    assert error["source"]["pointer"] == "/rules/0/queueKey"


async def test_questions_that_make_no_sense(house: House, admin: Client, queues: dict[str, str]) -> None:
    await admin.post(DRY, {"conversation": "0" * 24}, 404)
    await admin.post(DRY, {"conversation": "0" * 24, "last": 5}, 422)
    await admin.post(DRY, {"rules": [channel("chat", "a", id="0" * 24)]}, 404)
    await admin.post(DRY, {"rules": [{**channel("chat", "a"), "queue": {"id": queues["a"]}}]}, 422)
    await admin.post(DRY, {"rules": [], "lasst": 3}, 400)
    assigned = {"channels": ["chat"], "queue": {"id": queues["a"]}}
    c = (await admin.post("/v1/conversations", assigned))["data"]["id"]
    await settled(house)
    (error,) = (await admin.post(DRY, {"conversation": c}, 404))["errors"]
    assert "never chose" in error["detail"]
