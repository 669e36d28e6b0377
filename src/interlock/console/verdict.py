"""What a timeline comes to, in one box and in a supervisor's words. Agreement alone is no good news."""

from __future__ import annotations

from typing import Any

from interlock.console import history
from interlock.console.door import Json
from interlock.console.names import Names
from interlock.console.rendering import lasting, milliseconds

ON_ITS_WAY_MS = 5_000
"""How long a copy may take before a difference is called one."""


def of_own(told: Json, rows: list[Json], heads: Json, names: Names, now: str) -> Json:
    """Of a conversation of this server: what the rules found, else whether the records agree, else what was decided."""
    grave = [f for f in told["findings"] if f["severity"] != "low"]
    if grave:
        return _lost(grave[0], len(grave), told)
    wrong = history.differing(heads["conversation"], heads["work_item"])
    since = next((r["at"] for r in reversed(rows) if r["left"] or r["right"]), None)
    if wrong and since and milliseconds(now) - milliseconds(since) > ON_ITS_WAY_MS:
        title = f"Out of step since {since[11:19]} UTC: {', '.join(wrong)}"
        return box("bad", "▲", title, "The two records do not say the same. The sweep looks at it every few seconds.")
    conflicts = [r for r in rows if r["card"] and r["card"]["outcome"].startswith("conflict")]
    if wrong:
        return box(
            "warn", "…", "The copy is on its way", f"Written {lasting(milliseconds(now) - milliseconds(since))} ago."
        )
    if conflicts:
        facts = {f["label"]: f["text"] for f in conflicts[0]["card"]["facts"]}
        said = (
            f"In force: {facts.get('in force', 'unknown')}. Gave way, and is kept: {facts.get('gave way', 'unknown')}."
        )
        return box("good", "✓", "In step; two decided at once, and nothing was lost", said)
    if told["verdict"] == "unknown" or not rows:
        return box("dim", "?", "Unknown", "The log does not show enough of it to say more.")
    written = sum(bool(r["left"] or r["right"]) for r in rows)
    unwritten = len(rows) - written
    said = f"{written} decisions changed a record; {unwritten} found that nothing was to be done."
    return box("good", "✓", "In step, every change explained", said)


def _lost(finding: Json, how_many: int, told: Json) -> Json:
    title = str(told["headline"]).partition(": ")[2].capitalize() or str(told["headline"])
    if finding["id"] == "R1" and "ssign" in finding["field"]:
        title = "Lost assignment: a sync wrote a field that its source had not changed"
    elif finding["id"] == "R1":
        title = f"Lost change: a sync wrote {finding['field']}, which its source had not changed"
    more = f" {how_many - 1} more findings stand below." if how_many > 1 else ""
    return box("bad", "✕", title, finding["explanation"] + more, certainty=finding["certainty"])


def of_log(told: Json) -> Json:
    """Of somebody's log."""
    grave = [f for f in told["findings"] if f["severity"] != "low"]
    if told["verdict"] == "broken":
        return _lost(told["findings"][0], len(grave), told)
    if told["verdict"] == "sound":
        return box("good", "✓", "Sound: nothing was lost", "And the log shows enough to say so.")
    said = (
        "Findings of weight stand below; none is proof by itself."
        if grave
        else "No evidence of harm, and not enough in the log to exclude it."
    )
    return box("dim", "?", "Unknown", said)


def box(tone: str, mark: str, title: str, sentence: str, **more: Any) -> Json:
    """A verdict: its tone, its mark, and its words."""
    return {"tone": tone, "mark": mark, "title": title, "sentence": sentence, **more}
