"""What a file teaches about itself: which fields hold lists, which hold single values, told from its undamaged parts.

A field is known by its place, the same in a resource and in the changes beside it: `attributes.tags` stands for
`data.attributes.tags` and for `changes.attributes.tags.before`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from interlock.investigation.tolerant import Node, Path

Likelihood = Literal["list", "likely", "plural", "open", "never"]

KNOWN_LISTS = frozenset({
    "assignedUsers", "assignedTeams", "tags", "suggestedTags", "predictions", "suggestedShortcuts", "sentByTeams",
    "answers", "createdByTeams", "roleGroupVersions", "routingReasons", "channels", "basis", "losers", "candidates",
})  # fmt: skip
"""Lists by the published schema of conversations, work items and their events. Others are guesses."""

_NEVER = frozenset({
    "id", "type", "op", "rev", "name", "org", "partition", "client", "version", "status", "createdAt",
    "updatedAt", "modifiedAt", "publishedAt", "persist", "isSync", "self", "resourceRev", "conversationRev",
    "sourceId", "sourceType", "channel", "direction", "priority", "action", "code", "commandName", "decision",
    "cause", "externalId", "preview", "class", "attributes", "relationships", "changes", "links", "data",
    "meta", "body",
})  # fmt: skip
_SINGULAR_END = re.compile(r"(?:ss|us|is|ies|ics|ous|At|Id|Rev|Count)$")
_NAMES_MAX = 20_000


class Schema:
    """Places and names, and which kinds of value were seen there. Bounded: after so many names it learns no more."""

    def __init__(self) -> None:
        self._places: dict[str, set[str]] = {}
        self._names: dict[str, set[str]] = {}
        self.learned = 0
        self.measure = ""
        """How this file counts a body's length (`characters`, `bytes`, `utf-16`); empty while nothing has shown it."""

    def learn(self, value: Any, path: Path = ()) -> None:
        """Everything that an undamaged value shows."""
        if isinstance(value, dict):
            for name, inner in value.items():
                here = (*path, name)
                self._see(here, _kind(inner))
                self.learn(inner, here)
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, path)

    def learn_lists(self, node: Node) -> None:
        """What a damaged tree shows for sure: lists with their brackets, and values without keys.

        An empty slot is one too, where its text has lost all its brackets; the caller says so with `learn_slots`.
        """
        self._learn_lists(node, slots=False)

    def learn_slots(self, node: Node) -> None:
        """The same, and empty slots are lists."""
        self._learn_lists(node, slots=True)

    def _learn_lists(self, node: Node, *, slots: bool) -> None:
        if node.kind == "list" or (slots and node.kind == "slot"):
            self._see(node.path, "list")
        for _, _, inner in node.members:
            self._learn_lists(inner, slots=slots)
        for inner in node.items:
            self._learn_lists(inner, slots=slots)

    def settle(self, path: Path, kind: Literal["list", "scalar"]) -> bool:
        """What a proof showed of a field. Says whether that is news."""
        seen = self._places.setdefault(place_of(path), set())
        known = kind in seen
        seen.add(kind)
        return not known

    def _see(self, path: Path, kind: str) -> None:
        if not kind or self.learned >= _NAMES_MAX:
            return
        place, name = place_of(path), _name(path)
        if kind not in self._places.setdefault(place, set()):
            self._places[place].add(kind)
            self._names.setdefault(name, set()).add(kind)
            self.learned += 1

    def is_list(self, path: Path) -> bool | None:
        """Whether the field is a list: by its place, else by its name; `None`: both were seen, or nothing was."""
        seen = self._places.get(place_of(path)) or self._names.get(_name(path)) or set()
        return None if not seen or len(seen) > 1 else "list" in seen

    def likelihood(self, node: Node) -> Likelihood:
        """How likely a value without brackets was a list of one."""
        if place_of(node.path).startswith("changes."):
            return "never"
        known = self.is_list(node.path)
        name = _name(node.path)
        if known is not None:
            return "list" if known else "never"
        if name in _NEVER or node.raw in ("null", "true", "false") or _is_time(node.raw):
            return "never"
        if name in KNOWN_LISTS:
            return "likely"
        plural = name.endswith(("s", "Ids", "List")) and not _SINGULAR_END.search(name)
        return "plural" if plural and node.path[-1:] != ("links",) else "open"


@lru_cache(65_536)
def place_of(path: Path) -> str:
    """The field that a path leads to, wherever it stands."""
    names = [p for p in path if isinstance(p, str)]
    for root in ("attributes", "relationships"):
        if root in names:
            at = names.index(root)
            inside = names[at:]
            if at and names[at - 1] == "changes":
                moved = len(inside) > 2 and inside[2] in ("before", "after")
                inside = inside[:2] + inside[3:] if moved else ["changes", *inside]
            return ".".join(inside)
    return ".".join(n for n in names if n != "body")


def field_of(path: Path) -> str:
    """The outward name of the field that a value belongs to, as observations name it."""
    names = [p for p in path if isinstance(p, str)]
    for root, mark in (("relationships", "→"), ("attributes", "")):
        if root in names[:-1]:
            return mark + names[names.index(root) + 1]
    return names[-1] if names else ""


def _name(path: Path) -> str:
    """The name a value is known by: of a change or a link, its field's."""
    names = place_of(path).split(".")
    if names[-1] == "data" and len(names) > 1:
        names.pop()
    return names[-1]


def _kind(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, dict) else "scalar"


def _is_time(raw: str) -> bool:
    return bool(re.match(r'"\d{4}-\d\d-\d\d[T ]', raw))
