"""`interlock replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli import output
from interlock.cli.failure import DONE, FOUND, USAGE, Failure
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.simulation.counterexample import Counterexample, Replayed
    from interlock.simulation.play import Policy


def replay(file: Path, *, until: int | None = None, policy: str = "", as_log: bool = False, json: Json = False) -> int:
    """Play a counterexample again, step by step. Exit 3 if it still breaks something.

    Example: interlock replay proof/rev-only.json --until 12

    Parameters
    ----------
    file
        A counterexample, as `interlock prove --report` writes it.
    until
        Only its first steps, so many.
    policy
        What becomes of the same events under another policy: ours, or the name of a mutant.
    as_log
        Print the log that the run leaves, in the shape that `interlock investigate` reads.
    """
    from interlock.simulation import counterexample

    example = _read(file)
    chosen = _policy(policy)
    try:
        played = counterexample.replay(example, until=until, policy=chosen)
    except KeyError as unknown:
        raise Failure(f"this version knows no {unknown.args[0]}", "the file is of another version") from None
    if as_log:
        _log(played)
    elif json:
        import msgspec

        output.document(msgspec.to_builtins({"steps": played.steps, "broken": played.broken}))
    else:
        _show(played)
    return FOUND if played.broken else DONE


def _read(file: Path) -> Counterexample:
    import msgspec

    from interlock.simulation import counterexample

    try:
        return counterexample.decode(file.read_bytes())
    except OSError as missing:
        raise Failure(f"{file} cannot be read", str(missing.strerror), code=USAGE) from missing
    except msgspec.DecodeError as wrong:
        hint = "interlock prove --mutants --report proof"
        raise Failure(f"{file} is no counterexample", str(wrong), hint, code=USAGE) from wrong


def _policy(name: str) -> Policy | None:
    from interlock.simulation import play
    from interlock.simulation.mutants import MUTANTS, mutant

    if not name:
        return None
    found = play.OURS if name == "ours" else mutant(name)
    if found is None:
        names = ", ".join(["ours", *(m.name for m in MUTANTS)])
        raise Failure(f"there is no policy {name}", f"there are {names}", "--policy ours", code=USAGE)
    return found


def _log(played: Replayed) -> None:
    from interlock import __version__
    from interlock.runtime.logs import LogLines

    lines = LogLines(sys.stdout, "interlock", __version__)
    for row in played.rows:
        lines.write(row, row.at)


def _show(played: Replayed) -> None:
    for step in played.steps:
        output.line(f"{step.n:>3}  {step.text}")
    if played.steps:
        for text in played.steps[-1].records:
            output.line(f"     {text}")
    for name, words in played.broken:
        output.line(f"{name}: {words}")
