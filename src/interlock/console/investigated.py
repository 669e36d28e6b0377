"""The timelines of an investigation as the same rows that a conversation of this server has."""

from __future__ import annotations

from datetime import UTC, datetime

from interlock.console.door import Json

UNIT = ("status", "queue", "assignedusers", "assignedto", "routedto", "assignee", "users", "owner")
TONES = {
    "applied": ("✓", "good"),
    "should not have applied": ("✕", "bad"),
    "merge": ("✓", "good"),
    "noop": ("–", "dim"),
}


def rows_of(timeline: Json, findings: list[Json]) -> list[Json]:
    """Rows in the order of cause."""
    return [_row(line, findings) for line in timeline["lines"]]


def _row(line: Json, findings: list[Json]) -> Json:
    left, right = _cell(line["left"]), _cell(line["right"])
    card = line["card"]
    mark, tone = TONES.get(card["outcome"], ("?", "dim")) if card else ("", "")
    here = [findings[n] for n in line["findings"] if findings[n]["severity"] != "low"]
    return {
        "at": _iso(line["at"]),
        "left": left,
        "right": right,
        "card": {
            "title": card["title"],
            "mark": mark,
            "outcome": card["outcome"],
            "tone": tone,
            "facts": [{"label": k, "text": v} for k, v in card["facts"]],
            "candidates": [],
        } if card else None,
        "severity": line["severity"],
        "quiet": False,
        "turning": bool(here) or tone == "bad" or any(m["unit"] for c in (left, right) if c for m in c["moves"]),
        "about": "",
        "link": "",
        "state": {},
        "raw": [],
        "place": line["place"],
        "clock": line["clock"],
        "rules": sorted({f["id"] for f in here}),
    }  # fmt: skip


def _cell(cell: Json | None) -> Json | None:
    if cell is None:
        return None
    moves = [
        {"field": _field(name), "before": before, "after": after,
         "unit": _field(name).lower() in UNIT, "silent": False}
        for name, before, after in cell["moves"]
    ]  # fmt: skip
    return {
        "id": "", "type": "", "rev": cell["rev"], "head": cell["head"], "tags": list(cell["tags"]), "moves": moves,
        "more": [], "notes": list(cell["notes"]),
    }  # fmt: skip


def _field(name: str) -> str:
    return name.removeprefix("→")


def _iso(at: int | None) -> str | None:
    if at is None or not 0 <= at < 4_102_444_800_000:
        return None
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1000:03d}Z"
