"""One run: the tasks of a stage, each held at its next step, and one of them performed at a time. Single-threaded.

A task is production code, and production code does the same on the same answers. So what a task did on a sequence of
answers is remembered (`Mind`): in a later run it is asked for its next step only where it gets an answer it has not
had before in this place. Every step is performed in every run; the thinking between steps is done once.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple

from interlock.domain.errors import Problem
from interlock.domain.log import Row
from interlock.ports import Batch
from interlock.service import sync
from interlock.simulation.stage import ORG, Part, Seat, Stage
from interlock.simulation.world import Places, Room, Step, world_of

STEPS_MAX = 600
"""A run that is longer than this does not end."""
_INCARNATIONS = 64


class Choice(NamedTuple):
    """Which task goes on, and which of its step's outcomes."""

    task: str
    outcome: int = 0


class Contact:
    """What each task has touched in any run so far. A place that one task writes and another touches is *shared*.

    Only steps on shared places are worth a choice: all others commute with whatever anybody does, and are performed as
    soon as they are reached. What is shared is learnt; when it grows, the exploration begins anew.
    """

    def __init__(self) -> None:
        self.places = Places()
        self._touched: dict[str, list[int]] = {}
        self.shared = 0

    def note(self, task: str, step: Step) -> None:
        """A task has come to a step."""
        mine = self._touched.get(task)
        if mine is None:
            mine = self._touched[task] = [0, 0]
        mine[0] |= step.reads
        mine[1] |= step.writes | step.adds

    def names(self) -> list[list[str]]:
        """The places that are shared, by name: whoever repeats a run needs them to stop where it stopped."""
        return self.places.names(self.shared)

    def take_over(self, names: list[list[str]]) -> None:
        """What was shared when a run was found."""
        for name in names:
            self.shared |= self.places.bit(*name)

    def learn(self) -> bool:
        """Work out what is shared; whether that is more than before."""
        shared = 0
        for task, (_, wrote) in self._touched.items():
            for other, (reads, writes) in self._touched.items():
                if task != other:
                    shared |= wrote & (reads | writes)
        grown, self.shared = shared & ~self.shared, self.shared | shared
        return bool(grown)


class Thought:
    """Where a task stands after certain answers: at a step, or at its end (`ended` says how)."""

    __slots__ = ("answer", "coroutine", "ended", "next", "origin", "refused", "step")

    def __init__(self, origin: Thought | None, answer: Any, refused: Problem | None) -> None:
        self.origin, self.answer, self.refused = origin, answer, refused
        self.step: Step | None = None
        self.ended = ""
        self.next: dict[object, Thought] = {}
        self.coroutine: Coroutine[Any, Any, object] | None = None


class Mind:
    """What a task has done so far on which answers. `salt` makes its ids its own."""

    def __init__(self, part: Part, room: Room, salt: int) -> None:
        self.part, self.room, self.salt = part, room, salt
        self._first: Thought | None = None

    def first(self) -> Thought:
        """Where it stands before any answer."""
        if self._first is None:
            self._first = Thought(None, None, None)
            self._first.coroutine = self._fresh()
            self._go(self._first)
        return self._first

    def then(self, thought: Thought, answer: Any, refused: Problem | None) -> Thought:
        """Where it stands after one answer more."""
        key = (refused.code, str(refused)) if refused is not None else _key(answer)
        known = thought.next.get(key)
        if known is not None:
            return known
        new = thought.next[key] = Thought(thought, answer, refused)
        new.coroutine, thought.coroutine = thought.coroutine or self._again(thought), None
        self._go(new)
        return new

    def close(self) -> None:
        """Nothing is asked of it any more."""
        todo = [self._first] if self._first else []
        while todo:
            thought = todo.pop()
            todo += thought.next.values()
            if thought.coroutine is not None:
                thought.coroutine.close()

    def _fresh(self) -> Coroutine[Any, Any, object]:
        part = self.part
        world = world_of(self.room, part.name, self.salt, channel=part.channel, skew=part.skew, alone=part.alone)
        seat = Seat(world, self.room)
        return _again_and_again(part, seat) if part.again else part.act(seat)

    def _again(self, thought: Thought) -> Coroutine[Any, Any, object]:
        """A coroutine that has had the answers up to here."""
        line: list[Thought] = []
        at: Thought | None = thought
        while at is not None:
            line.append(at)
            at = at.origin
        coroutine = self._fresh()
        for each in reversed(line):
            _send(coroutine, each)
        return coroutine

    @staticmethod
    def _go(thought: Thought) -> None:
        assert thought.coroutine is not None
        try:
            thought.step = _send(thought.coroutine, thought)
        except StopIteration:
            thought.ended, thought.coroutine = "done", None
        except Problem as problem:
            thought.ended, thought.coroutine = problem.code, None


def _send(coroutine: Coroutine[Any, Any, object], thought: Thought) -> Step:
    if thought.refused is not None:
        return coroutine.throw(thought.refused)
    return coroutine.send(thought.answer)


async def _again_and_again(part: Part, seat: Seat) -> None:
    while True:
        await part.act(seat)


def _key(answer: Any) -> object:
    """What tells answers apart. Records and rows are the very objects of the step that made them, in every run."""
    if type(answer) is list:
        return tuple(map(id, answer))
    if type(answer) is Batch:
        return tuple(map(id, answer.rows))
    return id(answer) if type(answer) is Row else answer


class Run:
    """One execution. `options` are the choices now, `take` performs one of them. `minds` outlive it."""

    def __init__(
        self, stage: Stage, room: Room, contact: Contact, minds: dict[tuple[str, int], Mind], *, remembers: bool = True
    ) -> None:
        room.reset()
        self.remembers = remembers
        self.room, self.contact, self._minds = room, contact, minds
        self.at: dict[str, Step] = {}
        self.calls: dict[str, int] = {}
        self.outcomes: dict[str, str] = {}
        self.faults_met: list[str] = []
        self.trail: list[str] = []
        self.performed = 0
        self._stands: dict[str, Thought] = {}
        self._mind: dict[str, Mind] = {}
        self._crash = room.faults.crash
        for n, part in enumerate(stage.parts, 1):
            self.start(part, n)

    def start(self, part: Part, place: int, life: int = 0) -> None:
        """A task begins; `life` counts how often it has begun before."""
        mind = self._minds.get((part.name, life))
        if mind is None:
            mind = self._minds[part.name, life] = Mind(part, self.room, place * _INCARNATIONS + life)
        self._mind[part.name] = mind
        self.calls.setdefault(part.name, 0)
        self._on(part.name, mind.first())

    def options(self) -> list[Choice]:
        """Every task that can go on, with each outcome of its step."""
        if self.performed >= STEPS_MAX:
            return []
        out: list[Choice] = []
        for task, step in self.at.items():
            if step.ready is None or step.ready():
                if step.choices is None:
                    out.append(Choice(task))
                else:
                    out += [Choice(task, n) for n in range(step.choices())]
        return out

    def take(self, choice: Choice) -> None:
        """Perform the step that a task stands at, and let it go on to its next one."""
        task, outcome = choice
        step = self.at.pop(task)
        self.trail.append(f"{task}: {step.label}" + (f" [{outcome}]" if outcome else ""))
        thought = self._answer(task, step, outcome)
        if thought is not None:
            self._on(task, thought)

    def close(self) -> None:
        """The run is over."""
        self.at.clear()

    def _answer(self, task: str, step: Step, outcome: int) -> Thought | None:
        """Perform a step; where the task then stands, or `None` if it has died meanwhile."""
        self.performed += 1
        answer, refused = None, None
        try:
            answer = step.do(outcome)
        except Problem as problem:
            refused = problem.with_traceback(None)
        if self.room.restarts:
            self.room.restarts = False
            for other in [t for t in self.at if self._mind[t].part.again]:
                del self.at[other]
                self._die(other)
        if self._crash is not None and self._crash == (task, self.calls[task], True):
            self._die(task)
            return None
        return self._mind[task].then(self._stands[task], answer, refused)

    def _die(self, task: str) -> None:
        """The process ends here; another one begins, which knows only what is durable."""
        if self._crash is not None and self._crash[0] == task:
            self._crash = None
        self.trail.append(f"{task}: dies" + (", and starts again" if self._mind[task].part.again else ""))
        if self._mind[task].part.again:
            mind = self._mind[task]
            self.start(mind.part, mind.salt // _INCARNATIONS, mind.salt % _INCARNATIONS + 1)
        else:
            self.outcomes[task] = "died"

    def _on(self, task: str, thought: Thought | None) -> None:
        """Let a task run until its next step that matters to others."""
        contact, crash = self.contact, self._crash
        shared = contact.shared
        while thought is not None:
            self._stands[task] = thought
            step = thought.step
            if step is None:
                self._ended(task, thought.ended)
                return
            self.calls[task] += 1
            contact.note(task, step)
            if crash is not None and crash == (task, self.calls[task], False):
                self._die(task)
                return
            matters = (step.reads | step.writes | step.adds) & shared
            if matters or step.ready is not None or (step.choices is not None and step.choices() > 1):
                self.at[task] = step
                return
            thought = self._answer(task, step, 0)

    def _ended(self, task: str, how: str) -> None:
        if how != "done" and not self._mind[task].part.unsure:
            self.faults_met.append(f"{task} ended with {how}")
        self.outcomes[task] = how

    def heal(self, rounds: int = 2) -> None:
        """What the cadence would do once everything else is quiet; what it finds is delivered and dealt with."""
        room = self.room

        async def act(seat: Seat) -> None:
            await sync.heal(seat.world, ORG, older_than=room.clock.at + 1)

        for n in range(rounds):
            self.start(Part(f"heal-{n}", act, unsure=False), 900 + n)
            while options := self.options():
                self.take(options[0])
