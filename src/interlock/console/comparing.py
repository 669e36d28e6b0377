"""Two histories beside each other: which decisions they have in common, and where they part. Values only.

Decisions are matched by their shape: what kind they are, what came of them, which fields moved, and to which state.
Who and when are left out, since no two conversations have the same agents; so a good run and a bad one can be laid
beside each other, and the first row that has no partner is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from interlock.console.door import Json

SIDES = ("left", "right")
HEAD_FIELDS = ("status", "queue", "users", "paused", "ended", "offered")


def shape(row: Json) -> str:
    """What is alike in two rows that mean the same."""
    card = row["card"]
    said = [card["kind"], card["outcome"]] if card else ["-"]
    for side in SIDES:
        cell = row[side]
        moves = [f"{m['field']}={m['after'] if m['field'] == 'status' else ''}" for m in cell["moves"]] if cell else []
        said.append(f"{side}:{','.join(sorted(moves))}" if cell else "")
    return "|".join(said)


def aligned(a: Sequence[Json], b: Sequence[Json]) -> list[Json]:
    """Rows beside each other, in the order of both; `same`: they have one shape."""
    out: list[Json] = []
    match = SequenceMatcher(None, [shape(r) for r in a], [shape(r) for r in b], autojunk=False)
    for tag, a1, a2, b1, b2 in match.get_opcodes():
        if tag == "equal":
            out += [{"same": True, "a": a[a1 + n], "b": b[b1 + n]} for n in range(a2 - a1)]
            continue
        for n in range(max(a2 - a1, b2 - b1)):
            out.append({
                "same": False,
                "a": a[a1 + n] if a1 + n < a2 else None,
                "b": b[b1 + n] if b1 + n < b2 else None,
            })  # fmt: skip
    return out


def parted(rows: Sequence[Json]) -> int | None:
    """The number of the first row, from 1, in which the two differ."""
    return next((n for n, r in enumerate(rows, 1) if not r["same"]), None)


def heads(a: Json | None, b: Json | None) -> list[Json]:
    """The fields of one record on both sides: status, queue, users and the registers."""
    out: list[Json] = []
    for name in HEAD_FIELDS:
        x, y = (_text(h.get(name)) if h else "no record" for h in (a, b))
        if x or y:
            out.append({"field": name, "a": x, "b": y, "same": x == y})
    return out


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "nobody"
    return {True: "yes", False: "", None: ""}.get(value, str(value)) if not isinstance(value, str) else value
