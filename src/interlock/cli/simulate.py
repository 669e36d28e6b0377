"""`interlock simulate`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.failure import DONE, USAGE, Failure
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.simulation.what_if import WhatIf
    from interlock.simulation.yesterday import Yesterday

PAGE = 500


def simulate(
    log: str, *, rules: Annotated[Path | None, Parameter(name=["--rules", "-f"])] = None, against: Path | None = None,
    from_: str | None = None, to: str | None = None, seed: int = 7, agents: Sequence[str] = (),
    handle_seconds: float = 300, prune: bool = False, moved: int = 10, json: Json = False,
) -> int:  # fmt: skip
    """Yesterday's traffic under another configuration: per queue before and after, waits, and how the load lies.

    Example: interlock simulate sqlite:interlock.db --rules config --from 2026-03-02T00:00:00Z

    It says what was replayed exactly (arrivals, what the rules matched, shifts) and what was simulated (waits, answers
    and handle times, drawn from the log's own). The services of production run on a virtual clock.

    Parameters
    ----------
    log
        A store (sqlite:FILE or its file), the JSON lines of `interlock events`, or a CSV file of arrivals with the
        columns time and channel.
    rules
        The changed configuration: a folder, a file or -, as for apply. Without it the day is only played as it was.
    against
        Compare with this configuration instead of the recorded one.
    from_
        Begin at this time (RFC 3339).
    to
        End before this time.
    seed
        The same seed is the same outcome.
    agents
        Where the log has no shifts, as a CSV file: TEAM=N, so many agents of a team all day. Once for each team.
    handle_seconds
        The mean handle time that is assumed where the log has none.
    prune
        Rules and queues that the files do not list are gone, as with apply --prune.
    moved
        How many moved items to list.
    """
    day = _day(log, _time(from_, 0), _time(to, 1 << 62), seed, handle_seconds)
    if not day.entries:
        raise Failure(
            f"nobody came into a queue in {log}", "the log has no entry into a queue in this span", code=USAGE
        )
    staff = [_staff(text) for text in agents]
    if not day.turns and not staff:
        raise Failure("nobody is there to work", "this log has no shifts", "--agents TEAM=N", code=USAGE)
    told = _compare(day, (rules, against), staff, seed, log, prune=prune)
    if json:
        output.document(told)
    else:
        _tell(told, moved)
    return DONE


def _compare(
    day: Yesterday, files: tuple[Path | None, Path | None], staff: Sequence[tuple[str, int]], seed: int, log: str,
    *, prune: bool,
) -> Any:  # fmt: skip
    rules, against = files
    from interlock.domain.rule import QueueRule
    from interlock.simulation.compared import left_out, told

    recorded_only = rules is None or not any(e.queue for e in day.entries)
    first = side_of(day, against or (rules if recorded_only else None), seed, prune=prune)
    second = None
    if rules is not None and (against is not None or not recorded_only):
        second = side_of(day, rules, seed, prune=prune)
    known = [r for side in (first, second) if side for r in side.store.all(QueueRule.TYPE)]
    gone = left_out(day, [r for r in known if isinstance(r, QueueRule) and not r.deleted])
    day.entries = [e for e in day.entries if e not in gone] if gone else day.entries
    for side in (first, second):
        if side is not None:
            _play(side, staff)
    document = told(day, first, second, seed=seed, source=log)
    document["leftOut"] = len(gone)
    return document


def side_of(day: Yesterday, files: Path | None, seed: int, *, prune: bool) -> WhatIf:
    """One configuration: the recorded one, changed by these files as `interlock apply` would change a server."""
    from interlock.simulation.what_if import WhatIf
    from interlock.simulation.world import at_once

    if files is None:
        side = WhatIf(day, seed=seed)
        at_once(side.found())
        return side
    from interlock.cli.configuration.carry_out import carry_out
    from interlock.cli.configuration.inside import Inside
    from interlock.cli.configuration.plan import plan
    from interlock.cli.configuration.present import look
    from interlock.cli.configuration.reading import read

    wanted = read(files)
    side = WhatIf(
        day, seed=seed, recorded_places="queueRules" not in wanted,
        recorded_floor=not {"teamRouting", "teams", "orgSettings"} & set(wanted),
    )  # fmt: skip
    at_once(side.found())
    inside = Inside(side.world, day.org)
    try:
        present = look(inside)
        carry_out(inside, plan(wanted, present, prune=prune), present, lambda _: None)
    finally:
        inside.close()
    return side


def _play(side: WhatIf, staff: Sequence[tuple[str, int]]) -> None:
    from interlock.simulation.world import at_once

    for team, how_many in staff:
        try:
            side.staff(team, how_many)
        except KeyError:
            raise Failure(
                f"there is no team {team}", "the configuration has no team of this name", code=USAGE
            ) from None
    at_once(side.play())


def _day(log: str, since: int, until: int, seed: int, handle_s: float) -> Yesterday:
    from interlock.simulation.yesterday import Gathering, told_by_events

    path = Path(log.removeprefix("sqlite:///").removeprefix("sqlite:"))
    if not path.is_file():
        raise Failure(f"there is no file {path}", next="interlock simulate FILE --rules DIR", code=USAGE)
    with path.open("rb") as file:
        is_store = file.read(15) == b"SQLite format 3"
    if is_store:
        return asyncio.run(_of_store(f"sqlite:{path}", since, until))
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            if path.suffix == ".csv":
                from interlock.simulation.arrivals import day_of

                return day_of(lines, seed=seed, handle_s=handle_s)
            gathering = Gathering(since, until)
            for each in told_by_events(lines):
                gathering.take(each)
    except (ValueError, UnicodeDecodeError) as wrong:
        what = "a store, the JSON lines of interlock events, or a CSV file with time and channel"
        raise Failure(f"{path} cannot be read", str(wrong), what, code=USAGE) from None
    day = gathering.finished()
    day.limits = False
    return day


async def _of_store(db: str, since: int, until: int) -> Yesterday:
    from interlock.cli.offline import reading
    from interlock.simulation.yesterday import Gathering, told_by_rows

    gathering = Gathering(since, until)
    async with reading(db) as (_, store):
        position = 0
        while rows := await store.changes(position, PAGE):
            for each in told_by_rows(rows):
                gathering.take(each)
            position = rows[-1].position
    return gathering.finished()


def _time(text: str | None, absent: int) -> int:
    if text is None:
        return absent
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text!r} is no time", next="2026-03-02T09:00:00Z", code=USAGE) from None
    if at.tzinfo is None:
        raise Failure(f"{text!r} has no zone", next="2026-03-02T09:00:00Z", code=USAGE)
    return round(at.timestamp() * 1000)


def _staff(text: str) -> tuple[str, int]:
    team, _, number = text.rpartition("=")
    if not team or not number.isdigit():
        raise Failure(f"{text!r} says no number of agents", next="--agents Support=5", code=USAGE)
    return team, int(number)


def _tell(told: Mapping[str, Any], moved: int) -> None:
    """The comparison for people: one line a queue and side, then agents, what moved, and what is what."""
    sides = [s for s in ("recorded", "before", "after") if told["queues"] and s in told["queues"][0]]
    output.table(
        ("queue", "", "items", "in", "out", "taken", "left", "waiting", "p50 s", "p95 s", "in target"),
        [
            (q["key"] or q["name"], side, f["items"], q.get("in") if side == "after" else None,
             q.get("out") if side == "after" else None, f["taken"], f["left"], f["stillWaiting"], f["waitP50Seconds"],
             f["waitP95Seconds"], _percent(f["withinTarget"]))
            for q in told["queues"] for side in sides for f in (q[side],)
        ],
    )  # fmt: skip
    output.table(
        ("agent", "load before", "load after"),
        [(a["name"], _percent(a["loadBefore"]), _percent(a.get("loadAfter"))) for a in told["agents"]],
    )
    if "after" in sides:
        output.line(f"{len(told['moved'])} items go elsewhere")
    for item in told["moved"][:moved]:
        output.line(f"  {item['conversation']}  {item['before']} → {item['after']}")
    if told["leftOut"]:
        output.hint(f"{told['leftOut']} left out: the log does not have what the rules would look at")
    for name in ("exact", "simulated"):
        for text in told[name]:
            output.hint(f"{name:<10} {text}")
    output.hint(f"seed       {told['seed']}")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
