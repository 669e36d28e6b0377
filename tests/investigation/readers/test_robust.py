"""Inputs that are no logs, or were: each gives a clear line, the rest is read, memory stays bounded."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.investigation.damage import Events

from interlock.investigation.readers import FORMATS, Input, open_inputs
from interlock.investigation.readers.source import LINE_BYTES_MAX, zstd

MIB = 1 << 20
EVENTS = Events(Random(3))
LINES = [json.dumps(EVENTS.line()).encode() for _ in range(6)]
GOOD = b"\n".join(LINES) + b"\n"


def read(data: bytes, **how: Any) -> tuple[int, Input]:
    """How many entries come out of these bytes, and what the report says."""
    reading = open_inputs("-", stdin=io.BytesIO(data), **how)
    return sum(1 for _ in reading), reading.inputs[0]


class Fountain(io.RawIOBase):
    """A stream of `size` bytes out of nothing: a beginning, the same piece again and again, an end."""

    def __init__(self, head: bytes, piece: bytes, size: int, tail: bytes) -> None:
        self._head, self._tail = head, tail
        self._piece = piece * (MIB // len(piece))
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
        elif self._left > 0:
            part = self._piece[: min(size, self._left)]
            self._left -= len(part)
        else:
            part, self._tail = self._tail[:size], self._tail[size:]
        return part


def peak(work: Callable[[], Any]) -> tuple[Any, int]:
    """What some work gives, and the most memory it held at once."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_line_of_a_gigabyte_takes_constant_memory() -> None:
    fountain = Fountain(GOOD + b'{"a":"', b"x" * 1024, 1 << 30, b'"}\n' + GOOD)
    reading = open_inputs("-", stdin=fountain)  # type: ignore[arg-type]
    count, memory = peak(lambda: sum(1 for _ in reading))
    report = reading.inputs[0]
    assert count == 12
    assert [(r.place.line, "longer than" in r.why) for r in report.refused] == [(7, True)]
    assert report.bytes > 1 << 30
    assert memory < 5 * LINE_BYTES_MAX


@pytest.mark.parametrize("format", FORMATS)
def test_a_long_line_takes_bounded_memory_in_every_format(format: str) -> None:
    fountain = Fountain(b"id,rev,x\n{", b'"a,\t[{', 48 * MIB, b"\n" + GOOD)
    reading = open_inputs("-", stdin=fountain, format=format)  # type: ignore[arg-type]
    _, memory = peak(lambda: sum(1 for _ in reading))
    assert any("longer than" in r.why for r in reading.inputs[0].refused)
    assert memory < 6 * LINE_BYTES_MAX


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("piece", [b'\\"', b" ", b"\t{", b'":', b"},{", b'"\\'])
def test_no_line_takes_time_out_of_proportion(format: str, piece: bytes) -> None:
    """Half a megabyte that invites every pattern to start over at each byte; it would take hours."""
    for head in (b'{"a":"', b'- a: "', b'{"a": \xe2\x80\x9c'):
        read(head + piece * (500_000 // len(piece)) + b"\n" + GOOD, format=format)


def test_an_array_longer_than_memory_is_streamed() -> None:
    """60 MiB of objects in one pretty array; at no time are more than a few of them held."""
    pretty = json.dumps(json.loads(LINES[0]) | {"pad": "x" * 200_000}, indent=1).encode() + b",\n"
    fountain = Fountain(b"[\n", pretty, len(pretty) * 300, LINES[1] + b"]\n")
    fountain._piece = pretty  # one object a read, so that none is cut
    reading = open_inputs("-", stdin=fountain)  # type: ignore[arg-type]
    count, memory = peak(lambda: sum(1 for _ in reading))
    assert count == 301
    assert memory < 12 * MIB


@pytest.mark.parametrize(
    "deep", [b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"a":[' * 10_000]
)
@pytest.mark.parametrize("format", [None, *FORMATS])
def test_ten_thousand_levels(deep: bytes, format: str | None) -> None:
    count, report = read(LINES[0] + b"\n" + b'{"x":' + deep + b"}\n" + GOOD, format=format)
    assert report.refusals + report.silent >= 1 or format == "incident-document"
    assert count >= 7 or format not in (None, "json-lines", "incident-document")


def test_bytes_that_are_no_utf_8() -> None:
    count, report = read(GOOD + b'{"a":"\xff\xfe", "b": 1}\n' + b"\xc3\x28\n" + GOOD)
    assert count == 12
    assert [r.place.line for r in report.refused] == [7]
    assert "UTF-8" in report.refused[0].why


def test_nul_bytes_where_a_log_was_cut() -> None:
    count, report = read(GOOD + b"\0" * 5000 + LINES[0] + b"\n" + GOOD)
    assert count == 13
    assert "5,000 NUL bytes" in report.refused[0].why


def test_a_torn_line_and_two_in_one() -> None:
    count, report = read(LINES[0] + b"\n" + LINES[1] + LINES[2] + b"\n" + LINES[3][:300] + LINES[4] + b"\n" + GOOD)
    assert count == 9
    assert [r.place.line for r in report.refused] == [3]


@pytest.mark.parametrize("cut", [1, 9, 40, 400])
def test_packed_data_that_ends_early(cut: int) -> None:
    import importlib

    many = b"".join(json.dumps(EVENTS.line()).encode() + b"\n" for _ in range(400))
    for packed in (gzip.compress(many), importlib.import_module(zstd()[0].__module__).compress(many)):
        count, report = read(packed[:-cut])
        assert 0 < count <= 400
        assert "ends early" in report.refused[-1].why
    damaged = bytearray(gzip.compress(many))
    damaged[len(damaged) // 2] ^= 0xFF
    count, report = read(bytes(damaged))
    assert count < 400
    assert "damaged" in report.refused[-1].why


def test_data_that_unpacks_to_far_more_is_unpacked_in_steps() -> None:
    bomb = gzip.compress(gzip.compress(b"0" * (512 * MIB), 1)[:0] + b'{"a":"' + b"0" * (200 * MIB) + b'"}\n' + GOOD, 1)
    (count, report), memory = peak(lambda: read(bomb))
    assert count == 6
    assert report.refused[0].place.line == 1
    assert memory < 5 * LINE_BYTES_MAX


def test_inputs_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "picture").write_bytes(b"\x89PNG\0\0\0" + bytes(500))
    (tmp_path / "wide").write_bytes("id,rev".encode("utf-16"))
    (tmp_path / "prose").write_text("nothing to see\nhere\n")
    locked = tmp_path / "locked"
    locked.write_bytes(GOOD)
    locked.chmod(0)
    names = ["empty", "folder", "picture", "wide", "prose", "absent", "*.none"]
    reading = open_inputs([tmp_path / n for n in [*names, "locked"]])
    entries = list(reading)
    whys = {Path(i.name).name: i.refused[0].why for i in reading.inputs if i.refused}
    assert whys["empty"] == "it is empty"
    assert whys["folder"] == "the folder has no files"
    assert whys["picture"] == "it is no text"
    assert "UTF-16" in whys["wide"]
    assert "--map" in whys["prose"]
    assert whys["absent"] == "there is no such file"
    assert whys["*.none"] == "no file matches"
    if os.geteuid() != 0:
        assert "cannot be opened" in whys["locked"]
        assert entries == []


def test_a_read_that_fails_on_the_way() -> None:
    class Torn(Fountain):
        """A disk that gives up after a while."""

        def read(self, size: int = -1) -> bytes:
            if not self._head:
                raise OSError(5, "Input/output error")
            return super().read(size)

    reading = open_inputs("-", stdin=Torn(GOOD * 100, b"x", 0, b""))  # type: ignore[arg-type]
    assert sum(1 for _ in reading) == 600
    assert "Input/output error" in reading.inputs[0].refused[-1].why


def test_millions_of_bad_lines_are_counted_and_few_are_kept() -> None:
    count, report = read(GOOD + b'{"a" 1}\n' * 5_000 + GOOD)
    assert count == 12
    assert report.refusals == 5_000
    assert len(report.refused) == 1_000


def test_a_quote_that_is_never_closed_does_not_swallow_a_table() -> None:
    rows = "".join(f"A,{n},ok\n" for n in range(20_000))
    count, report = read(("id,rev,state\n" + 'A,1,"open\n' + rows).encode())
    assert count > 1_000
    assert any("cannot be read" in r.why for r in report.refused)


def test_a_table_whose_head_is_no_row() -> None:
    count, report = read(b"id,rev\r,state\nA,1,new\n", format="csv")
    assert count == 0
    assert report.refusals > 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"op": [1], "source": {}}',
        b'{"apiVersion": "audit.k8s.io/v1", "verb": {}}',
        b'{"seq": [1], "id": "a", "changes": [{"rev": []}]}',
    ],
)
def test_members_of_another_kind_than_expected(line: bytes) -> None:
    count, _ = read(line + b"\n" + GOOD)
    assert count in (6, 7)


def test_a_line_that_has_its_declared_length_never_enters_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("repair was asked about a line that is whole")

    body = {"id": "e1", "name": "conversation.update", "note": "naïve, whole and without a list " * 10}
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    for length in (len(text), len(text.encode())):
        line = f'{{"level":30,"fullBodyLength":{length},"body":{text}}}'.encode()
        monkeypatch.setattr("interlock.investigation.readers.jsonlines.Block", refuse)
        _, report = read(line + b"\n", format="json-lines")
        assert (report.entries, report.repaired, report.refusals) == (1, 0, 0)


@pytest.mark.parametrize("size", [100_000, 3 * MIB, 40 * MIB])
def test_a_log_whose_first_line_is_long(size: int) -> None:
    count, report = read(b'{"a":1,"b":"' + b"x" * size + b'"}\n' + GOOD)
    assert count == 6
    if size < 16 * MIB:
        assert (report.format, report.entries, report.refused) == ("json-lines", 7, [])
    else:
        assert ["longer than" in r.why for r in report.refused] == [True]


def test_a_long_document_on_one_line_is_no_log() -> None:
    change = '{"seq":%d,"id":"d%d","changes":[{"rev":"2-x"}],"doc":{"type":"o","n":1}}'
    feed = '{"results":[' + ",".join(change % (n, n) for n in range(2_000)) + '],"last_seq":7}'
    for end in ("", "\n"):
        count, report = read((feed + end).encode())
        assert (count, report.format) == (2_000, "couchdb-changes")
