"""`interlock diff`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.apply import HERE, Files, tell
from interlock.cli.connection import Connection, Server
from interlock.cli.output import Json

SAME, DIFFERENT = 0, 1


def diff(
    *, files: Files, server: Annotated[Server, Parameter(name="*")] = HERE, prune: bool = False, json: Json = False
) -> int:
    """What `interlock apply` would change. Exits with 0 if nothing, with 1 if something: as diff does.

    Example: interlock diff -f config

    Parameters
    ----------
    files
        A folder of YAML files, one file, or - for standard input.
    prune
        Count what no file lists as a difference.
    """
    from interlock.cli.configuration.plan import plan
    from interlock.cli.configuration.present import look, look_at_people
    from interlock.cli.configuration.reading import names_people, read

    wanted = read(files)
    connection = Connection(server)
    present = look(connection)
    if names_people(wanted):
        look_at_people(connection, present)
    made = plan(wanted, present, prune=prune)
    if json:
        output.document(made.document())
    else:
        tell(made)
    return DIFFERENT if made.steps else SAME
