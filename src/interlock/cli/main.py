"""`interlock`: the command line. Errors say what, why and what to type next; a traceback only with --debug."""

from __future__ import annotations

import contextlib
import difflib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from interlock.cli.failure import DONE, FAILED, INTERRUPTED, USAGE, Failure

if TYPE_CHECKING:
    from cyclopts import CycloptsError


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run, and turn whatever happens into a message and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    code = run([a for a in given if a != "--debug"], debug=debug)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(code)


def run(given: list[str], *, debug: bool = False) -> int:
    """One command; its exit code."""
    if given in ([], ["-h"], ["--help"]):
        from interlock.cli.overview import text

        sys.stdout.write(text())
        return DONE
    from cyclopts import CycloptsError

    from interlock.cli.tree import build

    app = build()
    try:
        result = app(given, print_error=False, exit_on_error=False)
        return result if isinstance(result, int) and not isinstance(result, bool) else DONE
    except Failure as failure:
        if debug and failure.__cause__ is not None:
            raise
        _tell(failure, as_json="--json" in given)
        return failure.code
    except CycloptsError as wrong:
        _tell(_usage(wrong), as_json="--json" in given)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except Exception as broken:  # the last door: no traceback for people
        if debug:
            raise
        next = "run it again with --debug to see where"
        _tell(Failure("this is a fault of ours", f"{type(broken).__name__}: {broken}", next), as_json="--json" in given)
        return FAILED


def _tell(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(failure.document(), ensure_ascii=False) + "\n")
    for text in failure.lines():
        sys.stderr.write(text + "\n")


def _usage(wrong: CycloptsError) -> Failure:
    """What is wrong with the line that was typed. The parser would import every command to list them; we know them."""
    from cyclopts import UnknownCommandError

    from interlock.cli.overview import COMMANDS, GROUPS

    chain = " ".join(wrong.command_chain or ())
    if isinstance(wrong, UnknownCommandError) and wrong.unused_tokens and not chain:
        typed, names = wrong.unused_tokens[0], [c[0] for c in COMMANDS] + [g[0] for g in GROUPS]
        near = difflib.get_close_matches(typed, names, n=1)
        said = f"there is no command {typed}." + (f" Did you mean {near[0]}?" if near else "")
        return Failure(said, next=f"interlock {near[0]} --help" if near else "interlock --help", code=USAGE)
    return Failure(" ".join(str(wrong).split()), next=f"interlock {chain + ' ' if chain else ''}--help", code=USAGE)


if __name__ == "__main__":
    main()
