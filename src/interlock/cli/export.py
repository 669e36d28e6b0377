"""`interlock export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.failure import DONE, FAILED, Failure
from interlock.cli.output import Json

HERE = Server()


def export(*, to: Path | None = None, server: Annotated[Server, Parameter(name="*")] = HERE, json: Json = False) -> int:
    """A server's configuration as YAML with comments: the same state is always the same bytes.

    Example: interlock export --to config

    Parameters
    ----------
    to
        A folder for one file a section, made if it is not there. Without it everything goes to standard output.
    """
    from interlock.cli.configuration import writing
    from interlock.cli.configuration.present import look

    present = look(Connection(server))
    files = writing.files_of(present)
    if to is not None:
        try:
            writing.write(to, files)
        except OSError as why:
            raise Failure(f"{to} cannot be written", str(why), "--to FOLDER", code=FAILED) from None
    if json:
        output.document({"files": files})
    elif to is None:
        output.line(writing.whole(present).removesuffix("\n"))
    else:
        for name in files:
            output.line(str(to / name))
    return DONE
