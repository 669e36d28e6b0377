"""What stands beside a damaged block and knows its values: the resource in the same event, the next rev, the prose.

data.X = changes.X.after, before(n + 1) = after(n), and the bullets that a person wrote above the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from interlock.investigation.repair import Block, Witness
from interlock.investigation.schema import Schema
from interlock.investigation.tolerant import Path

_BULLET = re.compile(r"\s*[*+-]\s+\**(\w[\w .]*?)\**\s*:\s*(.+?)\s*$")
_BEFORE = re.compile(r"\s*[*+-]\s+before\b:?\s*(.+?)\s*$", re.IGNORECASE)
_WORDS: dict[str, Any] = {"[]": [], "none": [], "null": None, '""': "", "{}": {}}
_SILENT: Any = ...
_ROW_MAX = 500


class Witnesses:
    """What was heard of each block, and of each version of each record."""

    def __init__(self) -> None:
        self._bullets: dict[int, dict[tuple[str, str], Any]] = {}
        self._versions: dict[tuple[str, str, int], dict[str, Any]] = {}

    def hear(self, prose: Iterable[str], block: Block, schema: Schema) -> None:
        """Listens to a block and to the prose above it."""
        self._bullets[id(block)] = bullets(prose)
        if block.damaged and not block.proven:
            return
        value = block.result(schema).value
        data = _down(value, "data")
        attributes = data.get("attributes") if isinstance(data, dict) else None
        if isinstance(attributes, dict) and isinstance(attributes.get("rev"), int):
            self._versions[str(data.get("type")), str(data.get("id")), attributes["rev"]] = attributes

    def of(self, block: Block) -> Witness:
        """A function that says what is known of a path of this block."""
        told = self._bullets.get(id(block), {})
        slots = {e.path for e in block.tree.edits if e.kind == "EMPTY_SLOT"}
        value = block.result(Schema()).value

        def says(path: Path) -> Any:
            names = [p for p in path if isinstance(p, str)]
            if "attributes" not in names[:-1] or any(isinstance(p, int) for p in path):
                return _SILENT
            at = names.index("attributes")
            field, tail = names[at + 1], names[at + 2 :]
            moved = at > 0 and names[at - 1] == "changes"
            if (moved and tail not in (["before"], ["after"])) or (not moved and tail):
                return _SILENT
            side = tail[0] if tail else "after"
            twin = _twin(value, field, side, moved, slots)
            if twin is not _SILENT:
                return twin
            neighbour = self._neighbour(value, field, side)
            return neighbour if neighbour is not _SILENT else told.get((field.lower(), side), _SILENT)

        return says

    def _neighbour(self, value: Any, field: str, side: str) -> Any:
        data = _down(value, "data")
        attributes = data.get("attributes", {}) if isinstance(data, dict) else {}
        rev = attributes.get("rev") if isinstance(attributes, dict) else None
        if not isinstance(rev, int) or side != "before":
            return _SILENT
        known = self._versions.get((str(data.get("type")), str(data.get("id")), rev - 1), {})
        return known.get(field, _SILENT)


def _twin(value: Any, field: str, side: str, moved: bool, slots: set[Path]) -> Any:
    """The same value where the event tells it a second time: in the resource, or in the change."""
    if side != "after":
        return _SILENT
    body = _holder(value, "data")
    if not isinstance(body, dict):
        return _SILENT
    try:
        if moved:
            where: Path = ("data", "attributes", field)
            found = body["data"]["attributes"].get(field, _SILENT)
        else:
            where = ("changes", "attributes", field, "after")
            found = body["changes"]["attributes"][field].get("after", _SILENT)
    except (KeyError, TypeError, AttributeError):
        return _SILENT
    return _SILENT if any(path[-len(where) :] == where for path in slots) else found


def _holder(value: Any, name: str) -> Any:
    for _ in range(4):
        if not isinstance(value, dict):
            return None
        if isinstance(value.get(name), dict):
            return value
        value = value.get("body")
    return None


def _down(value: Any, name: str) -> Any:
    holder = _holder(value, name)
    return holder[name] if holder else None


def bullets(prose: Iterable[str]) -> dict[tuple[str, str], Any]:
    """What the bullets say: (field in lower case, `before` or `after`) → value; only empty words are understood."""
    found: dict[tuple[str, str], Any] = {}
    field = ""
    for row in prose:
        if len(row) > _ROW_MAX:
            continue
        before, bullet = _BEFORE.match(row), _BULLET.match(row)
        if before and field:
            _note(found, (field, "before"), before[1])
        elif bullet:
            field = bullet[1].lower().replace(" ", "")
            _note(found, (field, "after"), bullet[2])
    return found


def _note(found: dict[tuple[str, str], Any], key: tuple[str, str], said: str) -> None:
    word = said.strip("`*").lower()
    if word in _WORDS:
        found[key] = _WORDS[word]
