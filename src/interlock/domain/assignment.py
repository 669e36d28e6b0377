"""The coupled unit: what a conversation and its work item must agree on, and how two copies of it meet.

A *value* says where the conversation stands (`Queued`, `Assigned` …) as one tagged value, so that a bad combination
cannot be written. An *intent* is what a person, workflow or rule wanted and was told "done"; it carries the *dot*
(site, epoch, n) that names it and the context its author had seen. A *state* is the intents still alive plus the
context: per (site, epoch) the highest dot taken in.

Two operations, and the whole safety of the product is in the difference between them:

    merge(a, b)      copies meet. Mints nothing, retires nothing that the other side had not already retired.
    intend(a, …)     somebody decided. The only place where intents are retired, and only those the decision had seen.

Two live intents are kept, not settled: `resolve` folds them for showing by one versioned table, and writing the winner
back as a new intent would bring superseded values to life again.

>>> def origin(site, cls): return Origin(site, 1, Actor(cls, "x", "x"), Ref("conversation", "c1"), 1, 0)
>>> start = State()
>>> rule = intend(start, origin("routing", "rule"), Queued("q1"), seen=start.ctx)
>>> flow = intend(start, origin("conversation", "workflow"), Assigned(("u1",)), seen=start.ctx)
>>> resolve(merge(rule, flow), NOTHING).value
Assigned(users=('u1',), queue='q1', external=False)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

from interlock.domain.errors import StaleBasis
from interlock.domain.record import Ref

ActorClass = Literal["system", "rule", "workflow", "person"]
Site = Literal["conversation", "routing"]

POLICY = 1
"""Version of `_RANK` and `_strength`; each intent carries the version it was made under."""

_RANK: dict[ActorClass, int] = {"system": 0, "rule": 1, "workflow": 2, "person": 3}


class Actor(msgspec.Struct, frozen=True):
    """Who decided: its class (which ranks concurrent intents), and the user, workflow, rule, API key … it is.

    `cls` is `system` for what nobody asked for: a requeue, an automatic un-assignment, a reply that reopens.
    """

    cls: ActorClass
    type: str
    id: str


class Nothing(msgspec.Struct, frozen=True, tag="none"):
    """No queue, nobody: as the conversation began."""


class Queued(msgspec.Struct, frozen=True, tag="queued", omit_defaults=True):
    """Waiting in a queue. `external`: a queue outside, by its vendor's name; we never offer from it."""

    queue: str
    external: bool = False


class Assigned(msgspec.Struct, frozen=True, tag="assigned", omit_defaults=True):
    """Somebody has it: the first user is the owner. The queue is context: where it came from."""

    users: tuple[str, ...]
    queue: str | None = None
    external: bool = False


class Done(msgspec.Struct, frozen=True, tag="done", omit_defaults=True):
    """Finished. Users and queue stay, so that a reopened conversation knows where it came from."""

    users: tuple[str, ...] = ()
    queue: str | None = None
    external: bool = False


Unit = Nothing | Queued | Assigned | Done
T = TypeVar("T")


class Dot(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The name of one intent. In a context: the highest `n` taken in from that site and epoch."""

    site: Site
    epoch: int
    n: int


Context = tuple[Dot, ...]
"""Sorted, one dot per (site, epoch)."""


class Intent(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """One wish that was granted: the value, who wanted it, what they had seen, and on which version it was written.

    `record` and `rev` name the version of the record that first carried it; `at` is the commit's clock (ms), for
    people to read: no decision ever compares it.
    """

    dot: Dot
    value: T
    actor: Actor
    seen: Context
    record: Ref
    rev: int
    at: int
    policy: int = POLICY


class State(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """Live intents (sorted by dot, at most one per site and epoch) and the context."""

    slots: tuple[Intent[T], ...] = ()
    ctx: Context = ()


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """What a state means: the value in force, the intent behind it, the concurrent ones that lost, strongest first."""

    value: T
    winner: Intent[T] | None
    losers: tuple[Intent[T], ...]


class Origin(msgspec.Struct, frozen=True):
    """Where and by whom an intent is made: site and epoch, the author, the version it will stand in, the time (ms)."""

    site: Site
    epoch: int
    actor: Actor
    record: Ref
    rev: int
    at: int


def covers(ctx: Context, dot: Dot) -> bool:
    """Whether a copy with this context has taken `dot` in."""
    return any(c.site == dot.site and c.epoch == dot.epoch and c.n >= dot.n for c in ctx)


def includes(ctx: Context, other: Context) -> bool:
    """Whether `ctx` has taken in everything that `other` has."""
    return all(covers(ctx, dot) for dot in other)


def join(a: Context, b: Context) -> Context:
    """The context that has taken in both."""
    if a == b or not b:
        return a
    highest = {(d.site, d.epoch): d for d in a}
    for dot in b:
        mine = highest.get((dot.site, dot.epoch))
        if mine is None or mine.n < dot.n:
            highest[dot.site, dot.epoch] = dot
    return tuple(sorted(highest.values()))


def merge(mine: State[T], theirs: State[T]) -> State[T]:
    """The meeting of two copies: commutative, associative, idempotent. Mints no dot, so it can retire nothing.

    An intent survives if both hold it, or if the side without it has never taken it in. What one side holds and the
    other has taken in but holds no more was retired there by an intent that had seen it.
    """
    if mine == theirs:
        return mine
    kept = [x for x in mine.slots if x in theirs.slots or not covers(theirs.ctx, x.dot)]
    kept += [x for x in theirs.slots if x not in mine.slots and not covers(mine.ctx, x.dot)]
    return State(tuple(sorted(kept, key=_by_dot)), join(mine.ctx, theirs.ctx))


def intend(state: State[T], origin: Origin, value: T, seen: Context) -> State[T]:
    """A new intent that retires every live one. Raises `StaleBasis` if its author had not seen them all."""
    if seen != state.ctx:
        raise StaleBasis(
            "Read the record again and decide anew.",
            seen=[tuple_of(d) for d in seen],
            current=[tuple_of(d) for d in state.ctx],
        )
    last = max((d.n for d in state.ctx if d.site == origin.site and d.epoch == origin.epoch), default=0)
    dot = Dot(origin.site, origin.epoch, last + 1)
    slot = Intent(dot, value, origin.actor, seen, origin.record, origin.rev, origin.at)
    return State((slot,), join(state.ctx, (dot,)))


def strength(intent: Intent[T]) -> tuple[int, bool, int, int]:
    """Policy 1: stronger class first, then routing's side, then the later epoch and dot. No clock takes part."""
    return _RANK[intent.actor.cls], intent.dot.site == "routing", intent.dot.epoch, intent.dot.n


def resolve(state: State[T], initial: T) -> Outcome[T]:
    """What concurrent intents mean together: the strongest one; a queue stays as context of an assignment."""
    if not state.slots:
        return Outcome(initial, None, ())
    winner, *losers = sorted(state.slots, key=strength, reverse=True)
    value = winner.value
    for loser in losers:
        value = _with_queue_of(value, loser.value)
    return Outcome(value, winner, tuple(losers))


def _with_queue_of(value: T, other: object) -> T:
    if isinstance(value, Assigned | Done) and value.queue is None and isinstance(other, Queued):
        return msgspec.structs.replace(value, queue=other.queue, external=other.external)
    return value


class Coupled(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that the two records share: the unit and two registers of the same kind, each alone.

    ended   the call or chat is over, not the case        paused  the conversation is snoozed
    """

    unit: State[Unit] = State()
    ended: State[bool] = State()
    paused: State[bool] = State()

    def merge(self, other: Coupled) -> Coupled:
        """Both sides' knowledge, each part by itself."""
        if self == other:
            return self
        return Coupled(merge(self.unit, other.unit), merge(self.ended, other.ended), merge(self.paused, other.paused))

    def includes(self, other: Coupled) -> bool:
        """Whether nothing in `other` is news here."""
        return self.merge(other) == self

    @property
    def outcome(self) -> Outcome[Unit]:
        """The unit in force, with winner and losers."""
        return resolve(self.unit, NOTHING)

    @property
    def is_ended(self) -> bool:
        """The `ended` register as it stands."""
        return resolve(self.ended, False).value

    @property
    def is_paused(self) -> bool:
        """The `paused` register as it stands; a done conversation is never paused."""
        return resolve(self.paused, False).value

    def digest(self) -> str:
        """Short text that is equal for equal states, so that a pair out of step can be found by an index.

        Of the parts and not of the whole: a default is left out of the whole only if it is the very same object.
        """
        return hashlib.blake2b(_encoder.encode((self.unit, self.ended, self.paused)), digest_size=8).hexdigest()


NOTHING = Nothing()
_encoder = msgspec.json.Encoder(order="deterministic")


def _by_dot(intent: Intent[T]) -> Dot:
    return intent.dot


def tuple_of(dot: Dot) -> tuple[str, int, int]:
    """A dot as plain values, for messages."""
    return dot.site, dot.epoch, dot.n


def live_dots(state: State[T]) -> frozenset[Dot]:
    """The dots of the intents still alive."""
    return frozenset(x.dot for x in state.slots)


def unseen(state: State[T], ctx: Context) -> tuple[Intent[T], ...]:
    """The live intents that a decider with this context has not seen."""
    return tuple(x for x in state.slots if not covers(ctx, x.dot))


Resolver = Callable[[State[Unit]], Outcome[Unit]]


def shape(unit: Unit) -> tuple[str, tuple[str, ...], str | None, bool]:
    """A value as (word, users, queue, external), whatever its kind."""
    match unit:
        case Nothing():
            return "none", (), None, False
        case Queued(queue, external):
            return "queued", (), queue, external
        case Assigned(users, queue, external):
            return "assigned", users, queue, external
        case Done(users, queue, external):
            return "done", users, queue, external


def takes_up(before: Unit, after: Unit) -> bool:
    """Whether this wish means that the case is worked on again, so that its call or chat can no longer count as over.

    An assignment always does (`assign` and `accept` lead to `assigned`, from wrap-up too). So does a way to a queue
    or to `ivr`, unless the case stands there already: an abandoned item told to wait where it waits stays so.
    """
    return isinstance(after, Assigned) or (not isinstance(after, Done) and after != before)


def valid(unit: Unit) -> bool:
    """Whether a value may ever be shown: waiting means in a queue, assigned means to somebody."""
    match unit:
        case Queued(queue):
            return bool(queue)
        case Assigned(users):
            return bool(users)
        case _:
            return True
