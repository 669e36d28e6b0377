"""`interlock version`."""

from __future__ import annotations

import platform
from importlib import metadata

from interlock import __version__
from interlock.cli import output
from interlock.cli.output import Json


def version(*, json: Json = False) -> None:
    """What this is, down to the SQLite it runs on.

    Example: interlock version --json
    """
    facts = {
        "interlock": __version__,
        "python": platform.python_version(),
        "sqlite (apsw)": metadata.version("apsw"),
        "system": platform.platform(),
    }
    if json:
        output.document(facts)
    else:
        output.table(("what", "version"), facts.items())
