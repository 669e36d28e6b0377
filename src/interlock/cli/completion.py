"""`interlock completion`."""

from __future__ import annotations

from typing import Literal

from interlock.cli import output
from interlock.cli.output import Json


def completion(shell: Literal["bash", "zsh", "fish"], *, json: Json = False) -> None:
    """Completion for bash, zsh or fish: the script, to be sourced by the shell.

    Example: interlock completion bash > ~/.local/share/bash-completion/completions/interlock

    Parameters
    ----------
    shell
        The shell it is for.
    """
    from interlock.cli.tree import build

    script = build().generate_completion(shell=shell)
    if json:
        output.document({"shell": shell, "script": script})
    else:
        output.line(script.rstrip("\n"))
