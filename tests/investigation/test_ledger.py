"""The ledger: silent on a sound history, and each invariant shown to fire on a history that breaks it on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from interlock.domain import assignment as unit
from interlock.domain import conversation, life_cycle, sync
from interlock.domain.agent import Capacity, Held, WorkSession, hold, reckon
from interlock.domain.assignment import Actor, Assigned, Coupled, Origin, Queued, State
from interlock.domain.change import Change
from interlock.domain.conversation import Conversation, Shared, show
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Reason, Why, birth, step
from interlock.domain.log import Row, entry_of
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case, Manner
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.investigation.ledger import Verdict, check

ORG, OTHER = "o" * 24, "p" * 24
ANA, BEN = "user-ana", "user-ben"
PERSON = Provenance(ORG, Actor("person", "user", ANA), "api")
FLOW = Provenance(ORG, Actor("workflow", "workflow", "flow-1"), "workflow")
RULE = Provenance(ORG, Actor("rule", "queue-rule", "rules"), "rules")
SYNC = Provenance(ORG, Actor("system", "sync", "reverse"), "sync")
PRICES = Queue(id="queue-1", org=ORG, name="Prices")


class Book:
    """A log being written: decisions go in as the service would commit them, rows come out."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.now = 1_000
        self._last_id = 0

    def moment(self, by: Provenance) -> Moment:
        """What a decision knows besides records."""
        return Moment(self.now, by, self._fresh)

    def _fresh(self) -> str:
        self._last_id += 1
        return f"{self._last_id:024x}"

    def put(self, decision: Decision, by: Provenance, read: Sequence[Record] = (), *, after_ms: int = 10) -> Row:
        """Commit it; `read` are the versions it says it rests on."""
        self.now += after_ms
        basis = tuple(Basis(r.TYPE, r.id, r.rev, self.now) for r in read)
        row = entry_of(decision, self._fresh(), by, self.now, basis).at_position(len(self.rows) + 1)
        self.rows.append(row)
        return row

    def write(self, why: Why, before: Record | None, after: Record, by: Provenance = SYNC, **rest: Any) -> Record:
        """Commit one record as it is given, right or wrong; its next version."""
        made = birth(after) if before is None else step(before, after, self.now)
        self.put(Decision(partition=after.id, why=why, writes=(made,)), by, (before,) if before else (), **rest)
        return made.after

    def altered(self, **fields: Any) -> None:
        """The last row with other fields."""
        self.rows[-1] = msgspec.structs.replace(self.rows[-1], **fields)

    def verdict(self) -> Verdict:
        """What the ledger says."""
        return check(self.rows)


class Story:
    """One conversation from its beginning, step by step, with the records as they stand."""

    def __init__(self) -> None:
        self.book = Book()
        self.c: Any = None
        self.item: Any = None
        self.case: Any = None
        self.session: Any = None

    def begin(self) -> Story:
        """Created, and its item begun by the forward sync; an agent is signed in."""
        moment = self.book.moment(PERSON)
        blank = Conversation(id="c" * 24, org=ORG, channels=("chat",))
        decision = conversation.create(blank, Shared(), moment)
        self.book.put(decision, PERSON)
        self.c = decision.after("conversation")
        shift = reckon(
            WorkSession(
                id="s" * 24,
                org=ORG,
                user=ANA,
                status="available",
                routing_settings="t" * 24,
                queues=(PRICES.id,),
                limits=Capacity(total=5),
            )
        )
        self.session = self.book.write(Why(direction="person", kind="change"), None, shift, PERSON)
        return self.forward()

    def forward(self) -> Story:
        """The item takes what the conversation says."""
        moment = self.book.moment(SYNC)
        decision = sync.forward(self.c, self.case, self.item, self.case, moment)
        return self._took(decision, SYNC, (self.c, *([self.item] if self.item else [])))

    def reverse(self) -> Story:
        """The conversation takes what its item says."""
        decision = sync.reverse(self.c, self.item, self.book.moment(SYNC))
        return self._took(decision, SYNC, (self.c, self.item))

    def queue(self) -> Story:
        """A rule puts it into the queue."""
        reason = Reason("QUEUE_WORK_ITEM", "QUEUE_RULES_HIT")
        decision = life_cycle.enter(self.case, PRICES.id, self.book.moment(RULE), Manner(), reason)
        return self._took(decision, RULE, (self.item, self.c))

    def offer(self) -> Story:
        """It is offered to Ana."""
        decision = life_cycle.offer(self.case, ANA, self.book.moment(RULE), expires_at=self.book.now + 30_000)
        return self._took(decision, RULE, (self.item, self.session))

    def accept(self) -> Story:
        """Ana takes it."""
        decision = life_cycle.accept(self.case, ANA, self.book.moment(PERSON), Manner())
        return self._took(decision, PERSON, (self.item,))

    def says(self, said: Shared, by: Provenance = PERSON, *, read: Sequence[Record] | None = None) -> Story:
        """Somebody writes to the conversation."""
        decision = conversation.update(self.c, {}, said, self.book.moment(by))
        return self._took(decision, by, (self.c,) if read is None else read)

    def _took(self, decision: Decision, by: Provenance, read: Sequence[Record]) -> Story:
        self.book.put(decision, by, read)
        for write in decision.writes:
            after = write.after
            if isinstance(after, Conversation):
                self.c = after
            elif isinstance(after, WorkItem):
                self.item = after
            elif isinstance(after, WorkSession):
                self.session = after
            elif isinstance(after, QueuePass):
                self._pass = after
            elif isinstance(after, Reservation):
                self._offer = after if after.state == "pending" else None
        if self.item is not None:
            offer = getattr(self, "_offer", None)
            self.case = Case(self.item, self._pass, offer, {ANA: self.session}, {PRICES.id: PRICES})
        return self

    def numbers(self) -> list[str]:
        """The invariants that the ledger finds broken, each once, in order."""
        verdict = self.book.verdict()
        return sorted({v.invariant for v in (*verdict.lost, *verdict.others)}, key=lambda n: int(n[1:]))


MERGE = Why(direction="reverse", kind="merge", is_sync=True)


def queued() -> Story:
    """A conversation that waits, both records in step."""
    return Story().begin().queue().reverse()


def test_a_whole_life_is_sound() -> None:
    """From creation to done, with both syncs and an echo."""
    story = queued().offer().accept().reverse().forward().says(Shared(status="done")).forward().reverse()
    verdict = story.book.verdict()
    assert (verdict.lost, verdict.others) == ((), ())
    assert story.item.status == "completed"
    assert story.c.status == "done"
    assert verdict.lag_ms


def test_a_race_that_is_settled_by_merging_is_sound() -> None:
    """A workflow assigns while the rule queues: both intents live, the loser is named, nothing is lost."""
    story = Story().begin().queue().says(Shared(users=(BEN,)), FLOW).reverse().forward()
    verdict = story.book.verdict()
    assert (verdict.lost, verdict.others) == ((), ())
    assert story.c.assigned_users == (BEN,)
    assert any(r.why.kind == "conflict" and r.why.losers for r in story.book.rows)


def test_i1_a_copy_that_replaces_an_intent_loses_it() -> None:
    """The incident: the item's state put in place of the conversation's, which a workflow had assigned meanwhile."""
    story = Story().begin().queue().says(Shared(users=(BEN,)), FLOW)
    stale = show(story.c.with_(coupled=story.item.coupled), story.c.rev + 1, story.book.now)
    story.book.write(MERGE, story.c, stale)
    verdict = story.book.verdict()
    assert [v.invariant for v in verdict.lost] == ["I1"]
    assert "flow-1" in verdict.lost[0].text


def test_i1_an_intent_covers_only_what_its_author_had_read() -> None:
    """A fresh rev does not make an old decision right: it claims to have seen what the version it read had not."""
    story = queued()
    old = story.c
    story.says(Shared(users=(BEN,)), FLOW).says(Shared(users=(), queue=PRICES.id), PERSON, read=(old,))
    assert [v.invariant for v in story.book.verdict().lost] == ["I1"]


def test_a_person_who_has_seen_it_may_clear_it() -> None:
    """The same write by somebody who had read the assignment loses nothing."""
    story = queued().says(Shared(users=(BEN,)), FLOW).says(Shared(users=(), queue=PRICES.id)).forward()
    assert story.numbers() == []


def test_i2_equal_contexts_mean_equal_slots() -> None:
    """Two copies with one context and different slots."""
    story = queued()
    other = msgspec.structs.replace(story.item.coupled.unit, slots=())
    forged = show(story.c.with_(coupled=Coupled(unit=other)), story.c.rev + 1, story.book.now)
    story.book.write(MERGE, story.c, forged)
    assert "I2" in story.numbers()


def test_i2_what_was_taken_in_is_not_forgotten() -> None:
    """A record whose context shrinks."""
    story = queued()
    story.book.write(MERGE, story.c, show(story.c.with_(coupled=Coupled()), story.c.rev + 1, story.book.now))
    assert "I2" in story.numbers()


def test_i3_what_is_shown_is_what_the_unit_says() -> None:
    """Queued and assigned at the same time."""
    story = queued()
    story.book.write(Why(direction="person", kind="change"), story.c, story.c.with_(assigned_users=(BEN,)), PERSON)
    assert story.numbers() == ["I3"]


def test_i4_what_was_replaced_does_not_come_back() -> None:
    """The retired intent stands beside the one that had retired it."""
    story = queued().says(Shared(users=(BEN,)))
    retired = story.item.coupled.unit.slots[0]
    both = State((*story.c.coupled.unit.slots, retired), story.c.coupled.unit.ctx)
    revived = show(story.c.with_(coupled=Coupled(unit=both)), story.c.rev + 1, story.book.now)
    story.book.write(MERGE, story.c, revived)
    verdict = story.book.verdict()
    assert "I4" in {v.invariant for v in verdict.lost}


def test_i5_the_stronger_intent_is_the_one_shown() -> None:
    """A workflow's user is shown, although a person's assignment is live beside it."""
    story = Story().begin().queue().offer().accept().says(Shared(users=(BEN,)), FLOW).reverse()
    assert story.c.assigned_users == (ANA,)
    story.book.write(Why(direction="system", kind="change"), story.c, story.c.with_(assigned_users=(BEN,)))
    assert [v.invariant for v in story.book.verdict().lost] == ["I5"]


def test_i6_a_commit_moves_one_rev() -> None:
    """A row is missing between two revs."""
    story = queued().says(Shared(users=(BEN,)))
    story.says(Shared(users=(ANA,)))
    del story.book.rows[-2]
    assert "I6" in story.numbers()


def test_i6_before_is_the_previous_after() -> None:
    """A change set that tells of another value than the one that stood there."""
    story = queued()
    story.book.write(Why(direction="person", kind="change"), story.c, story.c.with_(name="new"), PERSON)
    told = story.book.rows[-1].changes[0]
    lied = msgspec.structs.replace(told, attributes={**told.attributes, "name": Change("replace", "old", "new")})
    story.book.altered(changes=(lied,))
    assert story.numbers() == ["I6"]


def test_i7_a_copy_mints_nothing() -> None:
    """A sync that writes the winner back as an intent of its own."""
    story = queued()
    origin = Origin("conversation", 1, SYNC.actor, story.c.ref, story.c.rev + 1, story.book.now)
    state = unit.intend(story.c.coupled.unit, origin, Queued(PRICES.id), story.c.coupled.unit.ctx)
    sealed = show(story.c.with_(coupled=Coupled(unit=state)), story.c.rev + 1, story.book.now)
    story.book.write(MERGE, story.c, sealed)
    story.c = sealed
    assert "I7" in story.numbers()


def test_i7_no_more_sync_writes_than_intents() -> None:
    """The same copy written over and over: a loop."""
    story = queued()
    c: Any = story.c
    for users in ((BEN,), ()):
        value = State(c.coupled.unit.slots if not users else (), c.coupled.unit.ctx)
        c = story.book.write(MERGE, c, c.with_(coupled=Coupled(unit=value)))
    assert "I7" in story.numbers()


def test_i9_every_rev_has_one_row() -> None:
    """A row that stands in the log twice."""
    story = queued()
    story.book.rows.append(msgspec.structs.replace(story.book.rows[-1], position=len(story.book.rows) + 1))
    assert "I9" in story.numbers()


def test_i9_a_conflict_names_its_losers() -> None:
    """A settled race whose row says nothing of the one who lost."""
    story = Story().begin().queue().says(Shared(users=(BEN,)), FLOW).reverse()
    silent = msgspec.structs.replace(story.book.rows[-1].why, kind="merge", winner=None, losers=())
    story.book.altered(why=silent)
    story.forward()
    assert story.numbers() == ["I9"]


def test_i9_an_intent_says_what_it_rests_on() -> None:
    """A decision without a basis proves nothing, so what it replaced is lost as well."""
    story = queued().says(Shared(users=(BEN,)), read=()).forward()
    assert story.numbers() == ["I1", "I9"]


def test_i10_an_intent_crosses_within_the_objective() -> None:
    """It does cross, and too late."""
    story = Story().begin().queue()
    story.book.now += 6_000
    story.reverse()
    assert story.numbers() == ["I10"]


@pytest.mark.parametrize("last", ["assigned", "never begun"])
def test_i10_at_rest_the_pair_is_in_step(last: str) -> None:
    """The log ends and the other side was never told."""
    story = queued().says(Shared(users=(BEN,))) if last == "assigned" else Story().begin()
    if last == "never begun":
        story.book.rows = story.book.rows[:2]
    assert story.numbers() == ["I10"]


def test_i11_the_org_of_a_row_is_the_org_of_its_records() -> None:
    """An author of one org in the row of another."""
    story = queued()
    story.book.altered(by=Provenance(OTHER, SYNC.actor, "sync"))
    assert story.numbers() == ["I11"]


def test_i12_one_open_item_for_a_conversation() -> None:
    """A second item beside one that is still open."""
    story = queued()
    second = story.item.with_(id="second" + "0" * 18, rev=1, work_item_number=2)
    story.book.write(Why(direction="forward", kind="merge", is_sync=True), None, second)
    assert story.numbers() == ["I12"]


def test_i12_routing_puts_nobody_over_capacity() -> None:
    """More weight than there is room, and no flag that says somebody decided so."""
    story = queued()
    full = hold(story.session, Held("elsewhere", 9, "chat"))
    story.book.write(Why(direction="routing", kind="change"), story.session, full, RULE)
    assert story.numbers() == ["I12"]
    assert any("TOO_HEAVY" in v.text for v in story.book.verdict().others)


def test_i12_over_capacity_by_somebodys_decision_is_flagged_and_allowed() -> None:
    """Somebody has been told that it is done; the flag says so."""
    story = queued()
    full = hold(story.session, Held("elsewhere", 9, "chat", over=True))
    story.book.write(Why(direction="routing", kind="change"), story.session, full, RULE)
    assert all("TOO_HEAVY" not in v.text for v in story.book.verdict().others)


def test_a_log_that_starts_in_the_middle_is_judged_by_what_it_shows() -> None:
    """Without `whole`, what came before is not held against it."""
    from interlock.investigation.ledger import Ledger

    story = queued().says(Shared(users=(BEN,))).forward()
    ledger = Ledger(whole=False)
    for row in story.book.rows[4:]:
        ledger.take(row)
    assert ledger.verdict().others == ()
    assert ledger.lost == 0


def test_values_are_what_the_story_says() -> None:
    """The story's steps end where a reader expects."""
    story = queued().offer().accept()
    assert unit.shape(story.item.coupled.outcome.value)[1] == (ANA,)
    assert isinstance(story.item.coupled.outcome.value, Assigned)
