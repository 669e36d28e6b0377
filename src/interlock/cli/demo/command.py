"""`interlock demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from interlock.cli import output
from interlock.cli.failure import DONE, FAILED, USAGE, Failure
from interlock.cli.output import Json

SECONDS_WITHOUT_A_TERMINAL = 30.0


def demo(
    *, seed: int = 7, speed: float = 60.0, seconds: float | None = None, headless: bool = False,
    rate: Literal["day", "max"] = "day", under_way: int = 64, arrivals: Path | None = None, port: int = 8080,
    open: bool = True, json: Json = False,
) -> int:  # fmt: skip
    """Realistic traffic on a throw-away store, live in this terminal. Ctrl-C ends it; nothing is kept.

    A call centre's day: customers on chat, voice and mail, three queues, twelve agents who accept, decline, let offers
    pass, take breaks and come back, and a workflow that assigns some conversations just when the rules are placing
    them. Every row of the log is checked as it is written; "assignments lost" is what that check finds.

    Example: interlock demo --headless --seconds 20 --rate max --json

    Parameters
    ----------
    seed
        One seed, one day.
    speed
        How many seconds of the day pass in one of yours.
    seconds
        End after so long. Default: on a terminal not at all, elsewhere after 30 s.
    headless
        No live table, also on a terminal.
    rate
        day: as the day has it; max: as fast as it goes.
    under_way
        With --rate max: how many conversations are under way at once.
    arrivals
        A recorded day to play instead: a CSV file with time and channel.
    port
        The port of console and API; if it is taken, the next that is free.
    open
        On a terminal, open the console in the browser.
    """
    from interlock.cli.demo.run import Options, play
    from interlock.runtime.logs import configure
    from interlock.runtime.server import PortTaken, prepare_process, run

    live = not headless and not json and rate == "day" and sys.stdout.isatty()
    ends = seconds if seconds is not None else (0.0 if live else SECONDS_WITHOUT_A_TERMINAL)
    if arrivals is not None and not arrivals.is_file():
        raise Failure(f"there is no file {arrivals}", next="--arrivals FILE.csv with lines of time,channel", code=USAGE)
    if speed <= 0 or ends < 0 or under_way < 1:
        raise Failure("--speed, --seconds and --under-way are positive", next="interlock demo --help", code=USAGE)
    options = Options(
        seed=seed, speed=speed, seconds=ends, live=live, rate=rate, under_way=under_way, arrivals=arrivals, port=port,
        quiet=json, open=open and live,
    )  # fmt: skip
    configure(text=True, level="warning")
    prepare_process()
    try:
        summary = run(play(options))
    except PortTaken as taken:
        raise Failure("the demonstration cannot listen", str(taken), "interlock demo --port 0") from None
    if json:
        output.document(summary)
    else:
        _tell(summary)
    return DONE if summary["as_it_should"] else FAILED


def _tell(summary: dict[str, object]) -> None:
    """The summary for people."""
    shown = ("conversations", "assigned", "completed", "conversations_per_s", "wait_ms", "sync_lag_ms", "offers")
    output.table(("figure", "value"), ((name.replace("_", " "), summary[name]) for name in shown))
    output.table(("syncs", "decisions"), summary["sync_decisions"].items())  # type: ignore[attr-defined]
    output.line(f"assignments lost: {summary['lost_assignments']}")
    output.line(f"invariants broken: {summary['invariant_violations'] or 0} in {summary['log_rows']} rows of the log")
    if not summary["as_it_should"]:
        output.hint(f"interlock: the story did not go as it should: {summary['because']}")
