"""Valid event lines of many shapes, and what copy and paste does to them: the truth that repairs are measured against.

The fields are chosen to mislead: lists with singular names, single values with plural names, empty strings beside empty
lists, brackets inside text, lists of lists, text that is not ASCII.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

Json = dict[str, Any]

LIST_FIELDS = (
    "assignedUsers",
    "assignedTeams",
    "tags",
    "channels",
    "watcher",
    "suggestedTags",
    "roleGroupVersions",
    "skills",
)
SINGLE_FIELDS = (
    "subject", "preview", "hours", "address", "series", "progress", "language", "subStatus", "categories", "memo",
    "score", "members", "labels",
)  # fmt: skip
TEXTS = (
    "",
    "voice",
    "a, b",
    'say "hi"',
    "line\nbreak",
    "x:y",
    "{}",
    "Ünïcode – ok",
    "61a6a83fdf1e2d21501a77c1",
    "null",
    "7",
)


def hexes(random: Random) -> str:
    """An id of 24 hex digits."""
    return f"{random.getrandbits(96):024x}"


class Events:
    """Events of one system: which of its fields are lists is drawn once, as a system has one schema."""

    def __init__(self, random: Random, *, brackets_in_text: bool = False, plain: bool = False) -> None:
        self.random = random
        self.lists = random.sample(LIST_FIELDS, random.randint(2, 6))
        self.singles = random.sample(SINGLE_FIELDS, random.randint(2, 7))
        self.texts = (*TEXTS, "[urgent]", "a]b") if brackets_in_text else TEXTS
        self.texts = tuple(t for t in self.texts if t.isascii()) if plain else self.texts
        self.rev = 1

    def value(self) -> Any:
        """A single value."""
        kind = self.random.randrange(6)
        if kind < 3:
            return self.random.choice(self.texts)
        return (self.random.randint(-5, 10**6), self.random.random() < 0.5, None)[kind - 3]

    def items(self) -> list[Any]:
        """A list as fields have it: mostly empty or of one."""
        size = self.random.choice((0, 0, 1, 1, 1, 2, 3))
        return [hexes(self.random) if self.random.random() < 0.7 else "voice" for _ in range(size)]

    def reasons(self) -> list[Json]:
        """Routing reasons."""
        size = self.random.choice((0, 1, 1, 2))
        return [{"meta": {"conversationRev": self.rev}, "action": "QUEUE", "code": "RULES_HIT"} for _ in range(size)]

    def line(self) -> Json:
        """One event line with its declared length."""
        attributes: Json = {name: self.items() for name in self.lists} | {name: self.value() for name in self.singles}
        attributes |= {"status": "open", "rev": self.rev + 1, "updatedAt": "2022-03-02T19:13:26.486Z"}
        attributes["firstDone"] = {name: self.items() for name in self.random.sample(self.lists, 2)}
        moved = {
            n: {"op": "replace", "before": self.items(), "after": attributes[n]}
            for n in self.random.sample(self.lists, 2)
        }
        moved["rev"] = {"op": "replace", "before": self.rev, "after": self.rev + 1}
        inner: Json = {
            "id": hexes(self.random), "name": "acme.conversation.update", "org": "5c093c1abd6d1c00124a36b2",
            "data": {"type": "conversation", "id": hexes(self.random), "attributes": attributes, "relationships": {
                "queue": {"data": {"type": "queue", "id": hexes(self.random)}, "links": {"self": "/v1/queues/1"}}}},
            "createdAt": "2022-03-02T19:13:26.490Z", "changes": {"attributes": moved, "relationships": {}},
            "routingReasons": self.reasons(), "client": "workflow", "isSync": False,
        }  # fmt: skip
        self.rev += 1
        body = {"id": hexes(self.random), "name": inner["name"], "body": inner, "version": 3}
        return {"level": 30, "name": "event", "fullBodyLength": len(compact(body)), "body": body, "producer": "P"}


def compact(value: Any) -> str:
    """As a producer serialises it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def stripped(text: str) -> str:
    """What the viewer left of a text: no square bracket at all."""
    return re.sub(r"[\[\]]", "", text)


def document(lines: list[Json]) -> str:
    """An incident document with these lines, as the viewer left it."""
    blocks = [
        f"### Event {n}\n\n```json\n{stripped(json.dumps(v, indent=3, ensure_ascii=False))}\n```\n"
        for n, v in enumerate(lines)
    ]
    return "# Something was lost\n\n" + "\n".join(blocks)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every value at the end of a path; an empty list or object is one."""
    if isinstance(value, dict) and value:
        return {p: v for k, inner in value.items() for p, v in leaves(inner, (*path, k)).items()}
    if isinstance(value, list) and value:
        return {p: v for k, inner in enumerate(value) for p, v in leaves(inner, (*path, k)).items()}
    return {path: value}
