"""`interlock apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.failure import DONE
from interlock.cli.output import Json

HERE = Server()
Files = Annotated[Path, Parameter(name=["--files", "-f"])]


def apply(
    *, files: Files, server: Annotated[Server, Parameter(name="*")] = HERE, prune: bool = False, dry_run: bool = False,
    json: Json = False,
) -> int:  # fmt: skip
    """Make a server's configuration what the files say: queues, rules, teams, statuses. The plan comes first.

    Example: interlock apply -f config --dry-run

    A section that no file has is left alone, and so is a field that is left out. Each write says which rev it rests
    on: what somebody else changed meanwhile is refused, with what changed. A plan that fails half-way says what was
    done and what was not; the same command again does the rest.

    Parameters
    ----------
    files
        A folder of YAML files, one file, or - for standard input.
    prune
        Take away what no file lists: rules are deleted, queues archived, statuses and team routing switched off.
    dry_run
        Print the plan and end.
    """
    from interlock.cli.configuration.carry_out import carry_out
    from interlock.cli.configuration.plan import Step, plan
    from interlock.cli.configuration.present import look, look_at_people
    from interlock.cli.configuration.reading import names_people, read

    wanted = read(files)
    connection = Connection(server)
    present = look(connection)
    if names_people(wanted):
        look_at_people(connection, present)
    made = plan(wanted, present, prune=prune)
    document: dict[str, Any] = {"plan": made.document(), "done": []}
    if not json:
        tell(made)
    if dry_run or not made.steps:
        if json:
            output.document(document)
        elif not made.steps:
            output.line("nothing to do")
        return DONE

    def told(step: Step) -> None:
        document["done"].append(step.document())
        if not json:
            output.hint(f"done  {step.line}")

    carry_out(connection, made, present, told)
    if json:
        output.document(document)
    else:
        output.line(f"applied {made.counts}")
    return DONE


def tell(made: Any) -> None:
    """The plan for people; what is not listed and stays goes beside it."""
    if made.steps:
        for text in made.lines():
            output.line(text)
    for text in made.kept:
        output.hint(f"not listed  {text}")
