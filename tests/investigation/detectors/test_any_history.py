"""Whatever a log says, the rules answer in sentences, and the screen calls nothing boring that has weight."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, get_args

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from interlock.investigation.big.counts import COUNTED, NOT_COUNTED
from interlock.investigation.big.sieve import sift
from interlock.investigation.compact import DIGEST, GROUP, PLACE, compact_of
from interlock.investigation.explain import explain
from interlock.investigation.investigate import USUAL, examine, grouped, last_moment, report
from interlock.investigation.observation import Audit, Entry, Moved, Observation, Op, Place, ReadMark, RecordRef, Times
from interlock.investigation.screen import screen

USERS = st.sampled_from([[], ["u"], ["v"], ["u", "v"], None, "u"])
QUEUES = st.sampled_from([None, "q", "p"])
STATUSES = st.sampled_from(["open", "done", "queued", "routed", "assigned", "completed", "ivr"])
CLIENTS = st.sampled_from(["web", "workflow", "routing-worker", "rules", "sync", ""])
C, ITEMS = RecordRef("conversation", "c", "o"), (RecordRef("work_item", "i", "o"), RecordRef("work_item", "j", "o"))
MS = st.sampled_from([None, *range(0, 400, 40), 6_000, 70_000, 700_000])


def absent(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or that the log does not say."""
    return values | st.just(UNSET)


@st.composite
def moves(draw: st.DrawFn, is_item: bool) -> dict[str, Moved]:
    """What one write changed."""
    names = {"→assignedTo" if is_item else "assignedUsers": USERS, "→queue": QUEUES, "status": STATUSES}
    changes: dict[str, Moved] = {}
    for name, values in names.items():
        if draw(st.integers(0, 2)) == 0:
            op: Op = draw(st.sampled_from(get_args(Op)))
            changes[name] = Moved(op, draw(absent(values)), draw(absent(values)))
    if draw(st.integers(0, 5)) == 0:
        changes["priority"] = Moved("replace", draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    if draw(st.integers(0, 5)) == 0:
        changes["rev"] = Moved("replace", 1, 2)
    return changes


@st.composite
def observations(draw: st.DrawFn, n: int) -> Observation:
    """One version of one of the records."""
    record = draw(st.sampled_from([C, C, ITEMS[0], ITEMS[0], ITEMS[1]]))
    is_item = record is not C
    changes = draw(moves(is_item))
    snapshot: dict[str, Any] | None = None
    if draw(st.booleans()):
        snapshot = {name: m.after for name, m in changes.items() if m.after is not UNSET}
        snapshot.setdefault("status", draw(STATUSES))
    rev = draw(st.integers(1, 6) | st.none())
    marks = [
        ReadMark(C if is_item else ITEMS[0], draw(st.integers(1, 6)), draw(st.sampled_from(["basis", "resourceRev"])))
    ]
    return Observation(
        place=Place(0, n + 1, n + 1),
        record=record,
        group="c",
        rev=rev,
        before_rev=draw(st.sampled_from([None, None if rev is None else rev - 1, 2])),
        verb=draw(st.sampled_from(["update", "update", "update", "create", "delete"])),
        client=draw(CLIENTS),
        actor_class=draw(st.sampled_from(["", "person", "workflow", "rule", "system"])),
        is_sync=draw(st.booleans()),
        changes=changes,
        snapshot=snapshot,
        marks=tuple(marks) if draw(st.booleans()) else (),
        resource=C if is_item else None,
        times=Times(draw(MS), draw(MS), draw(MS)),
        trace=draw(st.sampled_from(["", "S", "T"])),
        cause=draw(st.sampled_from(["", "", "", "e", "e0", "e1", "e2"])),
        effect_key=draw(st.sampled_from(["", "", "", "", "k"])),
        event_id=draw(st.sampled_from(["", "e", f"e{n}"])),
        grade=draw(st.sampled_from(["A", "A", "B", "C"])),
    )


@st.composite
def audits(draw: st.DrawFn, n: int) -> Audit:
    """One audit line."""
    record = draw(st.sampled_from([C, ITEMS[0]]))
    peer = ReadMark(ITEMS[0] if record is C else C, draw(st.integers(1, 6)), "peer")
    return Audit(
        place=Place(0, n + 1, n + 1),
        at=draw(MS),
        record=record,
        group="c",
        guard=draw(st.integers(0, 5) | st.none()),
        patch={"assignedUsers" if record is C else "assignedTo": draw(USERS)} if draw(st.booleans()) else {},
        peer=peer if draw(st.booleans()) else None,
        outcome=draw(st.sampled_from(["", "written", "noop", "conflict"])),
        winner_class=draw(st.sampled_from(["", "", "rule", "person"])),
        loser_classes=draw(st.sampled_from([(), (), ("workflow",)])),
        policy=draw(st.sampled_from([None, None, 1, 2])),
        item=draw(st.sampled_from([None, ITEMS[0]])),
        trace=draw(st.sampled_from(["", "S", "T"])),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """A log of one conversation."""
    size = draw(st.integers(1, 9))
    return [draw(audits(n) if draw(st.integers(0, 4)) == 0 else observations(n)) for n in range(size)]


@st.composite
def true_moves(draw: st.DrawFn, fields: dict[str, Any]) -> dict[str, Moved]:
    """Changes whose befores are what `fields` hold, which then hold the afters."""
    drawn = {"status": STATUSES, "→queue": QUEUES, "assignedUsers": USERS}
    changes: dict[str, Moved] = {}
    for field in draw(st.sets(st.sampled_from(sorted(fields)), max_size=2)):
        new = draw(drawn.get(field, st.sampled_from([None, "u", "v"])))
        if new != fields[field]:
            changes[field] = Moved("replace", fields[field], new)
            fields[field] = new
    return changes


@st.composite
def orderly(draw: st.DrawFn) -> list[Entry]:
    """A log without contradictions: revs in a row, true befores, whole resources; only what is done is wild."""
    state: dict[str, dict[str, Any]] = {
        "c": {"assignedUsers": [], "→queue": None, "status": "open"},
        "i": {"→assignedTo": None, "→queue": None, "status": "ivr"},
    }
    revs, seen, at = {"c": draw(st.sampled_from([0, 3])), "i": 0}, {"c": 0, "i": 0}, 1_000
    entries: list[Entry] = []
    for n in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(["c", "i"]))
        fields, other = state[name], "i" if name == "c" else "c"
        record = C if name == "c" else ITEMS[0]
        changes = draw(true_moves(fields))
        at += draw(st.sampled_from([1, 30, 400, 6_000, 70_000, 700_000]))
        revs[name] += 1
        if draw(st.booleans()):
            seen[name] = max(seen[name], revs[other] - draw(st.integers(0, 2)))
        sync, trace = draw(st.booleans()), f"T{n}"
        marks = (ReadMark(ITEMS[0] if name == "c" else C, seen[name], draw(st.sampled_from(["basis", "resourceRev"]))),)
        shown = {k: v for k, v in fields.items() if v is not None} if draw(st.booleans()) else dict(fields)
        entries.append(
            Observation(
                place=Place(0, len(entries) + 1, len(entries) + 1),
                record=record,
                group="c",
                rev=revs[name],
                before_rev=revs[name] - 1 or None,
                verb="create" if revs[name] == 1 else "update",
                client="worker" if sync else draw(st.sampled_from(["web", "workflow", "rules"])),
                is_sync=sync,
                changes={} if revs[name] == 1 else changes,
                snapshot=shown,
                marks=marks if seen[name] > 0 else (),
                resource=C if name == "i" else None,
                times=Times(at, at, at),
                trace=trace,
                event_id=f"e{n}",
            )
        )
        if sync and draw(st.integers(0, 3)):
            peer = ReadMark(ITEMS[0] if name == "c" else C, max(1, revs[other] - draw(st.integers(0, 1))), "peer")
            named = draw(st.booleans())
            at += 5
            entries.append(
                Audit(
                    place=Place(0, len(entries) + 1, len(entries) + 1),
                    at=at,
                    record=record,
                    group="c",
                    guard=revs[name] - 1,
                    peer=peer if named else None,
                    item=ITEMS[0],
                    trace=trace,
                )
            )
    lost = draw(st.sets(st.integers(0, len(entries) - 1), max_size=2))
    return [e for n, e in enumerate(entries) if n not in lost] or entries


ENDS = st.sampled_from([0, 100_000, 10_000_000])
FAR = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FAR
@given(histories() | orderly(), ENDS)
def test_every_history_has_a_verdict_in_sentences(entries: list[Entry], more: int) -> None:
    end = (last_moment(entries) or 0) + more
    said = report(examine(h, end) for h in grouped(entries))
    assert said.verdict in ("broken", "unknown", "sound")
    for f in said.findings:
        assert explain(f).endswith(".")
        assert f.evidence
    for hole in said.holes:
        assert all(0 <= n < len(said.findings) for n in hole.matters_to)


@FAR
@given(histories() | orderly(), ENDS)
def test_the_screen_never_misses(entries: list[Entry], more: int) -> None:
    end = (last_moment(entries) or 0) + more
    for h in grouped(entries):
        screened = screen([compact_of(e) for e in (*h.observations, *h.audits)], USUAL, end)
        grave = {f.rule for f in examine(h, end).findings if f.severity != "low"}
        if screened.gaps:
            grave.discard("R5")
        note("\n".join(map(repr, entries)))
        assert screened.suspect or not grave, grave


class Said(NamedTuple):
    """What the sieve says of a conversation: whether it suspects it or gives a gap of it back, and what it counts."""

    suspect: bool
    gap: bool
    low: dict[str, int]


def sifted(entries: list[Entry], end: int) -> dict[int, Said]:
    """What the sieve says of each conversation."""
    rows = np.array([(*compact_of(e)[:PLACE], n) for n, e in enumerate(entries)])

    def same(a: Any, b: Any) -> int:
        ids = [getattr(entries[row[PLACE]], "event_id", "") for row in (a, b)]
        return int(a[DIGEST] == b[DIGEST]) * (2 if all(ids) and ids[0] != ids[1] else 1)

    found = sift(rows, USUAL, end, same)
    gaps = {int(found.rows[later, GROUP]) for later, _ in found.gaps}
    groups = found.rows[found.begins[:-1], GROUP].tolist()
    return {
        g: Said(bool(found.suspect[n]), g in gaps, {rule: int(found.low[rule][n]) for rule in COUNTED})
        for n, g in enumerate(groups)
    }


@FAR
@given(st.lists(histories() | orderly(), min_size=1, max_size=3), ENDS)
def test_the_sieve_never_misses(logs: list[list[Entry]], more: int) -> None:
    """Several conversations at once, so that none is taken for its neighbour's."""
    entries = [renamed(e, f"-{n}") for n, log in enumerate(logs) for e in log]
    end = (last_moment(entries) or 0) + more
    said = sifted(entries, end)
    for h in grouped(entries):
        suspect, gap, _ = said[hash(h.group)]
        grave = {f.rule for f in examine(h, end).findings if f.severity != "low"}
        if gap:
            grave.discard("R5")
        note("\n".join(map(repr, (*h.observations, *h.audits))))
        assert suspect or not grave, grave


def version(rev: int, shown: dict[str, Any], changes: dict[str, Moved] | None = None) -> Observation:
    """A version of an item."""
    return Observation(
        place=Place(0, rev, rev), record=ITEMS[0], group="c", rev=rev, before_rev=rev - 1, verb="update", client="web",
        changes=changes or {}, snapshot=shown, resource=C, times=Times(rev, rev, rev), trace=f"T{rev}",
    )  # fmt: skip


def test_an_item_of_whose_users_only_a_change_speaks_is_not_boring() -> None:
    """The change does not say what they became: the rule knows that the log speaks of users, so must the screens."""
    held = version(2, {"status": "assigned"}, {"→assignedTo": Moved("add", UNSET, UNSET)})
    assert {f.rule for h in grouped([held]) for f in examine(h, 10**9).findings} >= {"R14"}
    assert screen([compact_of(held)], USUAL, 10**9).suspect == "R14"
    assert sifted([held], 10**9)[hash("c")].suspect


def test_what_changed_in_a_gap_is_the_gaps_and_no_contradiction() -> None:
    before, after = version(2, {"→queue": "q", "status": "ivr"}), version(5, {"→queue": "p", "status": "ivr"})
    said = sifted([before, after], 10)[hash("c")]
    assert said.gap
    assert not said.suspect
    assert sifted([before, structs.replace(after, rev=3, before_rev=2)], 10)[hash("c")].suspect
    assert sifted([before, structs.replace(after, before_rev=2)], 10)[hash("c")].suspect


@FAR
@given(st.lists(orderly() | histories(), min_size=1, max_size=3), ENDS)
def test_what_the_sieve_counts_is_what_the_full_look_lists(logs: list[list[Entry]], more: int) -> None:
    entries = [renamed(e, f"-{n}") for n, log in enumerate(logs) for e in log]
    end = (last_moment(entries) or 0) + more
    said = sifted(entries, end)
    for h in grouped(entries):
        suspect, _, low = said[hash(h.group)]
        if suspect:
            continue
        listed = Counter(f.rule for f in examine(h, end).findings if f.severity == "low")
        note("\n".join(map(repr, (*h.observations, *h.audits))))
        assert low == {rule: listed[rule] for rule in COUNTED}
        assert set(listed) <= {*COUNTED, *NOT_COUNTED}


def renamed(entry: Entry, suffix: str) -> Entry:
    """The entry, of another conversation."""

    def ref(record: RecordRef) -> RecordRef:
        return RecordRef(record.type, record.id + suffix, record.org)

    def mark(m: ReadMark) -> ReadMark:
        return ReadMark(ref(m.record), m.rev, m.source)

    changed: dict[str, Any] = {"record": ref(entry.record), "group": entry.group + suffix}
    if isinstance(entry, Audit):
        changed |= {"peer": mark(entry.peer) if entry.peer else None, "item": ref(entry.item) if entry.item else None}
    else:
        changed |= {"marks": tuple(map(mark, entry.marks))}
        changed |= {"resource": ref(entry.resource) if entry.resource else None}
    return structs.replace(entry, **changed)


@FAR
@given(histories())
def test_a_redelivery_changes_nothing(entries: list[Entry]) -> None:
    """Each event once more at the end, under its own id: no finding more, none less."""
    known = [e for e in entries if isinstance(e, Observation) and e.event_id]
    end = last_moment(entries)

    def found(all_of_them: list[Entry]) -> set[tuple[str, str, int | None, str]]:
        said = report(examine(h, end) for h in grouped(all_of_them))
        return {(f.rule, f.record.id, f.rev, f.certainty) for f in said.findings if f.rule != "R4"}

    assert found(entries) == found([*entries, *known])
