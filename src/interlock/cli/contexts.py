"""Servers by name: `--context production` stands for a URL and a key file, kept in one TOML file.

    [production]
    url = "https://interlock.example.com"
    key_file = "production.key"

The file is `INTERLOCK_CONTEXTS`, else `interlock/contexts.toml` below `XDG_CONFIG_HOME` (`~/.config`). It holds no key;
the path of a key file is taken from where it is.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from interlock.cli.failure import USAGE, Failure

MEMBERS = {"url", "key_file"}


@dataclass(frozen=True)
class Context:
    """One server: where it is, and the file that holds the key for it."""

    url: str
    key_file: Path | None


def place() -> Path:
    """Where the file is looked for."""
    named = os.environ.get("INTERLOCK_CONTEXTS")
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(named) if named else Path(base).expanduser() / "interlock" / "contexts.toml"


def context(name: str) -> Context:
    """The server of this name. Raises `Failure` with what there is instead."""
    import tomllib

    file = place()
    try:
        known = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as why:
        next = f"{file} with a section [{name}] that has url and key_file"
        raise Failure(f"there is no context {name}", f"{file}: {why.strerror}", next, code=USAGE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Failure(f"{file} cannot be used", str(why), code=USAGE) from None
    found = known.get(name)
    if not isinstance(found, dict):
        near = difflib.get_close_matches(name, list(known), n=1)
        there = f"did you mean {near[0]}?" if near else f"{file} has {', '.join(sorted(known)) or 'none'}"
        raise Failure(f"there is no context {name}", there, code=USAGE)
    url, key_file = found.get("url"), found.get("key_file")
    strange = set(found) - MEMBERS
    if strange or not isinstance(url, str) or not isinstance(key_file, str | None):
        why = f"it has {', '.join(sorted(strange))}" if strange else "url and key_file are text"
        raise Failure(f"context {name} in {file} cannot be used", why, "url = … and key_file = …", code=USAGE)
    return Context(url, file.parent / Path(key_file).expanduser() if key_file else None)
