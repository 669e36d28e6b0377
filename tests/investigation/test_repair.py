"""Repair: each edit by name, what proves it, and what is never called proven."""

from __future__ import annotations

import io
import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.investigation.damage import Events, compact, document, leaves, stripped

from interlock.investigation.observation import Place
from interlock.investigation.readers import document as documents
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.shape import Found, Item
from interlock.investigation.readers.source import lines_of
from interlock.investigation.repair import Repaired, repair
from interlock.investigation.schema import Schema
from interlock.investigation.tolerant import Unreadable

HERE = Place(0, 1)
PAD = "x" * 200


def kinds(repaired: Repaired) -> list[str]:
    return [r.kind for r in repaired.repairs]


def of(text: str, schema: Schema | None = None) -> Repaired:
    return repair(text, HERE, schema)


def with_length(body: Any, *, pretty: bool = False) -> str:
    """A line that declares how long its body was, after the viewer has taken its brackets."""
    line = {"fullBodyLength": len(compact(body)), "body": body, "pad": PAD}
    return stripped(json.dumps(line, indent=2, ensure_ascii=False) if pretty else compact(line))


def test_what_is_whole_is_left_alone() -> None:
    done = of('{"a": [1, {"b": null}], "c": ""}')
    assert (done.value, done.grade, done.repairs, done.unknown) == (
        {"a": [1, {"b": None}], "c": ""},
        "A",
        (),
        frozenset(),
    )


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ('{"a": {"b": 1}', {"a": {"b": 1}}, "MISSING_CLOSE"),
        ('{"a": [1, 2', {"a": [1, 2]}, "MISSING_CLOSE"),
        ('{"a": [{"b": 1]}', {"a": [{"b": 1}]}, "MISSING_CLOSE"),
        ('{"a": 1,}', {"a": 1}, "TRAILING"),
        ('{"a": [1,], "b": 2}', {"a": [1], "b": 2}, "TRAILING"),
        ('{"a": 1} and so on', {"a": 1}, "TRAILING"),
        ("{“a”: “b”}", {"a": "b"}, "SMART_QUOTE"),
        ("{'a': 'say \"hi\"'}", {"a": 'say "hi"'}, "SMART_QUOTE"),
        ('{"a":\u00a0"b"}', {"a": "b"}, "SMART_QUOTE"),
        ('{"a": "621fc1d36a39\n  b4aa389cb72b"}', {"a": "621fc1d36a39b4aa389cb72b"}, "HARD_WRAP"),
        ('{"a": 1, ...}', {"a": 1}, "ELISION"),
        ('{"a": {…}, "b": 2}', {"a": {}, "b": 2}, "ELISION"),
        ('{"a": ..., "b": 2}', {"b": 2}, "ELISION"),
        ('{"a": {"x":1},{"x":2}, "b": 2}', {"a": [{"x": 1}, {"x": 2}], "b": 2}, "KEYLESS_VALUE"),
        ('{"a": "x","y","z", "b": 2}', {"a": ["x", "y", "z"], "b": 2}, "KEYLESS_VALUE"),
    ],
)
def test_each_edit_has_its_name(text: str, value: Any, kind: str) -> None:
    done = of(text)
    assert done.value == value
    assert set(kinds(done)) == {kind}
    assert {r.proof for r in done.repairs} == {"none"}
    assert done.grade in ("B", "C")


def test_what_was_left_out_is_unknown() -> None:
    text = '{"body": {"data": {"attributes": {"tags": ..., "custom": {"a": 1, …}, "rev": 3}}}}'
    assert of(text).unknown == {"tags", "custom"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        '{"a": nul}',
        '{"a": "b}',
        '"a"',
        "{]}",
        '{"a": 1e999,}',
        '{"a": "\\ud800",}',
    ],
)
def test_what_no_edit_makes_readable_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        of(text)


def test_an_empty_slot_is_a_list_where_the_brackets_are_gone_and_unknown_elsewhere() -> None:
    assert of(f'{{"a":, "pad": "{PAD}"}}').value["a"] == []
    done = of(f'{{"data": {{"attributes": {{"a":, "b": [1]}}}}, "pad": "{PAD}"}}')
    assert "a" not in done.value["data"]["attributes"]
    assert (done.unknown, done.grade) == ({"a"}, "C")
    assert [(r.assumed, r.alternatives) for r in done.repairs] == [("unknown", ('""', "null", "{}"))]


def test_an_empty_slot_beside_brackets_is_a_list_where_the_file_has_one() -> None:
    schema = Schema()
    schema.learn({"data": {"attributes": {"a": ["x"]}}})
    done = of('{"data": {"attributes": {"a":, "b": [1]}}}', schema)
    assert done.value["data"]["attributes"]["a"] == []
    assert done.grade == "B"


@pytest.mark.parametrize("pretty", [False, True])
def test_a_length_proves_lists_of_one_by_their_known_schema(pretty: bool) -> None:
    body = {"data": {"attributes": {"channels": ["voice"], "tags": [], "name": "a, b", "rev": 2}}, "client": ""}
    done = of(with_length(body, pretty=pretty))
    assert done.value["body"] == body
    assert done.grade == "A"
    assert {r.proof for r in done.repairs} == {"proven"}
    assert Counter(kinds(done)) == {"EMPTY_SLOT": 1, "STRIPPED_LIST": 1}


def test_a_length_proves_lists_that_the_file_shows() -> None:
    schema = Schema()
    schema.learn({"body": {"data": {"attributes": {"watcher": ["ben"], "subject": "x"}}}})
    body = {"data": {"attributes": {"watcher": ["ana"], "subject": "b", "rev": 2}}}
    done = of(with_length(body), schema)
    assert (done.value["body"], done.grade) == (body, "A")


def test_what_merely_sounds_like_a_list_is_no_proof() -> None:
    body = {"data": {"attributes": {"watchers": ["ana"], "rev": 2}}}
    done = of(with_length(body))
    assert done.value["body"]["data"]["attributes"].get("watchers", ...) is ...
    assert (done.grade, done.unknown) == ("C", {"watchers"})
    assert {r.proof for r in done.repairs} <= {"unproven"}


def test_two_ways_to_fit_are_no_proof() -> None:
    body = {"data": {"attributes": {"tags": ["a"], "channels": "voice", "rev": 2}}}
    done = of(with_length(body))
    assert done.grade == "C"
    assert {"tags", "channels"} <= done.unknown


def test_a_choice_among_known_lists_is_no_proof() -> None:
    """The length has room for `tags`, not for `channels` twice: it fits, but then one of the names means no list."""
    change = {"op": "replace", "before": "chat", "after": "voice"}
    body = {"data": {"attributes": {"tags": ["a"]}}, "changes": {"attributes": {"channels": change}}}
    assert of(with_length(body)).grade != "A"


@pytest.mark.parametrize("left", ['{"a":..., "b":[1]}', '{"a":, "b":[1]}'])
def test_what_is_not_there_is_not_proven(left: str) -> None:
    """What stood there was `12`, as long as an empty list."""
    done = of(f'{{"fullBodyLength":{len(compact({"a": 12, "b": [1]}))},"body":{left}}}')
    assert done.grade != "A"
    assert done.unknown == {"a"}
    assert done.value["body"] == {"b": [1]}


def test_a_length_that_does_not_fit_proves_nothing() -> None:
    text = with_length({"data": {"attributes": {"tags": [], "rev": 2}}}).replace(
        '"fullBodyLength":', '"fullBodyLength":9'
    )
    done = of(text)
    assert done.grade == "C"
    assert {r.proof for r in done.repairs} == {"unproven"}


def test_one_length_may_be_counted_in_three_ways() -> None:
    """An emoji is one character, two UTF-16 units, four bytes: one list of one more or less, and nothing says which."""
    body = {"data": {"attributes": {"tags": ["a"], "name": "😀", "rev": 2}}}
    assert of(with_length(body)).grade != "A"


def test_a_missing_close_is_never_proven_by_a_length() -> None:
    """Whichever object misses its brace, the length is the same."""
    body = {"a": {"b": 1}, "c": 2}
    text = f'{{"fullBodyLength":{len(compact(body))},"body":{{"a":{{"b":1,"c":2}}'
    done = of(text)
    assert done.grade != "A"
    assert all(r.proof != "proven" for r in done.repairs)


def test_a_hard_wrap_at_a_space_is_told_by_the_length() -> None:
    body = {"data": {"attributes": {"name": "two words", "tags": []}}}
    done = of(with_length(body).replace("two words", "two\n   words"))
    assert done.value["body"] == body
    assert done.grade == "A"
    assert "a space" in next(r.assumed for r in done.repairs if r.kind == "HARD_WRAP")


def test_several_hard_wraps_at_spaces() -> None:
    body = {"data": {"attributes": {"name": "three short words", "note": "two words", "tags": ["a"]}}}
    text = with_length(body).replace("three short words", "three\nshort\nwords").replace("two words", "two\nwords")
    done = of(text)
    assert (done.value["body"], done.grade) == (body, "A")


def test_places_are_those_of_the_document() -> None:
    done = repair('{\n  "a":,\n  "b": "c",\n}', Place(3, 11, 400))
    assert [(r.kind, r.place, r.column, r.path) for r in done.repairs] == [
        ("EMPTY_SLOT", Place(3, 12, 400), 7, "a"), ("TRAILING", Place(3, 14, 400), 1, "")
    ]  # fmt: skip


def items(text: str) -> list[Found]:
    return list(documents.items_of(lines_of(io.BytesIO(text.encode())), 0))


def test_a_neighbour_or_the_prose_fills_a_slot() -> None:
    """The same value told twice in an event, the rev before, and a person's bullet, where there are brackets still."""
    whole = {
        "body": {
            "data": {"id": "c", "type": "t", "attributes": {"rev": 1, "who": "", "x": [1]}},
            "changes": {"attributes": {}},
        }
    }
    twin = (
        '{"body": {"data": {"id": "c", "type": "t", "attributes": {"rev": 2, "who": null, "x": [1]}},'
        ' "changes": {"attributes": {"who": {"op": "replace", "before":, "after": }}}}}'
    )
    prose = '{"body": {"data": {"id": "d", "type": "t", "attributes": {"rev": 2, "who":, "x": [1]}}}}'
    text = f"```json\n{json.dumps(whole)}\n```\n\n```json\n{twin}\n```\n* Who: []\n```json\n{prose}\n```\n"
    _, second, third = items(text)
    assert isinstance(second, Item)
    assert isinstance(third, Item)
    assert second.value["body"]["changes"]["attributes"]["who"] == {"op": "replace", "before": "", "after": None}
    assert third.value["body"]["data"]["attributes"]["who"] == []
    assert all("neighbour" in r.assumed for r in (*second.repairs, *third.repairs))


def test_blocks_of_a_document_end_where_they_end() -> None:
    text = (
        "# Notes\n{not json}\nSee {this} and that.\n\n"
        '{\n  "a": 1\n}\nwords\n> {\n>   "b": 2\n> }\n\n```\n{"c": 3}\n'
        '{\n  "d": {\n    "e": 4\n}\n{\n  "f": 5\n}\n```\n## End\n'
    )
    found = items(text)
    values = [i.value for i in found if isinstance(i, Item)]
    assert values == [{"a": 1}, {"b": 2}, {"c": 3}, {"d": {"e": 4}}, {"f": 5}]


class Tally(Counter[str]):
    """How many blocks and values came back, how well, and whether what was called proven is true."""

    def take(self, truths: list[Any], found: list[Found]) -> None:
        """Compare a file's blocks with what they were."""
        by_id = {t["body"]["id"]: t for t in truths}
        for item in found:
            assert isinstance(item, Item)
            truth = by_id[item.value["body"]["id"]]
            right, got = leaves(truth), leaves(item.value)
            self["blocks"] += 1
            self["proven"] += item.grade == "A"
            self["values"] += len(right)
            self["right"] += sum(got.get(path, ...) == value for path, value in right.items())
            self["proven and wrong"] += item.grade == "A" and item.value != truth
            self["silent"] += item.value != truth and item.grade == "A" and not item.repairs


def measure(
    files: int, lines: int, *, brackets_in_text: bool, pretty: bool, seed: int = 7, plain: bool = False
) -> Tally:
    """Take all brackets from random valid lines, repair, compare."""
    tally = Tally()
    for n in range(files):
        events = Events(Random(f"{seed}/{n}"), brackets_in_text=brackets_in_text, plain=plain)
        truths = [events.line() for _ in range(lines)]
        if pretty:
            found = items(document(truths))
        else:
            text = "\n".join(stripped(compact(t)) for t in truths)
            found = list(jsonlines.items_of(lines_of(io.BytesIO(text.encode())), 0))
        tally.take(truths, found)
    return tally


@pytest.mark.parametrize("pretty", [False, True])
def test_recall_on_stripped_lines(pretty: bool) -> None:
    """Eight events of one system: every value comes back, and what is called proven is true."""
    tally = measure(30, 8, brackets_in_text=False, pretty=pretty, plain=True)
    assert tally["proven and wrong"] == 0
    assert tally["right"] >= 0.999 * tally["values"]
    assert tally["proven"] >= 0.99 * tally["blocks"]


@pytest.mark.parametrize("lines", [1, 2, 5])
@pytest.mark.parametrize("brackets_in_text", [False, True])
def test_nothing_wrong_is_called_proven(lines: int, brackets_in_text: bool) -> None:
    tally = measure(50, lines, brackets_in_text=brackets_in_text, pretty=True, seed=11)
    assert tally["proven and wrong"] == 0
    assert tally["right"] >= 0.9 * tally["values"]


@pytest.mark.slow
def test_nothing_wrong_is_called_proven_in_many() -> None:
    for lines, brackets_in_text in ((1, True), (3, True), (2, False)):
        tally = measure(300, lines, brackets_in_text=brackets_in_text, pretty=False, seed=23)
        assert tally["proven and wrong"] == 0
