"""Small programs with shared cells, to hold the explorer to what can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from interlock.simulation.scheduler import Choice
from interlock.simulation.verdicts import Broken
from interlock.simulation.world import Places, Step

Task = Callable[["Toy"], Coroutine[Any, Any, None]]


class Toy:
    """Cells by name, and tasks that read and write them."""

    def __init__(self, tasks: dict[str, Task], places: Places) -> None:
        self.cells: dict[str, Any] = {}
        self.order: list[str] = []
        self.at: dict[str, Step] = {}
        self._places = places
        self._coroutines = {name: task(self) for name, task in tasks.items()}
        for name in self._coroutines:
            self._on(name, None)

    async def read(self, cell: str) -> Any:
        """What a cell holds."""
        return await Step("read " + cell, lambda _: self.cells.get(cell, 0), reads=self._places.bit(cell))

    async def write(self, cell: str, value: Any) -> None:
        """Put it there."""
        await Step("write " + cell, lambda _: self.cells.__setitem__(cell, value), writes=self._places.bit(cell))

    async def add(self, cell: str, value: int) -> None:
        """One more: commutes with others' additions."""
        await Step("add " + cell, lambda _: self._more(cell, value), adds=self._places.bit(cell))

    async def wait(self, cell: str, value: Any) -> None:
        """Until a cell holds this."""
        ready = lambda: self.cells.get(cell, 0) == value  # noqa: E731
        await Step("wait " + cell, lambda _: None, reads=self._places.bit(cell), ready=ready)

    async def toss(self, cell: str, sides: int) -> None:
        """Any of several values."""
        places = self._places.bit(cell)
        await Step("toss " + cell, lambda n: self.cells.__setitem__(cell, n), writes=places, choices=lambda: sides)

    def _more(self, cell: str, value: int) -> None:
        self.cells[cell] = self.cells.get(cell, 0) + value

    def options(self) -> list[Choice]:
        """Every task that can go on."""
        able = [(n, s) for n, s in self.at.items() if s.ready is None or s.ready()]
        return [Choice(n, k) for n, s in able for k in range(s.choices() if s.choices else 1)]

    def take(self, choice: Choice) -> None:
        """One step."""
        step = self.at.pop(choice.task)
        self.order.append(choice.task)
        self._on(choice.task, step.do(choice.outcome))

    def close(self) -> None:
        """Nobody goes on."""
        for coroutine in self._coroutines.values():
            coroutine.close()

    def _on(self, name: str, answer: Any) -> None:
        try:
            self.at[name] = self._coroutines[name].send(answer)
        except StopIteration:
            return


class Game:
    """A toy as the explorer takes it; collects how each run ended."""

    def __init__(self, broken: Callable[[Toy], Sequence[str]] = lambda _: (), **tasks: Task) -> None:
        self._tasks, self._broken = tasks, broken
        self._places = Places()
        self.ends: set[tuple[tuple[str, Any], ...]] = set()

    def begin(self) -> Toy:
        """A new run."""
        return Toy(self._tasks, self._places)

    def end(self, run: Toy) -> list[Broken]:
        """How it ended."""
        self.ends.add(tuple(sorted(run.cells.items())))
        return [Broken(name, "") for name in self._broken(run)]

    def learnt(self) -> bool:
        """Nothing is learnt."""
        return False
