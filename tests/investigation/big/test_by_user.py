"""R26 on a big log: the second pass, by user, finds what all conversations at once show."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from interlock.investigation.big import run as big
from interlock.investigation.investigate import investigate_groups
from interlock.investigation.readers import open_inputs

ORG = "5c093c1abd6d1c00124a36b2"
BEGIN = 1_700_000_000_000


def event(type: str, id: str, rev: int, at: int, attributes: dict[str, Any], links: dict[str, Any]) -> str:
    """One line, as the incident's services write it."""
    time = f"2026-03-02T{9 + at // 3_600_000:02d}:{at // 60_000 % 60:02d}:{at // 1000 % 60:02d}.{at % 1000:03d}Z"
    verb = "create" if rev == 1 else "update"
    body = {
        "id": f"e{id}{rev}", "name": f"x.{type}.{verb}", "org": ORG, "partition": ORG,
        "data": {"type": type, "id": id, "attributes": {**attributes, "updatedAt": time, "rev": rev},
                 "relationships": links},
        "createdAt": time, "routingReasons": [], "client": "web",
    }  # fmt: skip
    if rev > 1:
        body["changes"] = {
            "attributes": {"rev": {"op": "replace", "before": rev - 1, "after": rev}},
            "relationships": {},
        }
    return json.dumps({"time": time, "body": {"id": f"o{id}{rev}", "body": body, "publishedAt": time}})


def item(n: int, rev: int, at: int, status: str, user: str, **attributes: Any) -> str:
    """A version of a work item: whose it is."""
    links: dict[str, Any] = {"resource": {"data": {"type": "conversation", "id": f"c{n}"}}}
    if user:
        links["assignedTo"] = {"data": {"type": "user", "id": user}}
    return event("work_item", f"i{n}", rev, at, {"status": status, "resourceRev": 1, **attributes}, links)


def session(user: str, rev: int, at: int, capacity: int, **attributes: Any) -> str:
    """A version of a session: what its user may hold."""
    said = {"user": user, "totalCapacity": capacity, **attributes}
    return event("work_session", f"s-{user}", rev, at, said, {})


def shift(seed: int, *, sessions: bool = True) -> str:
    """Some users with limits, some without; items of some weight that come and go, pause, and are flagged."""
    rng = random.Random(seed)
    lines: list[tuple[int, str]] = []
    users = [f"u{n}" for n in range(6)]
    flagged = [{"item": f"i{n}", "over": True} for n in range(0, 120, 9)]
    for user in users[: 4 if sessions else 0]:
        for rev in (1, 2):
            more = {"holding": flagged} if user == "u3" else {}
            lines.append((rev * 100, session(user, rev, rev * 100, rng.randrange(2, 7), **more)))
    for n in range(120):
        at, user = rng.randrange(1_000, 3_000_000), rng.choice(users)
        size: dict[str, Any] = {"itemSize": rng.randrange(1, 4)} if rng.random() < 0.7 else {}
        lines.append((at, item(n, 1, at, "assigned", user, **size)))
        for rev in range(2, rng.randrange(2, 5)):
            at += rng.randrange(1_000, 900_000)
            paused: dict[str, Any] = {"paused": True} if rng.random() < 0.3 else {}
            status, to = rng.choice((("assigned", user), ("assigned", rng.choice(users)), ("completed", user)))
            lines.append((at, item(n, rev, at, status, to, **size, **paused)))
    return "\n".join(line for _, line in sorted(lines)) + "\n"


def over(findings: Any) -> list[Any]:
    """R26, in a form that can be compared: of evidence only the places count."""
    told = [f for f in findings if f.rule == "R26"]
    return [
        (structs.replace(f, evidence=()), [(e.place.input, e.place.line, e.event_id) for e in f.evidence])
        for f in sorted(told, key=lambda f: (f.at, f.record.id))
    ]


@pytest.mark.parametrize("seed", range(6))
def test_who_holds_too_much_is_found_as_in_memory(seed: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(shift(seed))
    whole = over(investigate_groups(open_inputs(log)).findings)
    assert over(big.investigate([log]).report.findings) == whole
    assert whole


def test_of_an_input_that_cannot_be_read_again_too(tmp_path: Path) -> None:
    """Entries that are kept packed, beside a log of lines that holds the sessions."""
    lines = shift(3).splitlines(keepends=True)
    (tmp_path / "sessions.log").write_text("".join(x for x in lines if "work_session" in x))
    said = [json.loads(x) for x in lines if "work_session" not in x]
    (tmp_path / "items.json").write_text(json.dumps(said))
    paths = [tmp_path / "items.json", tmp_path / "sessions.log"]
    whole = over(investigate_groups(open_inputs(paths)).findings)
    assert over(big.investigate(paths).report.findings) == whole
    assert whole


def test_where_no_limit_is_told_nothing_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big, "Holdings", None)
    log = tmp_path / "log"
    log.write_text(shift(1, sessions=False))
    assert over(big.investigate([log]).report.findings) == []


def test_too_many_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text(shift(2))
    whole = over(big.investigate([log]).report.findings)
    monkeypatch.setattr(big, "FINDINGS_MAX", 1)
    said = big.investigate([log]).report
    assert said.screened is not None
    assert len(over(said.findings)) + said.screened.left_out["R26"] == len(whole) > 2
