"""One decision as SQL: prepared when its author hands it in, applied inside the open transaction of a batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import apsw
import msgspec

from interlock.domain.change import ChangeSet
from interlock.domain.decision import Write
from interlock.domain.errors import Conflict, Fenced, KeyTaken, RevMoved
from interlock.domain.log import Entry, Row, encode_entry, encode_record, rows_up_to
from interlock.domain.record import Address, Index, Record
from interlock.ports import Commit, Fence, Mark
from interlock.store.claims import Held, moved_claims, taken_by

Body = bytes | msgspec.Raw
UNFIT = (ValueError, TypeError, OverflowError)
"""What apsw raises for a value that cannot be bound."""


class Move(msgspec.Struct, frozen=True):
    """One record's write with its bindings. `before_rev` 0: it is new. `moved`: some promoted column differs."""

    address: Address
    after: Record
    index: Index
    before_rev: int
    moved: bool
    body: Body


class Lease(msgspec.Struct, frozen=True):
    """A lease that is asked for: until when (ms); `until` = `now` gives it back."""

    name: str
    holder: str
    now: int
    until: int


class Prepared(msgspec.Struct, frozen=True):
    """A commit with everything encoded, so that the batch runs statements and nothing else.

    `single`: only its first statement can be refused, so it needs no savepoint to be undone. `earlier`: the entries
    whose rows come first, each with its encoded form.
    """

    moves: tuple[Move, ...]
    released: list[Held]
    taken: list[Held]
    marks: tuple[Mark, ...]
    entry: Entry | None
    body: bytes
    single: bool = False
    fence: Fence | None = None
    lease: Lease | None = None
    earlier: tuple[tuple[Entry, bytes], ...] = ()

    def rows_to(self, last: Row) -> tuple[Row, ...]:
        """All its rows, by the last of them."""
        return rows_up_to([entry for entry, _ in self.earlier], last)


NOTHING = Prepared((), [], [], (), None, b"")


def prepare(commit: Commit, index_of: Callable[[Record], Index]) -> Prepared:
    """Encode a commit. `index_of` knows the promoted columns of versions that were read.

    Raises `ValueError` for writes without an entry, `KeyTaken` if the commit takes one name twice.
    """
    entry = commit.entry
    if entry is None:
        if commit.writes or commit.earlier:
            raise ValueError("a commit with writes needs an entry for the log")
        return msgspec.structs.replace(NOTHING, marks=commit.marks, fence=commit.fence)
    released, taken = moved_claims(commit.writes)
    changes = [change for e in commit.entries for change in e.changes]
    moves = tuple(_move(w, change, index_of) for w, change in zip_longest(commit.writes, changes) if w is not None)
    earlier = tuple((e, encode_entry(e)) for e in commit.earlier)
    single = len(moves) <= 1 and not (taken or commit.marks or earlier) and 0 <= entry.at < 1 << 63
    return Prepared(
        moves, released, taken, commit.marks, entry, encode_entry(entry), single, commit.fence, earlier=earlier
    )


def _move(write: Write, change: ChangeSet | None, index_of: Callable[[Record], Index]) -> Move:
    before, after = write.before, write.after
    index = after.index()
    body: Body
    if change is not None and change.id == after.id and change.rev == after.rev and change.type == after.TYPE:
        body = change.snapshot
    else:
        body = encode_record(after)
    if before is None:
        return Move(after.address, after, index, 0, True, body)
    return Move(after.address, after, index, before.rev, index_of(before) != index, body)


class Applier:
    """Runs the statements of decisions on one connection. Its transaction is begun and ended by the group commit."""

    def __init__(self, connection: apsw.Connection, sql: dict[str, str]) -> None:
        self._connection = connection
        self._execute: Callable[..., Any] = connection.cursor().execute
        self._sql = sql
        self._insert, self._update, self._update_body = sql["insert_record"], sql["update_record"], sql["update_body"]
        self._append = sql["append_log"]

    def last_position(self) -> int:
        """The newest position that this transaction sees."""
        return self._execute(self._sql["last_position"]).fetchall()[0][0]

    def apply(self, prepared: Prepared, position: int, now: int) -> Row | int | None:
        """Write one decision at `position`, in a savepoint of its own; raises its refusal and leaves nothing of it.

        Answers with its row, or a lease's epoch.

        Values that SQLite cannot take (`ValueError`, `TypeError`, `OverflowError`) are refused in the same way.
        """
        if prepared.lease is not None:
            return self._lease(prepared.lease)
        if prepared.fence is not None:
            self._check(prepared.fence)
        if prepared.single:
            return self._write(prepared, position, now)
        self._execute("SAVEPOINT decision")
        try:
            row = self._write(prepared, position, now)
        except (Conflict, *UNFIT):
            self._execute("ROLLBACK TO decision")
            self._execute("RELEASE decision")
            raise
        self._execute("RELEASE decision")
        return row

    def _write(self, prepared: Prepared, position: int, now: int) -> Row | None:
        for move in prepared.moves:
            self._move(move)
        if prepared.released or prepared.taken:
            self._claims(prepared)
        for mark in prepared.marks:
            self._mark(mark, now)
        entry = prepared.entry
        if entry is None:
            return None
        for each, body in prepared.earlier:
            self._log(position, each, body)
            position += 1
        self._log(position, entry, prepared.body)
        return entry.at_position(position)

    def _log(self, position: int, entry: Entry, body: bytes) -> None:
        self._execute(self._append, (position, entry.org, entry.partition, entry.at, body, entry.listed_direction))

    def _lease(self, lease: Lease) -> int | None:
        taken = lease.until > lease.now
        bindings = {"name": lease.name, "holder": lease.holder, "now": lease.now, "until": lease.until}
        found = self._execute(self._sql["take_lease" if taken else "give_back_lease"], bindings).fetchall()
        return found[0][0] if found else None

    def _check(self, fence: Fence) -> None:
        found = self._execute(self._sql["epoch"], (fence.name,)).fetchall()
        epoch = found[0][0] if found else 0
        if epoch != fence.epoch:
            raise Fenced(f"{fence.name} is at epoch {epoch}.", epoch=epoch)

    def _move(self, move: Move) -> None:
        type, org, id = move.address
        after, index = move.after, move.index
        if not move.moved:
            values = (after.rev, after.updated_at, move.body, type, org, id, move.before_rev)
            self._execute(self._update_body, values)
        else:
            columns = (
                after.rev, after.updated_at, index.state, index.parent, index.queue, index.owner, index.sort,
                index.due_at, index.mark, move.body, type, org, id,
            )  # fmt: skip
            if move.before_rev:
                self._execute(self._update, (*columns, move.before_rev))
            else:
                self._execute(self._insert, columns)
        if not self._connection.changes():
            raise self._rev_moved(move.address)

    def _rev_moved(self, address: Address) -> RevMoved:
        found = self._execute(self._sql["load"], address).fetchall()
        rev = found[0][0] if found else 0
        return RevMoved(f"{address.type} {address.id} is at rev {rev}.", rev=rev)

    def _claims(self, prepared: Prepared) -> None:
        for name, holder in prepared.released:
            self._execute(self._sql["release_claim"], (name, *holder))
        for name, holder in prepared.taken:
            self._execute(self._sql["take_claim"], (name, *holder))
            if not self._connection.changes():
                raise taken_by(name)

    def _mark(self, mark: Mark, now: int) -> None:
        key = (mark.space, mark.org, mark.key)
        if mark.value is None:
            self._execute(self._sql["delete_mark"], key)
        elif mark.once:
            self._execute(self._sql["put_mark_once"], (*key, mark.value, mark.until, now))
            if not self._connection.changes():
                raise KeyTaken(f"The mark {'/'.join(key)} is there already.", claim="/".join(key))
        else:
            self._execute(self._sql["put_mark"], (*key, mark.value, mark.until))
