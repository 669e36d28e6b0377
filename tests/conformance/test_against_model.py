"""Any sequence of commits and questions gets the same answers from an engine as from memory, its model.

Two handles on the same data take turns, as two processes would: neither may believe what the other has made untrue.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tests.conformance.builders import A, B, Hands, commit_of, conversation, item, next_of, queue_pass, session, user
from tests.conformance.test_queries import coupled
from tests.postgres import Databases

from interlock.domain.assignment import Coupled
from interlock.domain.decision import Write, birth
from interlock.domain.errors import Problem
from interlock.domain.record import Record
from interlock.ports import Commit, Mark, Query, QueryName, Store
from interlock.store import postgres
from interlock.store.memory import MemoryStore
from interlock.store.postgres import PostgresStore
from interlock.store.sqlite import Options, SqliteStore

T = TypeVar("T")
ORGS = st.sampled_from([A, B])
NAMES = st.sampled_from(["1", "2", "3"])
TIMES = st.integers(0, 5)
STATES = ("open", "done", "snoozed", "queued", "routed", "assigned", "completed", "enabled", "live", "ended")
COUPLED: list[Coupled] = [Coupled(), coupled("ann"), coupled("ben", done=True)]


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A new record; few ids, so that they meet."""
    kind, id, org = draw(st.sampled_from(["c", "w", "s", "u", "p"])), draw(NAMES), draw(ORGS)
    if kind == "p":
        return queue_pass(f"p{id}", "q1", org, work_item=f"w{id}", entered_queue_at=draw(TIMES) or None)
    if kind == "c":
        return conversation(f"c{id}", org, updated_at=1, customer="k1")
    if kind == "w":
        return item(f"w{id}", org, resource=f"c{draw(NAMES)}", work_item_number=int(id), updated_at=1)
    if kind == "s":
        return session(f"s{id}", draw(NAMES), org, signed_in_at=draw(TIMES))
    return user(f"u{id}", org, email=draw(st.sampled_from([None, "x", "y"])))


@st.composite
def moves(draw: st.DrawFn, record: Record) -> Write:
    """A next version of it."""
    fields: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "conversation": {
            "status": st.sampled_from(["open", "snoozed", "done"]), "external_id": st.sampled_from([None, "e", "f"]),
            "coupled": st.sampled_from(COUPLED), "deleted": st.booleans(),
        },
        "work_item": {
            "status": st.sampled_from(["queued", "routed", "assigned", "completed"]), "priority": st.integers(1, 3),
            "queue": st.sampled_from(["q1", "q2"]), "assigned_to": st.sampled_from([None, "u1"]),
            "coupled": st.sampled_from(COUPLED),
        },
        "work_session": {"signed_out_at": st.sampled_from([None, 9])},
        "work_item_revision": {"left_at": st.sampled_from([None, 2, 4]), "queue": st.sampled_from(["q1", "q2"])},
        "user": {
            "email": st.sampled_from([None, "x", "y"]), "name": st.text("abÄ🙂'\"", max_size=2),
            "enabled": st.booleans(),
        },
    }  # fmt: skip
    chosen = draw(st.fixed_dictionaries({}, optional=fields[record.TYPE]))
    return next_of(record, draw(TIMES), **chosen)


MARKS = st.builds(
    Mark, space=st.just("s"), org=ORGS, key=NAMES, value=st.sampled_from([None, b"", b"1", b"2"]),
    until=st.sampled_from([None, 1_002, 1_010]), once=st.booleans(),
)  # fmt: skip
CLAIMS = (f"{A}/user-email/x", f"{B}/user-email/x", f"{A}/open-item/c1", f"{A}/conversation-external-id/e")
TYPES = ("conversation", "work_item", "work_session", "user", "work_item_revision")
QUERIES = st.builds(
    Query, name=st.sampled_from(get_args(QueryName)), org=st.sampled_from([A, B, ""]), type=st.sampled_from(TYPES),
    parent=st.sampled_from(["", "k1", "c1", "c2"]), queue=st.sampled_from(["", "q1", "q2"]),
    owner=st.sampled_from(["", "u1", "1", "2"]), claim=st.sampled_from(CLAIMS), since=TIMES, before=TIMES,
    states=st.lists(st.sampled_from(STATES), max_size=3).map(tuple), by_id=st.booleans(), descending=st.booleans(),
    offset=st.integers(0, 3), limit=st.integers(0, 5),
)  # fmt: skip


class AgainstMemory(RuleBasedStateMachine):
    """Every rule does the same to both and compares what came of it."""

    versions = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Hands()
        self.model = MemoryStore(self.clock, checked=True)
        self.stores = [self.opened(), self.opened()]
        self.turn = 0

    def opened(self) -> Any:
        """A handle on the data under test, with a cache that soon overflows."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self.runner.run(work)

    def both(self, work: Callable[[Any], Any]) -> Any:
        """What `work` comes to on both, a value or the kind of refusal; the engine through one handle."""

        async def tried(store: Store) -> Any:
            try:
                return await work(store)
            except Problem as problem:
                return type(problem), problem.meta, getattr(problem, "claim", "")

        expected, found = self.run(tried(self.model)), self.run(tried(self.stores[self.turn]))
        assert found == expected
        return expected

    def commit(self, commit: Commit) -> bool:
        """Commit to both; whether it went through."""
        return not isinstance(self.both(lambda s: s.commit(commit)), tuple)

    @initialize(target=versions, first=records())
    def begin(self, first: Record) -> Record:
        """There is something to move from the beginning."""
        self.commit(commit_of(birth(first), org=first.org))
        return first

    @rule(target=versions, record=records(), mark=st.lists(MARKS, max_size=1))
    def create(self, record: Record, mark: list[Mark]) -> Any:
        """A new record, or one that is there already."""
        done = self.commit(commit_of(birth(record), org=record.org, marks=tuple(mark)))
        return record if done else multiple()

    @rule(target=versions, data=st.data(), record=versions)
    def move(self, data: st.DataObject, record: Record) -> Any:
        """The next version of any version there ever was: of an old one it must be refused."""
        write = data.draw(moves(record))
        return write.after if self.commit(commit_of(write, org=record.org)) else multiple()

    @rule(target=versions, data=st.data(), pair=st.lists(consumes(versions), min_size=2, max_size=3))
    def move_together(self, data: st.DataObject, pair: list[Record]) -> Any:
        """Several in one commit, names passing between them."""
        writes = [data.draw(moves(r)) for r in pair]
        done = self.commit(commit_of(*writes, org=pair[0].org))
        return multiple(*((w.after for w in writes) if done else pair))

    @rule(marks=st.lists(MARKS, min_size=1, max_size=3))
    def mark(self, marks: list[Mark]) -> None:
        """Marks alone."""
        self.commit(Commit(marks=tuple(marks)))

    @rule(query=QUERIES)
    def find(self, query: Query) -> None:
        """Any named query."""
        self.both(lambda s: s.find(query))

    @rule(
        after=st.integers(0, 6), limit=st.integers(0, 4), org=st.sampled_from(["", A, B]),
        partition=st.sampled_from(["", "c1", "w1", "u1"]), newest=st.booleans(),
    )  # fmt: skip
    def changes(self, after: int, limit: int, **scope: Any) -> None:
        """Any stretch of the log."""
        self.both(lambda s: s.changes(after, limit, **scope))

    @rule(ms=st.integers(1, 8))
    def pass_time(self, ms: int) -> None:
        """Marks run out."""
        self.clock.at += ms

    @rule()
    def take_turns(self) -> None:
        """The other handle goes on."""
        self.turn = 1 - self.turn

    @rule()
    def reopen(self) -> None:
        """Nothing is lost with the process."""
        self.run(self.stores[self.turn].close())
        self.stores[self.turn] = self.opened()

    @invariant()
    def agree(self) -> None:
        """All records, all names, all marks, through both handles."""
        addresses = list(cast("Any", self.model)._records)
        for _ in self.stores:
            self.turn = 1 - self.turn
            self.both(lambda s: s.load(addresses))
            for name in CLAIMS:
                type = "user" if "user" in name else "work_item" if "item" in name else "conversation"
                query = Query(name="claimed", org="", type=type, claim=name)
                self.both(lambda s, query=query: s.find(query))
        self.both(lambda s: s.last_position())
        for key in "123":
            self.both(lambda s, key=key: s.mark("s", A, key))

    @rule(holder=st.sampled_from(["one", "two"]), for_ms=st.sampled_from([0, 3, 50]))
    def lease(self, holder: str, for_ms: int) -> None:
        """Taken, kept, given back."""
        self.both(lambda s: s.lease("role", holder, for_ms))

    def teardown(self) -> None:
        """Close what was opened."""
        for store in self.stores:
            self.run(store.close())
        self.runner.close()


class SqliteAgainstMemory(AgainstMemory):
    """SQLite on a file."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    def opened(self) -> SqliteStore:
        """A handle on the file."""
        options = Options(synchronous="OFF", records_max=4)

        async def opening() -> SqliteStore:
            return SqliteStore.open(Path(self.folder.name) / "s.db", self.clock, options)

        return self.run(opening())

    def teardown(self) -> None:
        """And the file goes."""
        super().teardown()
        self.folder.cleanup()


class PostgresAgainstMemory(AgainstMemory):
    """PostgreSQL, a database for each example."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__()

    def opened(self) -> PostgresStore:
        """A handle on the database."""

        async def opening() -> PostgresStore:
            return PostgresStore.open(self.url, self.clock, postgres.Options(records_max=4, readers=1))

        return self.run(opening())


TestSqliteAgainstMemory = SqliteAgainstMemory.TestCase
TestSqliteAgainstMemory.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_postgres_against_memory(databases: Databases) -> None:
    """Fewer examples: each has a database made for it."""
    run_state_machine_as_test(
        lambda: PostgresAgainstMemory(databases.new()),  # type: ignore[arg-type] - whatever makes a machine
        settings=settings(
            max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
