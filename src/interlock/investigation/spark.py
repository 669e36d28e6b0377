"""The same rules on a cluster. PySpark reads, sorts and shares out; what is true `examine` decides, as everywhere.

    1  pieces of the inputs → entries, keyed by conversation and place          (`mapPartitions`)
    2  repartitioned by conversation, sorted by place within each partition
    3  conversations → what `examine` says of each, and who held what           (`mapPartitions`)
    4  who held what, by user → R26                                             (`mapPartitions`)

Only plain JSON lines in files can be read in pieces; a packed file, a document or a table is one task. Paths are opened
by the workers, so every machine has to see them; an address with a scheme (`hdfs://…`, `s3a://…`) is read by Spark's
own file systems, as UTF-8 text, line by line. The package has to be installed on every machine.
"""

from __future__ import annotations

import importlib
import pickle
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interlock.investigation.big.lines import Share, lines_of, shares, whole_line
from interlock.investigation.detectors.capacity import Held, Limit, over_capacity
from interlock.investigation.finding import LISTED_MAX, History, Input, Limits, Refused, Repair
from interlock.investigation.investigate import Examined, Report, examine, report
from interlock.investigation.mapping import Mapping
from interlock.investigation.observation import Audit, Entry, Observation, Place
from interlock.investigation.readers import Reading
from interlock.investigation.readers.detect import Format, detect
from interlock.investigation.readers.source import LINE_BYTES_MAX, Line, Named, Stream, named_inputs

PIECE_BYTES = 16 << 20
"""How much of a file one task reads."""

ASKS_MAX = 100
_JSON_LINES = Format("json-lines", "json-lines")
_USUAL = Limits()


class Piece(NamedTuple):
    """What one task reads: a share of a file's lines, or (`share=None`) a whole input through its reader."""

    input: int
    share: Share | None


class Told(NamedTuple):
    """What became of one piece.

    begin   its first byte      lines, bytes   how many of the input      end   the latest moment in it (ms)
    """

    input: int
    begin: int
    lines: int
    bytes: int
    read: Input
    end: int | None


class Plan(NamedTuple):
    """What every task is told. `names`: the inputs, by number."""

    names: tuple[str, ...]
    format: str | None
    mapping: Mapping | None

    def reading(self) -> Reading:
        """The inputs, to be read on this machine."""
        return Reading([_named(name) for name in self.names], self.format, self.mapping)


class Done(NamedTuple):
    """The report, and some of the histories behind its findings."""

    report: Report
    histories: list[History]


Key = tuple[str, int, int, int]
"""Conversation, input, byte offset, number within the piece: entries of a conversation in the order of the inputs."""


def investigate(
    context: Any, paths: Sequence[str | Path], *, format: str | None = None, mapping: Mapping | None = None,
    limits: Limits = _USUAL, histories_max: int = 0,
) -> Done:  # fmt: skip
    """Everything the paths name, on the cluster of this SparkContext. So many of the histories with findings come back.

    Raises `ValueError` for `-`: a cluster cannot read standard input.
    """
    plan = Plan(tuple(_names(paths)), format, mapping)
    reading = plan.reading()
    width = int(context.defaultParallelism)
    pieces, remote = _pieces(plan, reading, width)
    level = importlib.import_module("pyspark").StorageLevel.DISK_ONLY
    parts = [context.parallelize(pieces, max(1, len(pieces))).mapPartitions(lambda some: _taken(plan, some))]
    parts += [_remote(context, plan, number) for number in remote]
    taken = context.union(parts).persist(level)
    told: list[Told] = taken.filter(lambda x: x[0] is None).values().collect()
    ends = [t.end for t in told if t.end is not None]
    inputs, starts = _inputs(reading, told)
    end = max(ends, default=None)
    size = sum(t.bytes for t in told)
    sorted_ = taken.filter(lambda x: x[0] is not None).repartitionAndSortWithinPartitions(
        max(width, size // (4 * PIECE_BYTES)), lambda key: zlib.crc32(key[0].encode())
    )
    judged = sorted_.mapPartitions(lambda rows: _judged(rows, starts, limits, end, histories_max)).persist(level)
    found: list[Any] = judged.filter(lambda x: x[0] in ("examined", "history")).collect()
    held = judged.filter(lambda x: x[0] == "held").values()
    beyond = held.partitionBy(width, lambda key: zlib.crc32(repr(key).encode())).mapPartitions(_beyond).collect()
    examined: list[Examined] = [value for kind, value in found if kind == "examined"]
    examined.append(Examined(group="", findings=tuple(beyond)))
    histories = [value for kind, value in found if kind == "history"][:histories_max]
    return Done(report(examined, inputs, without=frozenset({"R26"})), histories)


def _names(paths: Sequence[str | Path]) -> Iterator[str]:
    for path in paths:
        if str(path) == "-":
            raise ValueError("a cluster cannot read standard input: write it to a file that every machine sees")
        if "://" in str(path):
            yield str(path)
        else:
            yield from (n.name for n in named_inputs([path], sys.stdin.buffer))


def _named(name: str) -> Named:
    if "://" in name:
        return Named(name, None, "it is read by Spark")
    path = Path(name)
    return Named(name, lambda: path.open("rb")) if path.exists() else Named(name, None, "there is no such file")


def _pieces(plan: Plan, reading: Reading, width: int) -> tuple[list[Piece], list[int]]:
    """The tasks, and the inputs that Spark reads itself."""
    pieces: list[Piece] = []
    remote: list[int] = []
    for n, name in enumerate(plan.names):
        if "://" in name:
            remote.append(n)
        elif (found := _splittable(plan, reading, n)) is not None:
            size = Path(name).stat().st_size
            pieces += [Piece(n, s) for s in shares(n, name, size, min(size or 1, max(width, size // PIECE_BYTES)))]
            reading.inputs[n].format = found.name
        else:
            pieces.append(Piece(n, None))
    return pieces, remote


def _splittable(plan: Plan, reading: Reading, number: int) -> Format | None:
    path = Path(plan.names[number])
    if not path.is_file():
        return None
    with path.open("rb") as file:
        stream = Stream(file)
        found, _ = detect(stream.head, plan.names[number], plan.format)
        if found is None or stream.packing or stream.trouble:
            return None
        return None if reading.remembers(number, stream.head, found) else found


def _taken(plan: Plan, pieces: Iterable[Piece]) -> Iterator[tuple[Key | None, Any]]:
    """The entries of some pieces, and what became of each piece (key `None`)."""
    for piece in pieces:
        reading = plan.reading()
        read = reading.inputs[piece.input]
        if piece.share is None:
            yield from _keyed(piece.input, 0, reading.read(piece.input), read)
        else:
            begin, end = piece.share.begin, piece.share.end
            entries = reading.read_lines(piece.input, _lines(piece.share, read), _JSON_LINES)
            yield from _keyed(piece.input, begin, entries, read, end - begin)


def _keyed(
    input: int, begin: int, entries: Iterator[Entry], read: Input, size: int | None = None
) -> Iterator[tuple[Key | None, Any]]:
    end: int | None = None
    for n, entry in enumerate(entries):
        at = entry.at if isinstance(entry, Audit) else entry.times.best
        if at is not None and (end is None or at > end):
            end = at
        yield (entry.group, input, entry.place.offset, n), pickle.dumps(entry, pickle.HIGHEST_PROTOCOL)
    yield None, Told(input, begin, read.lines, read.bytes - begin if size is None else size, read, end)


def _lines(share: Share, read: Input) -> Iterator[Line]:
    """A share's lines, numbered within it. What is too long for a line is refused."""
    with lines_of(share) as (lines, offset):
        begin = offset
        for n, piece in enumerate(lines, 1):
            if begin >= share.end:
                return
            data, size = whole_line(piece, lines)
            if size > LINE_BYTES_MAX:
                place = Place(share.input, n, begin)
                read.refuse(Refused(place, f"the line is {size:,} bytes long; it is passed over"))
                data = b""
            yield Line(n, begin, data.rstrip(b"\r\n"))
            begin += size


def _remote(context: Any, plan: Plan, number: int) -> Any:
    """An input that only Spark can open: pairs of offset and text."""
    pairs = context.newAPIHadoopFile(
        plan.names[number],
        "org.apache.hadoop.mapreduce.lib.input.TextInputFormat",
        "org.apache.hadoop.io.LongWritable",
        "org.apache.hadoop.io.Text",
    )
    return pairs.mapPartitions(lambda some: _taken_remotely(plan, number, some))


def _taken_remotely(plan: Plan, number: int, pairs: Iterator[tuple[int, str]]) -> Iterator[tuple[Key | None, Any]]:
    first = next(pairs, None)
    if first is None:
        return
    reading = plan.reading()

    def lines() -> Iterator[Line]:
        yield Line(1, first[0], first[1].encode())
        for n, (offset, text) in enumerate(pairs, 2):
            yield Line(n, offset, text.encode())

    entries = reading.read_lines(number, lines(), _JSON_LINES)
    yield from _keyed(number, first[0], entries, reading.inputs[number])


Starts = dict[int, tuple[list[int], list[int]]]
"""By input: where its pieces begin, and how many lines come before each."""


def _inputs(reading: Reading, told: Sequence[Told]) -> tuple[list[Input], Starts]:
    """What became of each input, and where its pieces stand: line numbers in it are those of the piece."""
    inputs: list[Input] = []
    starts: Starts = {}
    for n, named in enumerate(reading.inputs):
        parts = sorted((t for t in told if t.input == n), key=lambda t: t.begin)
        begins, before, lines = [], [], 0
        repairs: list[Repair] = []
        refused: list[Refused] = []
        for part in parts:
            begins.append(part.begin)
            before.append(lines)
            repairs += [_later(r, lines) for r in part.read.repairs]
            refused += [_later(r, lines) for r in part.read.refused]
            lines += part.lines
        starts[n] = begins, before
        one = next((p.read.format for p in parts if p.read.format), named.format)
        inputs.append(Input(
            name=named.name, format=one, bytes=sum(p.bytes for p in parts), entries=sum(p.read.entries for p in parts),
            observations=sum(p.read.observations for p in parts), audits=sum(p.read.audits for p in parts), lines=lines,
            silent=sum(p.read.silent for p in parts), repaired=sum(p.read.repaired for p in parts),
            refusals=sum(p.read.refusals for p in parts), repairs=repairs[:LISTED_MAX], refused=refused[:LISTED_MAX],
        ))  # fmt: skip
    return inputs, starts


def _later(told: Any, lines: int) -> Any:
    place: Place = told.place
    return msgspec.structs.replace(told, place=place._replace(line=place.line + lines))


def _placed(entry: Entry, starts: Starts) -> Entry:
    begins, before = starts[entry.place.input]
    lines = before[bisect_right(begins, entry.place.offset) - 1]
    return _later(entry, lines) if lines else entry


def _judged(
    rows: Iterator[tuple[Key, bytes]], starts: Starts, limits: Limits, end: int | None, histories_max: int
) -> Iterator[tuple[str, Any]]:
    """What is to be said of each conversation; of those of which nothing is, only what the verdict needs."""
    checked, doubtful, kept = 0, False, 0
    asks: dict[str, None] = {}
    for group, some in groupby(rows, key=lambda row: row[0][0]):
        history = _history(group, (pickle.loads(blob) for _, blob in some), starts, limits)
        said = examine(history, end)
        for row in said.rows:
            yield "held", ((row.org, row.user), row)
        if said.findings or said.holes:
            yield "examined", msgspec.structs.replace(said, rows=())
            if kept < histories_max and any(f.severity != "low" for f in said.findings):
                kept += 1
                yield "history", history
            continue
        checked += said.checked
        doubtful = doubtful or said.doubtful
        if len(asks) < ASKS_MAX:
            asks.update(dict.fromkeys(said.asks))
    yield "examined", Examined(group="", checked=checked, doubtful=doubtful, asks=tuple(asks))


def _history(group: str, entries: Iterable[Entry], starts: Starts, limits: Limits) -> History:
    observations: list[Observation] = []
    audits: list[Audit] = []
    for entry in entries:
        placed = _placed(entry, starts)
        if isinstance(placed, Audit):
            audits.append(placed)
        else:
            observations.append(placed)
    return History(group, observations, audits, limits)


def _beyond(rows: Iterable[tuple[tuple[str, str], Held | Limit]]) -> Iterator[Any]:
    """R26 over the users of one partition."""
    return over_capacity(map(itemgetter(1), rows))
