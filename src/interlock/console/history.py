"""A conversation's history as rows: what each record became, and between them the decision that made it so.

Rows come from the API's events and decisions, in the order of the log, which is the order of cause. Clocks are shown as
they are and never corrected: where one contradicts the cause, the row says by how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.console.door import Json
from interlock.console.names import Names
from interlock.console.rendering import lasting, milliseconds, short

UNIT = ("status", "queue", "assignedUsers", "assignedTo", "routedTo", "ended", "paused", "externalQueue")
"""The coupled unit and its registers: what the two records must agree on. They are told first."""
TOLD = frozenset(
    {*UNIT, "priority", "tags", "subject", "name", "channel", "channels", "rule", "skills", "custom", "resource",
     "language", "defaultLang", "deleted", "locked", "endedReason", "snooze"}
)  # fmt: skip
"""What somebody may have wished; everything else follows from it, and is told in full only where everything is."""
OUTCOMES: dict[str, tuple[str, str, str]] = {
    "intent": ("✓", "applied", "good"),
    "change": ("✓", "applied", "good"),
    "merge": ("✓", "merged", "good"),
    "noop": ("–", "nothing to do", "dim"),
    "duplicate": ("–", "duplicate", "dim"),
    "declined": ("–", "declined", "dim"),
    "stale-refused": ("⊘", "refused as stale", "warn"),
    "conflict": ("⇄", "conflict, both kept", "warn"),
    "parked": ("❚❚", "parked", "bad"),
    "fenced": ("⊘", "fenced", "warn"),
    "restored": ("↺", "restored", "warn"),
}
"""Mark, word and tone of each kind of decision."""
TITLES = {
    "forward": "forward sync", "reverse": "reverse sync", "routing": "routing", "rule": "queue rules", "offer": "offer",
    "person": "a person", "workflow": "workflow", "system": "Interlock itself",
}  # fmt: skip
NOUNS = {
    "conversation": "conversation",
    "work_item": "work item",
    "reservation": "offer",
    "work_item_revision": "queue pass",
}
TURNING = frozenset({"conflict", "parked", "stale-refused", "fenced", "restored"})
IDLE_MS = 60_000
_Ids = set[tuple[str, str]]


def ids_in(events: Iterable[Json], decisions: Iterable[Json]) -> _Ids:
    """(type, id) of everybody and everything that the rows will name."""
    out: _Ids = set()
    for e in events:
        body = e["data"]
        out.add((_actor_type(body["actor"]), body["actor"]["id"]))
        for name, relation in body["data"]["relationships"].items():
            data = relation.get("data")
            if isinstance(data, dict) and name in ("queue", "assignedTo", "routedTo"):
                out.add((data["type"], data["id"]))
        out |= {("user", u) for u in body["data"]["attributes"].get("assignedUsers") or ()}
        out |= {("user", u) for _, c in _moves(body) for v in (c.get("before"), c.get("after")) for u in _texts(v)}
    for d in decisions:
        a = d["attributes"]
        out.add((_actor_type(a["actor"]), a["actor"]["id"]))
        out |= {("user", c["user"]) for c in a["candidates"]}
        if a.get("rule"):
            out.add(("queue-rule", a["rule"]["id"]))
        for party in [a.get("winner"), *a["losers"]]:
            if party:
                out.add((_actor_type(party["actor"]), party["actor"]["id"]))
                out |= _of_value(party["value"])
    return out


def _of_value(value: Json) -> _Ids:
    users = value.get("users") or value.get("assignedUsers") or ()
    return {("user", u) for u in users if isinstance(u, str)} | {("queue", str(value.get("queue") or ""))}


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [v for v in value if isinstance(v, str) and len(v) == 24]
    return []


def _actor_type(actor: Json) -> str:
    return actor["type"] if actor["type"] in ("user", "workflow", "api_key") else ""


def rows_of(events: Sequence[Json], decisions: Sequence[Json], names: Names) -> list[Json]:
    """One row for each decision, with the cells of the two records that it wrote."""
    by_decision: dict[str, list[Json]] = {}
    for e in events:
        by_decision.setdefault(e["data"]["decision"], []).append(e)
    known: dict[str, int] = {}
    rows: list[Json] = []
    for d in decisions:
        row = _row(d, by_decision.get(d["id"], []), names, known)
        for change in d["attributes"]["changes"]:
            known[change["id"]] = max(known.get(change["id"], 0), change["rev"])
        rows.append(row)
    return rows


def _row(d: Json, events: list[Json], names: Names, known: dict[str, int]) -> Json:
    a = d["attributes"]
    cells = {e["data"]["data"]["type"]: _cell(e["data"], names) for e in events}
    mark, word, tone = OUTCOMES.get(a["kind"], ("?", a["kind"], "warn"))
    left, right = cells.get("conversation"), cells.get("work_item")
    return {
        "at": a["at"],
        "left": left,
        "right": right,
        "card": {
            "title": _title(a, names),
            "kind": a["direction"],
            "mark": mark,
            "outcome": word,
            "tone": tone,
            "facts": [{"label": k, "text": v} for k, v in _facts(a, names, known)],
            "candidates": [_candidate(c, names) for c in a["candidates"]],
        },
        "severity": "",
        "quiet": not a["changes"] and a["kind"] in ("noop", "duplicate"),
        "turning": a["kind"] in TURNING or _turns(left) or _turns(right),
        "about": d["id"],
        "link": d["links"]["self"],
        "state": {e["data"]["data"]["type"]: head_of(e["data"]["data"]) for e in events
                  if e["data"]["data"]["type"] in ("conversation", "work_item")},
        "raw": [e["data"] for e in events if e["data"]["data"]["type"] in ("conversation", "work_item")] or [a],
    }  # fmt: skip


def _turns(cell: Json | None) -> bool:
    return cell is not None and any(m["unit"] for m in cell["moves"])


def _title(a: Json, names: Names) -> str:
    direction = a["direction"]
    if direction == "person":
        code = a["reasons"][0]["code"] if a["reasons"] else ""
        did = {"ACCEPTED": " accepted", "REJECTED": " declined", "CLAIMED": " took it"}.get(code, "")
        return names.actor(a["actor"]) + did
    if direction == "workflow":
        return names.actor(a["actor"])
    if direction == "offer" and a["reasons"]:
        to = a["reasons"][0]["meta"].get("user")
        return f"offer to {names.of(to)}" if to else "offer"
    return TITLES.get(direction, direction)


def _facts(a: Json, names: Names, known: dict[str, int]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if a["reason"] or a["reasons"]:
        codes = [r["code"] for r in a["reasons"]]
        facts.append(("because", ", ".join(dict.fromkeys(codes)) or a["reason"]))
    if a.get("rule"):
        facts.append(("rule", f"{names.of(a['rule']['id'])}, version {a['rule']['rev']}"))
    if a.get("peer"):
        facts.append(("source", f"{_noun(a['peer']['type'])} rev {a['peer']['rev']}{_newer(a['peer'], known)}"))
    seen = [b for b in a["basis"] if b["type"] in ("conversation", "work_item") and b != a.get("peer")]
    if seen:
        facts.append(("seen", "; ".join(f"{_noun(b['type'])} rev {b['rev']}{_newer(b, known)}" for b in seen)))
    if a.get("winner"):
        facts.append(("in force", _party(a["winner"], names)))
        facts += [("gave way", _party(p, names)) for p in a["losers"]]
    if a["written"] or a["meant"]:
        facts.append(("wrote" if a["changes"] else "would write", _unit(a["written"], names)))
        if a["meant"] and a["meant"] != a["written"]:
            facts.append(("had been", _unit(a["meant"], names)))
    if a.get("strategy"):
        facts.append(("chosen by", f"{a['strategy'].replace('-', ' ')}, among {len(a['candidates'])}"))
    if a.get("unconditional"):
        facts.append(("basis", "not stated: the newest version was taken"))
    if a["trace"]:
        facts.append(("trace", short(a["trace"])))
    return facts


def _noun(type: str) -> str:
    return NOUNS.get(type, type.replace("_", " "))


def _newer(basis: Json, known: dict[str, int]) -> str:
    """How many versions of it there were already that its reader had not seen."""
    unseen = known.get(basis["id"], 0) - basis["rev"]
    return f" ({unseen} newer unseen)" if unseen > 0 else ""


def _party(party: Json, names: Names) -> str:
    return f"{names.actor(party['actor'])}: {_unit(party['value'], names)} (rev {party['rev']})"


def _unit(value: Json, names: Names) -> str:
    """A value of the coupled unit in words; absent is no opinion, and is not said."""
    out: list[str] = []
    if "status" in value or "phase" in value:
        out.append(str(value.get("status") or value.get("phase")))
    if "assignedUsers" in value or "users" in value:
        users = value.get("assignedUsers") or value.get("users") or ()
        out.append("with " + ", ".join(names.of(u) for u in users) if users else "with nobody")
    if value.get("queue"):
        queue = value["queue"]
        out.append(f"in {names.of(queue if isinstance(queue, str) else queue.get('id'))}")
    return ", ".join(out) or "nothing"


def _candidate(c: Json, names: Names) -> Json:
    return {
        "name": names.of(c["user"]),
        "eligible": c["eligible"],
        "reason": c.get("reason", ""),
        "rank": c.get("rank", 0),
    }


def _cell(body: Json, names: Names) -> Json:
    """A record at one rev: who wrote it, and what moved."""
    record = body["data"]
    moves = [_move(name, c, names) for name, c in _moves(body)]
    if not body.get("changes"):
        moves = _birth(record, names)
    moves.sort(key=lambda m: (not m["unit"], m["field"]))
    return {
        "id": record["id"],
        "type": record["type"],
        "rev": record["attributes"]["rev"],
        "head": ("created by " if not body.get("changes") else "by ") + names.actor(body["actor"]),
        "tags": [],
        "moves": [m for m in moves if not m["silent"]],
        "more": [m for m in moves if m["silent"] and m["field"] not in ("rev", "updatedAt")],
        "notes": _also(moves),
    }


def _also(moves: list[Json]) -> list[str]:
    """The fields that follow, by name."""
    names = [m["field"] for m in moves if m["silent"] and m["field"] not in ("rev", "updatedAt", "modifiedAt")]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"also {shown}"] if shown else []


def _moves(body: Json) -> list[tuple[str, Json]]:
    changes = body.get("changes") or {}
    return [*changes.get("attributes", {}).items(), *changes.get("relationships", {}).items()]


def _move(name: str, change: Json, names: Names) -> Json:
    return {
        "field": name,
        "before": value_text(change["before"], names) if "before" in change else "",
        "after": value_text(change["after"], names) if "after" in change else "none",
        "unit": name in UNIT,
        "silent": name not in TOLD,
    }


def _birth(record: Json, names: Names) -> list[Json]:
    shown = {k: record["attributes"][k] for k in ("status", "channels", "channel") if record["attributes"].get(k)}
    queue = record["relationships"].get("queue")
    if queue:
        shown["queue"] = queue
    users = record["attributes"].get("assignedUsers")
    if users:
        shown["assignedUsers"] = users
    return [{"field": k, "before": "", "after": value_text(v, names), "unit": k in UNIT, "silent": False}
            for k, v in shown.items()]  # fmt: skip


def value_text(value: Any, names: Names) -> str:
    """A value in a cell: ids by their names, nothing is hidden by a blank."""
    if isinstance(value, dict) and isinstance(value.get("data"), dict):
        return names.of(value["data"].get("id"))
    if isinstance(value, list):
        return "[" + ", ".join(value_text(v, names) for v in value) + "]"
    if isinstance(value, str):
        return names.of(value) if len(value) == 24 and value.isalnum() else (value[:80] or '""')
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()[:80]
    return "null" if value is None else str(value)[:80]


def head_of(record: Json) -> Json:
    """What one record shows of the coupled unit."""
    a, r = record["attributes"], record["relationships"]
    queue = (r.get("queue") or {}).get("data", {}).get("id")
    if record["type"] == "conversation":
        return {"rev": a["rev"], "status": a["status"], "queue": queue, "users": a.get("assignedUsers") or []}
    owner = (r.get("assignedTo") or {}).get("data", {}).get("id")
    offered = (r.get("routedTo") or {}).get("data", {}).get("id")
    return {
        "id": record["id"], "rev": a["rev"], "status": a["status"], "paused": a.get("paused", False), "queue": queue,
        "users": [owner] if owner else [], "offered": offered,
    }  # fmt: skip


def differing(left: Json | None, right: Json | None) -> list[str]:
    """In which fields two heads do not say the same, by the projections of the unit."""
    if not left or not right:
        return []
    out: list[str] = []
    done = right["status"] == "completed"
    if (left["status"] == "done") != done or (not done and (left["status"] == "snoozed") != right["paused"]):
        out.append("status")
    if not done and left["queue"] != right["queue"]:
        out.append("queue")
    if not done and left["users"] != right["users"]:
        out.append("users")
    return out


def placed(rows: list[Json], order: str) -> list[Json]:
    """Rows with their distance to the one before, in the order asked for; idle time is one line."""
    ordered = sorted(rows, key=lambda r: milliseconds(r["at"])) if order == "clock" else rows
    out: list[Json] = []
    before: int | None = None
    for row in ordered:
        at = milliseconds(row["at"]) if row["at"] else None
        gap = at - before if at is not None and before is not None else None
        if gap is not None and gap > IDLE_MS:
            out.append({"idle": lasting(gap)})
        row["delta"] = "start" if before is None else _gap(gap)
        row["back"] = order != "clock" and gap is not None and gap < 0
        out.append(row)
        before = at if at is not None else before
    return out


def _gap(gap: int | None) -> str:
    if gap is None:
        return "no clock"
    size = f"{abs(gap)} ms" if abs(gap) < 10_000 else lasting(abs(gap))
    return ("−" if gap < 0 else "+") + size


def folded(rows: list[Json]) -> list[Json]:
    """Runs of decisions that there was nothing to do, as one counted row."""
    out: list[Json] = []
    for row in rows:
        last = out[-1] if out else None
        if row["quiet"] and last is not None and last["quiet"]:
            last["times"] = last.get("times", 1) + 1
            continue
        out.append(dict(row))
    return out
