"""The whole run: inputs shared out to two workers, two steps, or three, with a meeting after each, one report.

    1  each worker turns its shares of the inputs into rows and spills them by conversation
    2  each worker judges its partitions, of its own rows and of the others'
    3  if the log shows what users may hold: the same with who held what, by user

Workers are forked; they ignore Ctrl-C and ask whether to go on, so that an interrupted run still says what it found in
what it had read.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interlock.investigation.big.counts import COUNTED, NOT_COUNTED
from interlock.investigation.big.holdings import Holdings, exceeded
from interlock.investigation.big.layout import LaidOut, lay_out
from interlock.investigation.big.lines import Places, Share, shares
from interlock.investigation.big.spill import (
    Entries,
    Put,
    Spill,
    batches,
    counts_of,
    packed_beside,
    partitions_for,
    rows_at_once,
)
from interlock.investigation.big.take import Took, take, take_slowly
from interlock.investigation.big.worker import FINDINGS_MAX, Judge, Sources, Tally
from interlock.investigation.finding import Finding, History, Input, Limits, Refused
from interlock.investigation.investigate import Examined, Report, Screened, report
from interlock.investigation.mapping import Mapping
from interlock.investigation.observation import Place

MEMORY = 128 << 20
WORKERS = 2
_USUAL = Limits()


class Plan(NamedTuple):
    """What a worker has to do, and with what."""

    number: int
    shares: list[Share]
    slow: list[int]
    laid: LaidOut
    spill: Path
    partitions: int
    memory: int
    limits: Limits


class Done(NamedTuple):
    """The report, the histories behind its findings, what was only counted, and each worker's peak memory in bytes."""

    report: Report
    histories: list[History]
    tally: Tally
    peaks: list[int]


def investigate(
    paths: Sequence[str | Path], *, format: str | None = None, mapping: Mapping | Path | None = None,
    memory: int = MEMORY, workers: int = WORKERS, limits: Limits = _USUAL,
    progress: Callable[[int, int], None] | None = None, histories_max: int = 0,
) -> Done:  # fmt: skip
    """Everything the paths name, in memory that does not grow with them.

    progress   is told bytes read and bytes in all, many times a second
    histories_max   so many of the histories with findings come back whole, for timelines
    Ctrl-C ends the reading, and the report is partial; a second one ends the run.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-") as named:
        folder = Path(named)
        laid = lay_out(paths, folder, format, mapping)
        sizes = [_size(path) for path in laid.paths]
        partitions = partitions_for(sum(sizes), memory // workers)
        spills = [folder / f"rows-{n}" for n in range(workers)]
        plans = _plans(laid, sizes, spills, partitions, memory, limits)
        crew = _Crew(plans, spills)
        try:
            return crew.run(laid, sizes, progress, histories_max)
        finally:
            crew.end()


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size if name != "-" else 0
    except OSError:
        return 0


def _plans(
    laid: LaidOut, sizes: list[int], spills: list[Path], partitions: int, memory: int, limits: Limits
) -> list[Plan]:
    """Each fast input in as many shares as there are workers; the others go round."""
    workers = len(spills)
    parts: list[list[Share]] = [[] for _ in spills]
    for n in sorted(laid.fast):
        for at, share in enumerate(shares(n, laid.paths[n], sizes[n], workers)):
            parts[at].append(share)
    slow = [n for n in range(len(laid.paths)) if n not in laid.fast]
    return [
        Plan(w, parts[w], slow[w::workers], laid, spills[w], partitions, memory // workers, limits)
        for w in range(workers)
    ]


class _Crew:
    """The workers, seen from the parent."""

    def __init__(self, plans: list[Plan], spills: list[Path]) -> None:
        # Forked: the inputs may be streams that only this process has open.
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._spills = spills
        self._plans = plans
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._answers: dict[int, Any] = {}
        for plan in plans:
            mine, theirs = context.Pipe()
            process = context.Process(target=_work, args=(plan, theirs, self._stop, spills), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(mine)
            self._processes.append(process)

    def end(self) -> None:
        """No worker is left."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
                process.join()

    def run(
        self, laid: LaidOut, sizes: list[int], progress: Callable[[int, int], None] | None,
        histories_max: int,
    ) -> Done:  # fmt: skip
        """Both steps."""
        partial = laid.partial
        total, read = sum(sizes), 0

        def told(more: int) -> None:
            nonlocal read
            read += more
            if progress is not None:
                progress(min(read, total) if total else read, total)

        try:
            taken = self._gather(told)
        except KeyboardInterrupt:
            self._stop.set()
            partial = True
            taken = self._gather(lambda _: None)
        took = [t for part in taken for t in part[0]]
        inputs = _inputs(laid, took, [s for part in taken for s in part[1]])
        end = max((part[3] for part in taken), default=-1)
        sessions = any(part[4] for part in taken)
        puts = [part[2] for part in taken]
        parts = batches(counts_of(puts), rows_at_once(self._plans[0].memory // 2))
        for n, pipe in enumerate(self._pipes):
            pipe.send((puts, parts[n :: len(self._pipes)], _firsts(took), end, histories_max, sessions))
        try:
            judged = self._gather(lambda _: None)
        except KeyboardInterrupt:
            self._stop.set()
            partial = True
            judged = self._gather(lambda _: None)
        examined = [e for part in judged for e in part[0]]
        over, more = self._by_user([part[4] for part in judged]) if sessions else ([], 0)
        tally = _sum([part[2] for part in judged])
        if more:
            tally.left_out["R26"] = more
        said = report(examined, inputs, partial=partial, over=over)
        said = msgspec.structs.replace(said, screened=_screened(tally))
        shown = [h for part in judged for h in part[1]]
        return Done(_unless_sound(said, tally), shown, tally, [part[3] for part in judged])

    def _by_user(self, puts: list[list[Put]]) -> tuple[list[Finding], int]:
        """R26: the third step; and how many findings more there are."""
        parts = batches(counts_of(puts), rows_at_once(self._plans[0].memory // 2))
        for n, pipe in enumerate(self._pipes):
            pipe.send((puts, parts[n :: len(self._pipes)]))
        try:
            found = self._gather(lambda _: None)
        except KeyboardInterrupt:
            found = self._gather(lambda _: None)
        return [f for part in found for f in part[0]], sum(part[1] for part in found)

    def _gather(self, told: Callable[[int], None]) -> list[Any]:
        """The next answer of every worker. Raises `RuntimeError` with a worker's own words if one has failed."""
        # Kept when Ctrl-C comes in between: who has answered does not answer again.
        answers = self._answers
        while len(answers) < len(self._pipes):
            waiting = [p for n, p in enumerate(self._pipes) if n not in answers]
            for pipe in wait(waiting):
                n = self._pipes.index(pipe)  # type: ignore[arg-type]
                try:
                    kind, value = self._pipes[n].recv()
                except EOFError:
                    raise RuntimeError("a worker has ended before its work was done") from None
                if kind == "progress":
                    told(value)
                elif kind == "failed":
                    raise RuntimeError(value)
                else:
                    answers[n] = value
        self._answers = {}
        return [answers[n] for n in range(len(self._pipes))]


def _unless_sound(said: Report, tally: Tally) -> Report:
    """Boring groups count for the verdict too: holes leave it open, checked versions make it sound."""
    if said.verdict == "broken" or said.partial:
        return said
    doubtful = said.verdict == "unknown" and (bool(said.findings) or any(i.refused for i in said.inputs))
    verdict = "unknown" if doubtful or tally.holes or not tally.checked else "sound"
    return msgspec.structs.replace(said, verdict=verdict)


def _screened(tally: Tally) -> Screened:
    return Screened(
        conversations=tally.groups - tally.examined,
        low={rule: tally.low.get(rule, 0) for rule in COUNTED},
        not_counted=NOT_COUNTED,
        left_out=tally.left_out,
    )


def _sum(tallies: list[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        for name in ("groups", "walked", "examined", "checked", "holes"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        for name in ("low", "left_out"):
            counts = getattr(total, name)
            for rule, n in getattr(tally, name).items():
                counts[rule] = counts.get(rule, 0) + n
    return total


def _firsts(took: list[Took]) -> dict[int, list[tuple[int, int]]]:
    """For each share of each input, the offset of its first line and how many lines of the input come before it."""
    firsts: dict[int, list[tuple[int, int]]] = {}
    before: dict[int, int] = {}
    for t in sorted(took, key=lambda t: (t.share.input, t.share.begin)):
        n = t.share.input
        firsts.setdefault(n, []).append((t.begin, before.get(n, 0)))
        before[n] = before.get(n, 0) + t.lines
    return firsts


def _inputs(laid: LaidOut, taken: list[Took], slow: list[tuple[int, Input]]) -> list[Input]:
    """The report on each input, in order. Lines that were counted within a share are numbered in their input."""
    told = dict(slow)
    out: list[Input] = []
    for n, named in enumerate(laid.reading.inputs):
        if n not in laid.fast:
            out.append(told.get(n, named))
            continue
        parts = sorted((t for t in taken if t.share.input == n), key=lambda t: t.share.begin)
        before, repairs, refused = 0, [], []
        for t in parts:
            repairs += [_later(r, before) for r in t.repairs]
            refused += [_later(r, before) for r in t.refused]
            before += t.lines
        if n in laid.trouble:
            refused.append(Refused(Place(n, before), laid.trouble[n]))
        out.append(Input(
            name=named.name, format="json-lines", bytes=sum(t.share.end - t.share.begin for t in parts),
            entries=sum(t.entries for t in parts), observations=sum(t.observations for t in parts), lines=before,
            repaired=sum(t.repaired for t in parts), refusals=sum(t.refusals for t in parts) + (n in laid.trouble),
            repairs=repairs, refused=refused,
        ))  # fmt: skip
    return out


def _later(told: Any, lines: int) -> Any:
    place: Place = told.place
    return msgspec.structs.replace(told, place=place._replace(line=place.line + lines))


def _work(plan: Plan, pipe: Connection, stop: Any, spills: list[Path]) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows are many and have no cycles: looking for some among them would take a third of the time. See `worker.Judge`.
    gc.disable()
    # What is there already stays, and is looked through by no collection: it may be the program's whole memory.
    gc.freeze()
    try:
        pipe.send(("taken", _take(plan, pipe, stop)))
        puts, parts, firsts, end, histories_max, sessions = pipe.recv()
        places = {n: Places(plan.laid.paths[n], at) for n, at in firsts.items()}
        examined: list[Examined] = []
        sources = Sources(places, [packed_beside(path) for path in spills])
        held = Holdings(_held_of(plan.spill), plan.number, plan.partitions, plan.memory) if sessions else None
        judge = Judge(sources, plan.limits, end, histories_max, held)
        for first, last in parts:
            if stop.is_set() and examined:
                break
            examined += judge.batch(spills, puts, first, last)
        held_puts = held.close() if held is not None else []
        pipe.send(("judged", (examined, judge.kept, judge.tally, _peak(), held_puts)))
        if held is not None:
            puts, parts = pipe.recv()
            files = [_held_of(path) for path in spills]
            found = (f for first, last in parts for f in exceeded(files, puts, first, last))
            pipe.send(("users", (list(islice(found, FINDINGS_MAX)), sum(1 for _ in found))))
    except (EOFError, BrokenPipeError):
        return
    except Exception as broken:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        pipe.send(("failed", f"{type(broken).__name__}: {broken}"))


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _take(plan: Plan, pipe: Connection, stop: Any) -> Any:
    def on(more: int) -> bool:
        pipe.send(("progress", more))
        return not stop.is_set()

    spill = Spill(plan.spill, plan.partitions, plan.memory)
    entries = Entries(packed_beside(plan.spill), plan.number)
    took = [take(share, spill, on) for share in plan.shares if not stop.is_set()]
    slowly = [take_slowly(plan.laid.reading, n, spill, entries, on) for n in plan.slow]
    spill.close()
    entries.close()
    end = max((t.end for t in (*took, *slowly)), default=-1)
    sessions = any(t.sessions for t in (*took, *slowly))
    return took, [(s.input, s.report) for s in slowly], spill.puts, end, sessions


def _held_of(spill: Path) -> Path:
    """The file of who held what, beside a worker's rows."""
    return spill.with_name(spill.name + "-held")
