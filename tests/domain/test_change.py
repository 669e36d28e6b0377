"""What a decision did to a record can be replayed and undone: diff, apply and invert on every record type there is."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from interlock.domain.change import Change, ChangeSet, apply, diff, invert
from interlock.domain.conversation import Conversation
from interlock.domain.kinds import KINDS
from interlock.domain.record import Record
from interlock.domain.work_item import PassHead, WorkItem

WORDS = st.sampled_from(["", "a", "b", "Ωμ", "68f0a0000000000000000001"])
NUMBERS = st.integers(-3, 3) | st.just(1_772_442_000_000)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


PLAIN: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.NoneType: st.none(),
    inspect.BoolType: st.booleans(),
    inspect.IntType: NUMBERS,
    inspect.FloatType: st.sampled_from([1.0, 2.5, 10.0]),
    inspect.StrType: WORDS,
    inspect.AnyType: JSON,
}


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a field's declared type, as a decoded record holds them."""
    if type(kind) in PLAIN:
        return PLAIN[type(kind)]
    match kind:
        case inspect.LiteralType():
            return st.sampled_from(sorted(kind.values, key=str))
        case inspect.VarTupleType():
            return st.lists(values(kind.item_type), max_size=2).map(tuple)
        case inspect.TupleType():
            return st.tuples(*(values(t) for t in kind.item_types))
        case inspect.DictType():
            return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=2)
        case inspect.UnionType():
            return st.one_of([values(t) for t in kind.types])
        case inspect.StructType():
            return structs(kind)
        case _:
            raise AssertionError(f"no values for {kind}")


def structs(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    """Structs with every field drawn."""
    return st.builds(kind.cls, **{f.name: values(f.type) for f in kind.fields})


@cache
def records(kind: type[Record]) -> st.SearchStrategy[Any]:
    """Whole records of one type."""
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return structs(found)


@st.composite
def versions(draw: st.DrawFn) -> tuple[Record, Record]:
    """Two versions of one record, of any type; some fields moved, the others did not."""
    kind = draw(st.sampled_from(sorted(KINDS.values(), key=lambda k: k.TYPE)))
    before, other = draw(records(kind)), draw(records(kind))
    fields = [f for f in kind.__struct_fields__ if f not in ("id", "org")]
    moved = draw(st.sets(st.sampled_from(fields)))
    return before, before.with_(**{f: getattr(other, f) for f in moved})


@settings(max_examples=150, deadline=None)
@given(versions())
def test_what_was_done_can_be_done_again_and_undone(pair: tuple[Record, Record]) -> None:
    before, after = pair
    attributes, relationships = diff(before, after)
    assert apply(before, attributes, relationships) == after
    assert apply(after, invert(attributes), invert(relationships)) == before
    assert apply(after, attributes, relationships) == after, "done twice is done once"
    assert (invert(invert(attributes)), invert(invert(relationships))) == (attributes, relationships)


@settings(max_examples=60, deadline=None)
@given(versions())
def test_only_what_moved_is_told_and_under_its_outward_name(pair: tuple[Record, Record]) -> None:
    before, after = pair
    attributes, relationships = diff(before, after)
    moved = {f for f in after.__struct_fields__ if getattr(before, f) != getattr(after, f)}
    assert set(relationships) == {after.outward(f) for f in moved if f in after.RELATIONS}
    assert set(attributes) == {after.outward(f) for f in moved if f not in after.RELATIONS}
    for change in (*attributes.values(), *relationships.values()):
        assert (change.before is msgspec.UNSET) == (change.op == "add")
        assert (change.after is msgspec.UNSET) == (change.op == "remove")


@settings(max_examples=60, deadline=None)
@given(versions())
def test_a_stored_change_means_the_same(pair: tuple[Record, Record]) -> None:
    before, after = pair
    attributes, relationships = diff(before, after)
    stored = ChangeSet("t", "i", 1, 2, msgspec.Raw(b"{}"), attributes, relationships)
    read = msgspec.json.decode(msgspec.json.encode(stored), type=ChangeSet)
    assert (read.attributes, read.relationships) == (attributes, relationships)
    assert apply(before, read.attributes, read.relationships) == after


C = Conversation(id="c", org="o")


@pytest.mark.parametrize(
    ("before", "after", "op"),
    [
        ({"snooze": None}, {"external_id": ""}, Change("add", after="")),
        ({"external_id": ""}, {"external_id": None}, Change("remove", before="")),
        ({"external_id": ""}, {"external_id": "x"}, Change("replace", before="", after="x")),
        ({"tags": ("a",)}, {"tags": ()}, Change("replace", before=["a"], after=[])),
        ({"custom": {}}, {"custom": {"xStr": None}}, Change("replace", before={}, after={"xStr": None})),
    ],
)
def test_absent_null_and_empty_are_three_things(before: dict[str, Any], after: dict[str, Any], op: Change) -> None:
    old = C.with_(**before)
    new = old.with_(**after)
    [change] = diff(old, new)[0].values()
    assert change == op
    assert b"null" not in msgspec.json.encode(change).replace(b'"xStr":null', b"")


def test_an_add_with_an_explicit_null_before_can_be_read_too() -> None:
    read = msgspec.json.decode(b'{"op":"add","before":null,"after":"x"}', type=Change)
    assert apply(C, {"externalId": read}, {}).external_id == "x"


def test_last_revision_is_an_attribute_and_a_relationship() -> None:
    before = WorkItem(id="w", org="o", resource="c", pass_="p1", last_revision=PassHead(5, 10))
    after = before.with_(pass_="p2", last_revision=PassHead(20))
    attributes, relationships = diff(before, after)
    assert attributes == {
        "lastRevision": Change(
            "replace", before={"enteredQueueAt": 5, "queueTime": 10}, after={"enteredQueueAt": 20}
        )
    }  # fmt: skip
    assert relationships == {"lastRevision": Change("replace", before="p1", after="p2")}
    only_the_head = diff(before, before.with_(last_revision=None))
    assert only_the_head[1] == {}
    assert apply(before, *only_the_head) == before.with_(last_revision=None)


def test_a_change_is_made_whatever_the_record_says_and_a_bad_value_is_refused() -> None:
    attributes, relationships = diff(C, C.with_(queue="q1", name="x"))
    other = C.with_(queue="q9", name="y", tags=("kept",))
    assert apply(other, attributes, relationships) == other.with_(queue="q1", name="x")
    with pytest.raises(msgspec.ValidationError):
        apply(C, {"status": Change("replace", before="open", after="lost")}, {})
