"""One decision as rows for PostgreSQL, and many as one batch: every row of a kind in one table of arrays.

A batch is checked and written by set-based statements, so no two decisions of it may touch the same record, name or
mark; `Prepared.touches` says what one touches. What happens several times to one thing within one is folded here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from interlock.domain.errors import Conflict, Fenced, KeyTaken, RevMoved
from interlock.domain.log import Entry, Row, encode_entry, encode_record, rows_up_to
from interlock.domain.record import Address, Record
from interlock.ports import Commit, Mark
from interlock.store.claims import Held, moved_claims, taken_by

SORT_MAX = 500
"""Characters of `sort` that are kept: a page of an index holds no more than some 2,700 bytes."""
NAME_MAX = 500
"""Bytes of a unique name or of a mark's key that are kept as they are; a longer one is told by its digest."""
INT_MAX = (1 << 63) - 1

FENCE, REV, NAME, MARK = range(4)
_Line = tuple[Any, ...]


class Prepared(msgspec.Struct, frozen=True):
    """A commit with everything encoded. `dead`: what it is refused for in any case."""

    fences: tuple[_Line, ...]
    records: tuple[_Line, ...]
    claims: tuple[_Line, ...]
    marks: tuple[_Line, ...]
    log: tuple[_Line, ...]
    afters: tuple[Record, ...]
    touches: frozenset[Any]
    entries: tuple[Entry, ...]
    dead: Conflict | None = None

    def rows_to(self, last: Row) -> tuple[Row, ...]:
        """All its rows, by the last of them."""
        return rows_up_to(self.entries[:-1], last)


def prepare(commit: Commit, now: int) -> Prepared:
    """Encode a commit; `now` in ms, for marks that replace each other within it.

    Raises `ValueError` for writes without an entry and for numbers that no column holds, `KeyTaken` if the commit takes
    one name twice.
    """
    entries = commit.entries
    if not entries and (commit.writes or commit.earlier):
        raise ValueError("a commit with writes needs an entry for the log")
    released, taken = moved_claims(commit.writes)
    records, afters, broken = _records(commit)
    marks, doubled = _marks(commit.marks, now)
    claims = (*(_claim(held, taken=False) for held in released), *(_claim(held, taken=True) for held in taken))
    log = tuple([_log_line(entry) for entry in entries])
    fences = ((short(commit.fence.name), commit.fence.epoch),) if commit.fence is not None else ()
    touches = frozenset((*(r[:3] for r in records), *(c[0] for c in claims), *(m[:3] for m in marks)))
    return Prepared(fences, records, claims, marks, log, afters, touches, entries, broken or doubled)


def _log_line(entry: Entry) -> _Line:
    return (plain(entry.org), plain(entry.partition), _number(entry.at), encode_entry(entry), entry.listed_direction)


def _records(commit: Commit) -> tuple[tuple[_Line, ...], tuple[Record, ...], RevMoved | None]:
    """One line for each record: the rev that is expected, and its last version. Also what breaks the chain, if any."""
    changes = [change for entry in commit.entries for change in entry.changes]
    chains: dict[Address, tuple[int, Record, bytes | msgspec.Raw]] = {}
    for n, write in enumerate(commit.writes):
        address, before = write.after.address, write.before.rev if write.before is not None else 0
        chain = chains.get(address)
        if chain is not None and chain[1].rev != before:
            return _lines(chains), (), RevMoved(f"{address.type} {address.id} is at rev {chain[1].rev}.",
                                                rev=chain[1].rev)  # fmt: skip
        body: bytes | msgspec.Raw = b""
        if n < len(changes) and (changes[n].type, changes[n].id, changes[n].rev) == (*address[::2], write.after.rev):
            body = changes[n].snapshot
        chains[address] = (chain[0] if chain is not None else before, write.after, body or encode_record(write.after))
    return _lines(chains), tuple(after for _, after, _ in chains.values()), None


def _lines(chains: dict[Address, tuple[int, Record, bytes | msgspec.Raw]]) -> tuple[_Line, ...]:
    out: list[_Line] = []
    for address, (before, after, body) in chains.items():
        index = after.index()
        out.append((
            plain(address.type), plain(address.org), plain(address.id), before, after.rev, _number(after.updated_at),
            plain(index.state), plain(index.parent), plain(index.queue), plain(index.owner),
            plain(index.sort[:SORT_MAX]), None if index.due_at is None else _number(index.due_at), index.mark,
            bytes(body),
        ))  # fmt: skip
    return tuple(out)


def _claim(held: Held, *, taken: bool) -> _Line:
    name, holder = held
    return (short(name), taken, plain(holder.type), plain(holder.org), plain(holder.id))


def _marks(marks: Sequence[Mark], now: int) -> tuple[tuple[_Line, ...], KeyTaken | None]:
    """One line for each key: what it comes to, and whether the first move of it asks for a free one."""
    lines: dict[tuple[str, str, str], tuple[Mark, bool]] = {}
    for mark in marks:
        key = (mark.space, mark.org, mark.key)
        held = lines.get(key)
        once = mark.once and mark.value is not None
        if once and held is not None and held[0].value is not None and _lives(held[0], now):
            return _mark_lines(lines), taken_by("/".join(key))
        lines[key] = (mark, once if held is None else held[1])
    return _mark_lines(lines), None


def _mark_lines(lines: dict[tuple[str, str, str], tuple[Mark, bool]]) -> tuple[_Line, ...]:
    return tuple(
        (plain(space), plain(org), short(key), mark.value, None if mark.until is None else _number(mark.until), once)
        for (space, org, key), (mark, once) in lines.items()
    )


def _lives(mark: Mark, now: int) -> bool:
    return mark.until is None or now < mark.until


class Batch:
    """Decisions that are handed in together, as the arguments of `commit_batch`, and what their answer means."""

    def __init__(self, decisions: Sequence[Prepared]) -> None:
        self.decisions = decisions
        self._records: list[_Line] = []
        self._claims: list[str] = []
        self._marks: list[str] = []
        self._fences: list[str] = []

    def arguments(self) -> list[Any]:
        """Everything after the batch's own name, number and time."""
        fences: list[_Line] = []
        records: list[_Line] = []
        claims: list[_Line] = []
        marks: list[_Line] = []
        log: list[_Line] = []
        dead: list[int] = []
        for d, decision in enumerate(self.decisions):
            fences += ((d, *line) for line in decision.fences)
            records += ((d, *line) for line in decision.records)
            claims += ((d, *line) for line in decision.claims)
            marks += ((d, *line) for line in decision.marks)
            log += ((d, *line) for line in decision.log)
            if decision.dead is not None:
                dead.append(d)
        self._fences = [line[1] for line in fences]
        self._claims = [line[1] for line in claims]
        self._marks = ["/".join(line[1:4]) for line in marks]
        self._records = [line[1:4] for line in records]
        bodies: list[bytes] = []
        tables = {"fences": fences, "records": records, "claims": claims, "marks": marks, "log": log}
        packed = [text for name, lines in tables.items() for text in _columns(lines, name, bodies)]
        return [*packed, numbers(dead), b"".join(bodies)]

    def outcomes(self, base: int, refused: Iterable[Sequence[int]]) -> list[Row | Conflict | None]:
        """What each decision came to: its (last) row, its refusal, or nothing for marks alone."""
        causes = {d: (cause, n, found) for d, cause, n, found in refused}
        out: list[Row | Conflict | None] = []
        position = base
        for d, decision in enumerate(self.decisions):
            if d in causes:
                out.append(self._refusal(*causes[d]))
            elif decision.dead is not None:
                out.append(decision.dead)
            elif not decision.entries:
                out.append(None)
            else:
                position += len(decision.entries)
                out.append(decision.entries[-1].at_position(position))
        return out

    def _refusal(self, cause: int, n: int, found: int) -> Conflict:
        if cause == FENCE:
            return Fenced(f"{natural(self._fences[n - 1])} is at epoch {found}.", epoch=found)
        if cause == REV:
            type, _, id = self._records[n - 1]
            return RevMoved(f"{natural(type)} {natural(id)} is at rev {found}.", rev=found)
        return taken_by(natural((self._claims if cause == NAME else self._marks)[n - 1]))


def _columns(lines: Sequence[_Line], table: str, bodies: list[bytes]) -> Iterator[str]:
    """The columns of one table, each an array as PostgreSQL writes it. Its bodies go to the end of `bodies`, and their
    places there into two columns.
    """
    written = _WRITTEN[table]
    columns: Sequence[Sequence[Any]] = list(zip(*lines, strict=True)) or [()] * len(written)
    for write, values in zip(written, columns, strict=True):
        if write is None:
            yield from _places(values, bodies)
        else:
            yield write(values)


def _places(values: Sequence[bytes | None], bodies: list[bytes]) -> tuple[str, str]:
    """Where each body begins, from 1, and how long it is; one that is not there has no length."""
    begins = sum(map(len, bodies)) + 1
    starts: list[int] = []
    for value in values:
        starts.append(begins)
        begins += len(value or b"")
    bodies.append(b"".join([value or b"" for value in values]))
    return numbers(starts), numbers([None if value is None else len(value) for value in values])


def numbers(values: Sequence[int | None]) -> str:
    """An array of numbers as PostgreSQL writes it: the driver asks of every element what it is."""
    if None in values:
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    return "{" + ",".join(map(str, values)) + "}"


def flags(values: Sequence[bool]) -> str:
    """An array of truths in the same way."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def texts(values: Sequence[str]) -> str:
    """An array of texts in the same way."""
    if not values:
        return "{}"
    inside = '","'.join(values)
    if "\\" in inside or inside.count('"') != 2 * (len(values) - 1):
        inside = '","'.join([v.replace("\\", r"\\").replace('"', r"\"") for v in values])
    return f'{{"{inside}"}}'


_WRITTEN: dict[str, tuple[Callable[[Sequence[Any]], str] | None, ...]] = {
    "fences": (numbers, texts, numbers),
    "records": (numbers, *[texts] * 3, *[numbers] * 3, *[texts] * 5, numbers, texts, None),
    "claims": (numbers, texts, flags, *[texts] * 3),
    "marks": (numbers, *[texts] * 3, None, numbers, flags),
    "log": (numbers, *[texts] * 2, numbers, None, texts),
}
"""How the columns of a table are written; `None` for its bodies."""


def plain(text: str) -> str:
    """A text as PostgreSQL takes it: NUL cannot stand in its texts. Reversible, and the order stays."""
    if "\0" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")
    return text


def natural(text: str) -> str:
    """The text again that `plain` was given."""
    return text.replace("\x01\x01", "\0").replace("\x01\x02", "\x01") if "\x01" in text else text


def short(name: str) -> str:
    """A name that an index can hold: a long one keeps its beginning, and its digest tells it from others."""
    name = plain(name)
    if len(name) <= NAME_MAX // 4 or len(name.encode()) <= NAME_MAX:
        return name
    return f"{name[: NAME_MAX // 4]}\x01\x03{hashlib.sha256(name.encode()).hexdigest()}"


def _number(value: int) -> int:
    if not -INT_MAX <= value <= INT_MAX:
        raise OverflowError(f"{value} is no number that the store can hold")
    return value
