"""What a server has, as files: stable order, comments that explain. The same state is the same bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from interlock.cli.configuration.nouns import Noun, all_nouns
from interlock.cli.configuration.present import Held, Present

HEAD = """# Interlock configuration. `interlock diff -f DIR` shows what would change, `interlock apply -f DIR` does it.
# A field that is left out stays as it is on the server; null clears it. Order does not matter, but for queue rules.
"""


class _Dumper(yaml.SafeDumper):
    """Text that holds anything but plain characters goes between double quotes, on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is written as an alias."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)

OF_SYSTEM = {"statuses": ("name", "description", "externalId"), "queues": ("key", "restrictTransfersByUsers")}
"""What can be said of a record that belongs to the system."""


def files_of(present: Present) -> dict[str, str]:
    """Every section as a file: name → text."""
    return {noun.file: HEAD + "\n" + section_of(noun, present) for noun in all_nouns()}


def whole(present: Present) -> str:
    """All sections as one document."""
    return HEAD + "".join("\n" + section_of(noun, present) for noun in all_nouns())


def section_of(noun: Noun, present: Present) -> str:
    """One section with its comment."""
    about = "".join(f"# {line}\n" for line in noun.about.splitlines())
    kept = [(label, h) for label, h in present.records[noun.section].items() if not h.archived]
    if not noun.ordered:
        kept.sort(key=lambda pair: pair[0])
    if noun.single:
        lines = [_fields(h, "  ") for _, h in kept]
        return f"{about}{noun.section}:\n{''.join(lines)}"
    if not kept:
        return f"{about}{noun.section}: []\n"
    return f"{about}{noun.section}:\n" + "".join("  - " + _fields(h, "    ")[4:] for _, h in kept)


def _fields(h: Held, indent: str) -> str:
    names = OF_SYSTEM.get(h.noun.section, h.noun.fields) if h.system else h.noun.fields
    out: list[str] = []
    for name in names:
        value = h.values.get(name)
        if (
            name == "archived"
            or name in h.noun.unsaid
            or (value in (None, "") and name in h.noun.identity)
            or _other_target(h, name)
        ):
            continue
        text: str = yaml.dump(
            {name: _ordered(value)}, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, width=10**9,
            sort_keys=False,
        )  # fmt: skip
        out += [f"{indent}{line}\n" for line in text.removesuffix("\n").split("\n")]
    return "".join(out)


def _other_target(h: Held, name: str) -> bool:
    """Of a rule's two ways to name its queue only the one that is used is shown."""
    return h.noun.section == "queueRules" and name in ("queue", "queueKey") and not h.values.get(name)


def _ordered(value: Any) -> Any:
    """Nested members in one order, whatever order they were stored in."""
    if isinstance(value, Mapping):
        held = cast("Mapping[str, Any]", value)
        return {k: _ordered(held[k]) for k in sorted(held)}
    if isinstance(value, list):
        return [_ordered(v) for v in cast("list[Any]", value)]
    return value


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        handle, made = tempfile.mkstemp(dir=folder, prefix=".export-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(made, 0o644)
        os.replace(made, folder / name)
