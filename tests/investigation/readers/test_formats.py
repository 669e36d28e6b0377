"""Each format: told from its first bytes, and what its entries come to."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from tests.investigation.damage import Events
from tests.investigation.shared_cases import shared

from interlock.investigation.mapping import BadMapping, Mapping, parse
from interlock.investigation.observation import Audit, Moved, Observation
from interlock.investigation.readers import Reading, UnknownFormat, open_inputs
from interlock.investigation.readers.source import zstd


def read(tmp_path: Path, data: bytes | str, name: str = "log", **how: Any) -> tuple[list[Any], Reading]:
    """What a file with these bytes comes to."""
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    reading = open_inputs(path, **how)
    return list(reading), reading


def lines(seed: int = 1, count: int = 4) -> list[dict[str, Any]]:
    from random import Random

    events = Events(Random(seed))
    return [events.line() for _ in range(count)]


def text(values: list[Any]) -> str:
    return "".join(json.dumps(v) + "\n" for v in values)


def test_json_lines_mixed_with_lines_that_say_nothing(tmp_path: Path) -> None:
    events = lines()
    noise = ['{"level":30,"msg":"listening","port":8080}', "plain words {not json}", ""]
    entries, reading = read(
        tmp_path, "\n".join([noise[0], *map(json.dumps, events[:2]), *noise[1:], *map(json.dumps, events[2:])])
    )
    report = reading.inputs[0]
    assert report.format == "json-lines"
    assert [e.rev for e in entries] == [2, 3, 4, 5]
    assert (report.observations, report.silent, report.refused, report.repairs) == (4, 1, [], [])
    assert [e.place.line for e in entries] == [2, 3, 6, 7]


def test_a_prefix_before_the_object_is_passed_over(tmp_path: Path) -> None:
    prefixed = "".join(f"2024-05-01T10:00:00Z stdout F {json.dumps(v)}\n" for v in lines())
    entries, _ = read(tmp_path, prefixed)
    assert len(entries) == 4


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_and_single_objects(tmp_path: Path, indent: int | None) -> None:
    entries, reading = read(tmp_path, json.dumps(lines(), indent=indent))
    assert reading.inputs[0].format == "json"
    assert len(entries) == 4
    entries, _ = read(tmp_path, json.dumps(lines(count=1)[0], indent=indent))
    assert len(entries) == 1
    entries, _ = read(tmp_path, "\n".join(json.dumps(v, indent=indent) for v in lines()))
    assert len(entries) == 4


@pytest.mark.parametrize(
    "wrap",
    [
        lambda v: {"id": "AQ", "content": {"timestamp": "2022-03-02T19:13:26Z", "message": json.dumps(v)}},
        lambda v: {"id": "AQ", "attributes": {"host": "h", "message": "event", "attributes": v}},
        lambda v: {"log": json.dumps(v) + "\n", "stream": "stdout", "time": "2022-03-02T19:13:26Z"},
        lambda v: {"_index": "logs", "_source": {"message": "x " + json.dumps(v)}},
        lambda v: {"result": {"_raw": json.dumps(v)}},
    ],
)
def test_exports_that_wrap_the_line(tmp_path: Path, wrap: Any) -> None:
    wrapped = [wrap(v) for v in lines()]
    for data in (text(wrapped), json.dumps(wrapped), json.dumps({"data": wrapped}, indent=1)):
        entries, _ = read(tmp_path, data)
        assert [e.rev for e in entries] == [2, 3, 4, 5]


def test_packed_inputs_and_a_mix_of_formats(tmp_path: Path) -> None:
    import importlib

    plain = text(lines()).encode()
    pack = importlib.import_module(zstd()[0].__module__)
    (tmp_path / "a.log").write_bytes(plain)
    (tmp_path / "b.log.gz").write_bytes(
        gzip.compress(plain[: len(plain) // 2]) + gzip.compress(plain[len(plain) // 2 :])
    )
    (tmp_path / "c.log.zst").write_bytes(pack.compress(plain))
    (tmp_path / "d.csv").write_text("id,rev,state\n1,1,new\n1,2,old\n")
    reading = open_inputs(tmp_path)
    entries = list(reading)
    assert [(i.format, i.packing, i.observations) for i in reading.inputs] == [
        ("json-lines", "", 4), ("json-lines", "gzip", 4), ("json-lines", "zstd", 4), ("csv", "", 2)
    ]  # fmt: skip
    assert [i.bytes for i in reading.inputs[:3]] == [len(plain)] * 3
    assert {e.place.input for e in entries} == {0, 1, 2, 3}
    assert len(list(open_inputs(str(tmp_path / "*.gz")))) == 4


def test_stdin_and_byte_order_mark_and_carriage_returns() -> None:
    data = b"\xef\xbb\xbf" + text(lines()).replace("\n", "\r\n").encode()
    reading = open_inputs("-", stdin=io.BytesIO(data))
    assert [e.rev for e in reading if isinstance(e, Observation)] == [2, 3, 4, 5]
    assert reading.inputs[0].name == "-"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="json-lines"):
        open_inputs("x", format="jsonl")


def test_debezium_changes_are_told_by_their_two_sides(tmp_path: Path) -> None:
    source = {"connector": "postgresql", "schema": "s", "table": "t", "lsn": 7, "ts_ms": 1596010889629}
    rows = [
        {
            "payload": {
                "before": None,
                "after": {"id": 1, "a": None, "v": [1]},
                "op": "c",
                "source": source,
                "ts_ms": 1596010889630,
            }
        },
        {"before": {"id": 1, "a": None, "v": [1]}, "after": {"id": 1, "a": 2, "v": []}, "op": "u", "source": source},
        {"before": {"id": 1}, "after": None, "op": "d", "source": source},
        {"schema": {}, "payload": None},
    ]
    entries, reading = read(tmp_path, text(rows))
    assert reading.inputs[0].format == "debezium"
    assert [e.verb for e in entries] == ["create", "update", "delete"]
    assert entries[1].changes == {"a": Moved("add", None, 2), "v": Moved("replace", [1], [])}
    assert entries[0].record.type == "s.t"
    assert entries[0].sequence == 7


def test_the_real_debezium_file() -> None:
    reading = open_inputs(shared("cases/real/debezium_flink_postgres.ndjson"))
    entries = list(reading)
    assert len(entries) == 7
    assert all(isinstance(e, Observation) and e.rev is None for e in entries)
    assert reading.inputs[0].refused == []


def test_couchdb_changes(tmp_path: Path) -> None:
    rows = [
        {"seq": "1-a", "id": "d", "changes": [{"rev": "1-x"}], "doc": {"_id": "d", "type": "order", "state": "new"}},
        {
            "seq": "2-a",
            "id": "d",
            "changes": [{"rev": "2-y"}, {"rev": "2-z"}],
            "doc": {"_id": "d", "type": "order", "state": "old"},
        },
        {"seq": "5-a", "id": "d", "changes": [{"rev": "5-q"}], "deleted": True},
    ]
    for data in (
        text(rows),
        '{"results":[\n' + ",\n".join(map(json.dumps, rows)) + '\n],\n"last_seq":"5-a","pending":0}\n',
    ):
        entries, reading = read(tmp_path, data)
        assert reading.inputs[0].format == "couchdb-changes"
        assert [(e.rev, e.before_rev) for e in entries] == [(1, None), (2, 1), (2, None), (5, None)]
        assert entries[1].changes == {"state": Moved("replace", "new", "old")}
        assert entries[3].verb == "delete"


def test_kubernetes_audit(tmp_path: Path) -> None:
    def event(code: int, version: str, replicas: int) -> dict[str, Any]:
        body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
        return {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": "update",
            "auditID": "x", "user": {"username": "hpa"}, "userAgent": "controller/v1 (linux)",
            "stageTimestamp": "2024-01-01T00:00:00.123456Z", "responseStatus": {"code": code},
            "objectRef": {"resource": "deployments", "namespace": "web", "name": "shop"},
            "requestObject": body, "responseObject": body if code == 200 else None,
        }  # fmt: skip

    entries, reading = read(tmp_path, text([event(200, "810", 2), event(200, "977", 3), event(409, "810", 9)]))
    assert reading.inputs[0].format == "kubernetes-audit"
    first, second, refused = entries
    assert (first.rev, first.sequence, second.sequence) == (None, 810, 977)
    assert second.changes == {"spec.replicas": Moved("replace", 2, 3)}
    assert isinstance(refused, Audit)
    assert (refused.outcome, refused.guard, refused.patch) == ("conflict", 810, {"spec.replicas": 9})
    assert refused.at == 1704067200123


def test_a_table_without_a_map_is_read_where_its_columns_say_enough(tmp_path: Path) -> None:
    data = "number;rev;owner;updated_at\nA;1;;2024-01-01T10:00:00Z\nA;2;ben;2024-01-01T10:00:01Z\nA;3;?;x\nA;4\n"
    entries, reading = read(tmp_path, data)
    assert reading.inputs[0].format == "csv"
    assert entries[0].changes == {}
    assert entries[1].changes == {"owner": Moved("add", None, "ben")}
    assert entries[2].changes == {"owner": Moved("remove", "ben", None)}
    assert entries[1].times.commit == 1704103201000
    assert "2 cells" in reading.inputs[0].refused[0].why


def test_a_table_that_says_too_little_asks_for_a_map(tmp_path: Path) -> None:
    entries, reading = read(tmp_path, "a\tb\tc\n1\t2\t3\n")
    assert entries == []
    assert "--map" in reading.inputs[0].refused[-1].why


def test_a_map_for_objects(tmp_path: Path) -> None:
    mapping = parse(b"""
        record: {is: ticket}
        id: ticket.key
        org: tenant
        rev: ticket.v
        before_rev: ticket.was
        client: by
        sync: {path: by, in: [mirror]}
        time: {path: at, unit: us}
        resource: {type: {is: conversation}, id: ticket.conv}
        marks: [{type: {is: conversation}, id: ticket.conv, rev: seen, name: seen}]
        before: old
        after: new
    """)
    row = {
        "ticket": {"key": "T-1", "v": "3", "was": 2, "conv": "c1"}, "tenant": "acme", "by": "mirror",
        "at": 1646248406486999, "seen": 4, "old": {"who": ["ana"], "x": None}, "new": {"who": [], "x": None, "y": 1},
    }  # fmt: skip
    entries, reading = read(tmp_path, text([row, {"other": 1}]), mapping=mapping)
    (entry,) = entries
    assert reading.inputs[0].silent == 1
    assert (entry.record.type, entry.record.id, entry.record.org, entry.group) == ("ticket", "T-1", "acme", "c1")
    assert (entry.rev, entry.before_rev, entry.is_sync, entry.times.commit) == (3, 2, True, 1646248406486)
    assert entry.changes == {"who": Moved("replace", ["ana"], []), "y": Moved("add", UNSET, 1)}
    assert [(m.record.id, m.rev, m.source) for m in entry.marks] == [("c1", 4, "seen")]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("rev: x", "id"),
        ("id: a\nrevision: b", "revision"),
        ("id: a\ntime: {path: t, zone: Nowhere/Land}", "zone"),
        ("id: [", "map"),
        ("id: a\ntime: {path: t, unit: days}", "unit"),
    ],
)
def test_a_map_that_is_wrong_says_why(wrong: str, why: str) -> None:
    with pytest.raises(BadMapping, match=why):
        parse(wrong.encode())


def test_the_servicenow_table_through_the_example_map() -> None:
    path = shared("cases/real/servicenow_incident_log.csv")
    example = Path(__file__).resolve().parents[3] / "examples" / "servicenow.map.yaml"
    reading = open_inputs(path, mapping=example)
    last: dict[str, int] = {}
    gaps = backwards = cleared = count = 0
    for entry in reading:
        assert isinstance(entry, Observation)
        assert entry.rev is not None
        count += 1
        before = last.get(entry.record.id)
        gaps += before is not None and entry.rev > before + 1
        backwards += before is not None and entry.rev <= before
        cleared += "assigned_to" in entry.changes and entry.changes["assigned_to"].op == "remove"
        last[entry.record.id] = entry.rev
    assert (count, len(last), gaps, backwards, cleared) == (5998, 890, 707, 5, 95)
    assert reading.inputs[0].refused == []


def test_mapping_has_defaults_that_read_a_plain_table(tmp_path: Path) -> None:
    entries, _ = read(
        tmp_path, "key,n,owner\nA,1,\nA,2,ben\n", "t.csv", mapping=Mapping(id="key", rev="n", nothing=("",))
    )
    assert entries[1].changes == {"owner": Moved("add", None, "ben")}
