"""`interlock config show`."""

from __future__ import annotations

import os
from pathlib import Path

from interlock.cli import output
from interlock.cli.failure import USAGE, Failure
from interlock.cli.output import Json


def show(*, origin: bool = False, config: Path | None = None, json: Json = False) -> None:
    """Every setting: its value, its meaning, where it came from.

    Example: INTERLOCK_PORT=9000 interlock config show --origin

    Parameters
    ----------
    origin
        Say for each setting where its value came from: flag, environment, file or default.
    config
        A TOML file with settings; INTERLOCK_CONFIG names one too.
    """
    from interlock.runtime.settings import WrongSetting, gather

    try:
        shown = gather({}, os.environ, config).shown()
    except WrongSetting as wrong:
        raise Failure("a setting is wrong", str(wrong), "interlock config show", code=USAGE) from None
    if json:
        output.document({"settings": shown})
        return
    heads = ("variable", "value", *(("origin",) if origin else ()), "meaning")
    output.table(heads, ([s[h] for h in heads] for s in shown))
