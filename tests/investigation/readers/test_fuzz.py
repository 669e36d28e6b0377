"""Whatever the bytes are: no crash, no hang, every entry well formed, and the same bytes give the same report."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.investigation.damage import Events, compact, document, stripped

from interlock.investigation.mapping import BadMapping, parse
from interlock.investigation.observation import Audit, Observation
from interlock.investigation.readers import FORMATS, open_inputs
from interlock.investigation.tolerant import Unreadable
from interlock.investigation.tolerant import parse as parse_damaged

SOAK_S = 600
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def seeds() -> list[bytes]:
    """Valid and damaged inputs of every kind, for mutation."""
    events = Events(Random(5))
    lines = [events.line() for _ in range(3)]
    flat = "\n".join(compact(v) for v in lines)
    audit = json.dumps(
        {"msg": "CONVERSATION_SYNC_AUDIT", "conversationId": "c", "updatedConversation": {"rev": 3, "tags": []}}
    )
    change = json.dumps(
        {"op": "u", "before": {"id": 1}, "after": {"id": 1, "a": 2}, "source": {"table": "t", "lsn": 5}}
    )
    feed = json.dumps({"seq": 4, "id": "d", "changes": [{"rev": "2-x"}], "doc": {"type": "o", "n": 1}})
    kube = json.dumps(
        {"apiVersion": "audit.k8s.io/v1", "verb": "update", "objectRef": {"name": "n"}, "responseStatus": {"code": 409}}
    )
    table = 'id,rev,state\nA,1,new\nA,2,"old\nway"\n'
    texts = [flat, stripped(flat), document(lines), json.dumps(lines, indent=1), audit, change, feed, kube, table]
    return [t.encode() for t in texts]


SEEDS = seeds()
PIECES = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\",
    b"\0",
    b"\n",
    b"```\n",
    b"\xff",
    b"...",
    b"1e999",
    b"null",
    "“".encode(),
    b"-",
)


def run(data: bytes, format: str | None = None) -> list[Observation | Audit]:
    """Reads and checks that every entry is what it says to be."""
    reading = open_inputs("-", stdin=io.BytesIO(data), format=format)
    entries = list(reading)
    report = reading.inputs[0]
    assert report.observations + report.audits == len(entries)
    for entry in entries:
        assert isinstance(entry, Observation | Audit)
        assert entry.grade in ("A", "B", "C")
        assert isinstance(entry.record.id, str)
        assert entry.place.line >= 1
        if isinstance(entry, Observation):
            assert entry.rev is None or type(entry.rev) is int
    assert all(r.why for r in report.refused)
    assert all(r.place.line >= 1 and r.assumed for r in report.repairs)
    return entries


def mutated(random: Random) -> bytes:
    """One of the seeds with a few cuts, copies and foreign bytes in it."""
    data = bytearray(random.choice(SEEDS))
    for _ in range(random.randint(1, 6)):
        at, to = sorted((random.randrange(len(data) + 1), random.randrange(len(data) + 1)))
        kind = random.randrange(5)
        if kind == 0:
            data[at:at] = random.choice(PIECES) * random.choice((1, 1, 1, 2, 300))
        elif kind == 1:
            del data[at : min(to, at + random.choice((1, 3, 400)))]
        elif kind == 2 and data:
            data[random.randrange(len(data))] = random.randrange(256)
        elif kind == 3:
            data[at:at] = data[at : min(to, at + 500)]
        else:
            data = bytearray(bytes(data).replace(random.choice(PIECES), random.choice(PIECES), random.choice((1, -1))))
        if not data:
            data = bytearray(b"{")
    return bytes(data[:20_000])


@BOUNDED
@given(st.binary(max_size=400), st.sampled_from([None, *FORMATS]))
def test_any_bytes(data: bytes, format: str | None) -> None:
    run(data, format)


@BOUNDED
@given(st.integers(0, 2**32), st.sampled_from([None, None, *FORMATS]))
def test_mutated_inputs(seed: int, format: str | None) -> None:
    data = mutated(Random(seed))
    assert run(data, format) == run(data, format)


@BOUNDED
@given(st.text(alphabet="{}[]\",:. \n\\ae1-“”…'/*", max_size=80))
def test_the_tolerant_parser_ends(text: str) -> None:
    try:
        offsets = [e.offset for e in parse_damaged(text).edits]
    except Unreadable as why:
        offsets = [why.offset]
    assert all(0 <= offset <= len(text) for offset in offsets)


@BOUNDED
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from([None, 1]),
)
def test_valid_json_needs_no_edit(value: object, indent: int | None) -> None:
    tree = parse_damaged(json.dumps({"v": value}, indent=indent, ensure_ascii=False))
    assert tree.edits == []


@BOUNDED
@given(st.binary(max_size=200) | st.text(alphabet="id: arevtm{}[]&*!\n-'\"", max_size=80).map(str.encode))
def test_any_map(data: bytes) -> None:
    with suppress(BadMapping):
        list(open_inputs("-", stdin=io.BytesIO(SEEDS[0]), mapping=parse(data)))


@pytest.mark.soak
def test_ten_minutes_of_mutations(tmp_path: Path) -> None:
    """Random inputs until the time is over; the seed of one that breaks is in its name, its bytes in a file."""
    until = monotonic() + SOAK_S
    seed = 0
    while monotonic() < until:
        seed += 1
        data = mutated(Random(f"soak/{seed}"))
        (tmp_path / "input").write_bytes(data)
        began = monotonic()
        run(data, [None, *FORMATS][seed % (len(FORMATS) + 1)])
        assert monotonic() - began < 20, f"seed {seed} took too long"
    assert seed > 1_000
