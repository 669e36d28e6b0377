"""What was: runs of the queue rules by time, each with the versions it could have read, and records at earlier revs."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.conformance.builders import A, B, by, commit_of, conversation, next_of, put, user

from interlock.domain.decision import Basis, Decision, Direction, Reason, Tried, Why, birth
from interlock.domain.log import RuleRun, decode_versions, entry_of
from interlock.domain.record import Address
from interlock.ports import Commit, Sought, Store

_numbers = count(1)
LATE = (10**15, 0)


async def decided(store: Store, partition: str, at: int, *, org: str = A, direction: Direction = "rule") -> str:
    """A decision that wrote nothing, of this direction; its id."""
    why = Why(direction=direction, kind="intent", reason=f"at {at}")
    id = f"d{next(_numbers)}"
    entry = entry_of(Decision(partition=partition, why=why), id, by(org), at, (Basis("conversation", partition, 1),))
    await store.commit(Commit(entry=entry))
    return id


def told(runs: list[RuleRun]) -> list[str]:
    return [r.id for r in runs]


async def runs(
    store: Store, since: int = 0, before: tuple[int, int] = LATE, limit: int = 100, org: str = A, whole: bool = False
) -> Any:
    return await store.rule_runs(org, since=since, before=before, limit=limit, whole=whole)


async def test_runs_of_the_rules_come_latest_first_by_org_and_time(store: Store) -> None:
    first = await decided(store, "c1", 1_000)
    await decided(store, "c1", 2_000, direction="forward")
    await decided(store, "c1", 2_000, org=B)
    second, third = await decided(store, "c2", 2_000), await decided(store, "c3", 2_000)
    early = await decided(store, "c4", 500)
    assert told(await runs(store)) == [third, second, first, early]
    assert told(await runs(store, limit=2)) == [third, second]
    assert told(await runs(store, since=1_000)) == [third, second, first]
    last = (await runs(store, limit=1))[0]
    assert told(await runs(store, before=(last.at, last.position))) == [second, first, early]
    assert told(await runs(store, before=(1_000, 0))) == [early]
    assert await runs(store, org="c" * 24) == []


async def test_a_run_has_its_reasons_and_what_its_partition_had_brought(store: Store) -> None:
    c = conversation("c1", name="old")
    await put(store, c, conversation("c2"))
    await store.commit(commit_of(next_of(c, name="seen")))
    id = await decided(store, "c1", 3_000)
    await store.commit(commit_of(next_of(c.with_(rev=2, name="seen"), name="later")))
    (run,) = await runs(store, whole=True)
    assert (run.id, run.org, run.partition, run.at, run.position) == (id, A, "c1", 3_000, 4)
    assert run.why.reason == "at 3000"
    assert run.basis == (Basis("conversation", "c1", 1),)
    assert [(v.type, v.id, v.rev, position) for position, v in run.versions()] == [
        ("conversation", "c1", 1, 1),
        ("conversation", "c1", 2, 3),
    ]
    assert next(run.versions())[1].record() == c
    (lean,) = await runs(store)
    assert (lean.why, lean.basis, lean.earlier) == (run.why, run.basis, ())
    assert [v.record() for v in decode_versions(lean.first)] == [c]


async def test_a_run_is_lean_but_knows_what_it_chose_and_why(store: Store) -> None:
    chose = Basis("queue-rule", "r1", 3)
    why = Why(
        direction="rule", kind="intent", rule=chose, tried=(Tried("r0", 1, "conversation_channel"), Tried("r1", 3)),
        reasons=(Reason("QUEUE_WORK_ITEM", "QUEUE_RULES_HIT", {"conversationRev": 1, "queue": "q1"}),),
    )  # fmt: skip
    await store.commit(Commit(entry=entry_of(Decision(partition="c9", why=why), "d-why", by(A), 1, ())))
    (run,) = await runs(store)
    assert (run.kind, run.queue, run.rule) == ("intent", "q1", chose)
    assert run.why == why


async def test_records_as_they_were_at_a_rev(store: Store) -> None:
    u = user("u1", name="Ana")
    await store.commit(commit_of(birth(u)))
    await store.commit(commit_of(next_of(u, name="Anna")))
    at = Address("user", A, "u1")
    asked = [(at, 2), (at, 1), (at, 3), (Address("user", B, "u1"), 1), (Address("team", A, "u1"), 1)]
    found = await store.versions([Sought(address, rev, 100) for address, rev in asked])
    assert [getattr(r, "name", None) for r in found] == ["Anna", "Ana", None, None, None]
    found = await store.versions([Sought(at, 2, 2), Sought(at, 1, 2), Sought(at, 1, 1)])
    assert [getattr(r, "name", None) for r in found] == [None, "Ana", None], "only rows before the position count"


async def test_a_version_is_found_however_much_came_after_it(store: Store) -> None:
    """An engine may look at the last rows first: the one that is sought may be far from both ends."""
    u = user("u1", name="0")
    await store.commit(commit_of(birth(u)))
    for n in range(1, 60):
        await store.commit(commit_of(next_of(u.with_(rev=n, name=str(n - 1)), name=str(n))))
    at = Address("user", A, "u1")
    found = await store.versions([Sought(at, rev, 100) for rev in (1, 2, 20, 55, 60, 61)])
    assert [getattr(r, "name", None) for r in found] == ["0", "1", "19", "54", "59", None]
