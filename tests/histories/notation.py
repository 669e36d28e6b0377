"""The notation of witness histories: a line becomes entries, and what is expected of them. See README.md beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from interlock.investigation.observation import Audit, Entry, Moved, Observation, Place, ReadMark, RecordRef, Times

HERE = Path(__file__).parent
TYPES = {"c": "conversation", "i": "work_item", "s": "work_session", "m": "message"}
ORG = "o"


class Expected(NamedTuple):
    """A finding that has to be there."""

    rule: str
    certainty: str
    record: str
    rev: int


class Witness(NamedTuple):
    """One line of a file: a history, and what one rule says of it. `end`: the last moment of its log, if it says so."""

    file: str
    label: str
    rule: str
    entries: tuple[Entry, ...]
    end: int | None
    expected: tuple[Expected, ...]

    @property
    def name(self) -> str:
        """How a test run names it."""
        return f"{self.rule} {self.label}"


def witnesses(folder: Path = HERE) -> list[Witness]:
    """Every history of the folder."""
    found: list[Witness] = []
    for path in sorted(folder.glob("*.hist")):
        rule = f"R{int(path.stem[1:])}"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                found.append(witness(line, rule, path.name))
    return found


def witness(line: str, rule: str, file: str = "") -> Witness:
    """One line."""
    label, _, rest = line.partition("::")
    told, arrow, wanted = rest.rpartition("=>")
    assert arrow, line
    entries: list[Entry] = []
    end: int | None = None
    for number, text in enumerate(told.split(" | "), 1):
        if text.strip().startswith("end="):
            end = int(text.strip()[4:])
        else:
            entries.append(entry(text, Place(0, number, number)))
    return Witness(file, label.strip(), rule, tuple(entries), end, tuple(_expected(wanted)))


def _expected(text: str) -> list[Expected]:
    if text.strip() == "silent":
        return []
    found: list[Expected] = []
    for part in text.split(","):
        rule, certainty, where = part.split()
        record, _, rev = where.partition("@")
        found.append(Expected(rule, certainty, record, int(rev)))
    return found


def entry(text: str, place: Place) -> Entry:
    """One version, or one audit line."""
    first, *tokens = text.split()
    pairs = dict(t.split("=", 1) for t in tokens if "=" in t and "→" not in t.split("=", 1)[0])
    plain = [t for t in tokens if "=" not in t or "→" in t.split("=", 1)[0]]
    if first == "audit":
        return _audit(plain[0], pairs, place)
    name, _, rev = first.partition("@")
    return _version(name, int(rev) if rev else None, plain, pairs, place)


def ref(name: str, org: str = ORG) -> RecordRef:
    """The record behind a short name; its id is the name itself."""
    short = name.rpartition("/")[2]
    return RecordRef(TYPES.get(short[0], short), name, org)


def group_of(name: str) -> str:
    """The conversation that a record belongs to."""
    other, _, short = name.rpartition("/")
    if short[0] == "s":
        return name
    return f"{other}/c" if other else "c"


def _version(name: str, rev: int | None, plain: list[str], pairs: dict[str, str], place: Place) -> Observation:
    words = {t for t in plain if "→" not in t}
    flags = words & {"sync", "create", "delete", "person"}
    client = next(iter(words - flags), "")
    moves = [_move(t, name) for t in plain if "→" in t]
    before = pairs.get("before", str(rev - 1) if rev is not None and "create" not in flags else "?")
    is_item = name.rpartition("/")[2][0] == "i"
    marks = [_mark(m) for m in pairs.get("read", "").split(",") if m]
    changes = dict(moves)
    if "mark" in pairs:
        mark = pairs["mark"].removesuffix("!")
        marks.append(ReadMark(ref(group_of(name)), int(mark), "resourceRev"))
        if pairs["mark"].endswith("!"):
            changes["resourceRev"] = Moved("replace", UNSET, int(mark))
    source, _, source_id = pairs.get("source", "").partition(":")
    org = pairs.get("org", ORG)
    verb: Any = "create" if "create" in flags else "delete" if "delete" in flags else "update"
    return Observation(
        place=place,
        record=ref(name, org),
        group=group_of(name),
        rev=rev,
        before_rev=None if before == "?" else int(before),
        verb=verb,
        client=client,
        actor=pairs.get("actor", ""),
        actor_class=pairs.get("class", "person" if "person" in flags else ""),
        is_sync="sync" in flags,
        source_type=source,
        source_id=source_id,
        changes=changes,
        snapshot=_shown(pairs["shows"], name, rev) if "shows" in pairs else None,
        marks=tuple(marks),
        resource=ref(group_of(name), pairs.get("link", org)) if is_item else None,
        times=Times(*(_number(pairs.get(k)) for k in ("t", "e", "p"))),
        host=pairs.get("host", ""),
        trace=pairs.get("trace", ""),
        cause=pairs.get("cause", ""),
        event_id=pairs.get("id", f"{name}@{rev}#{place.line}"),
        partition=pairs.get("partition", ""),
        sequence=_number(pairs.get("seq")),
        effect_key=pairs.get("key", ""),
        lease_epoch=_number(pairs.get("epoch")),
        grade=pairs.get("grade", "A"),  # type: ignore[arg-type]
    )


def _audit(name: str, pairs: dict[str, str], place: Place) -> Audit:
    known = {"guard", "peer", "basis", "outcome", "winner", "losers", "policy", "item", "t", "trace", "org", "grade"}
    patch = {_field(k, name): value(v) for k, v in pairs.items() if k not in known}
    return Audit(
        place=place,
        at=_number(pairs.get("t")),
        record=ref(name, pairs.get("org", ORG)),
        group=group_of(name),
        guard=_number(pairs.get("guard")),
        patch=patch,
        peer=_mark(pairs["peer"]) if "peer" in pairs else None,
        basis=tuple(_mark(m) for m in pairs.get("basis", "").split(",") if m),
        outcome=pairs.get("outcome", ""),
        winner_class=pairs.get("winner", ""),
        loser_classes=tuple(x for x in pairs.get("losers", "").split(",") if x),
        policy=_number(pairs.get("policy")),
        item=ref(pairs["item"]) if "item" in pairs else None,
        service="worker",
        trace=pairs.get("trace", ""),
        grade=pairs.get("grade", "A"),  # type: ignore[arg-type]
    )


def _mark(text: str) -> ReadMark:
    name, _, rev = text.partition(":")
    return ReadMark(ref(name), int(rev), "basis")


def _field(word: str, name: str) -> str:
    if word == "users":
        return "assignedTo" if name.rpartition("/")[2][0] == "i" else "assignedUsers"
    return word


def _move(text: str, name: str) -> tuple[str, Moved]:
    word, _, rest = text.partition(":")
    before, _, after = rest.partition("→")
    op: Any = "add" if not before else "remove" if not after else "replace"
    return _field(word, name), Moved(op, value(before) if before else UNSET, value(after) if after else UNSET)


def _shown(text: str, name: str, rev: int | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"rev": rev}
    for pair in text.split(";"):
        word, _, said = pair.partition(":")
        shown[_field(word, name)] = value(said)
    return shown


def value(text: str) -> Any:
    """A value: `[]`, `[u,v]`, `-`, `?`, a number or a word."""
    if text == "?":
        return UNSET
    if text == "-":
        return None
    if text.startswith("["):
        return [t for t in text.strip("[]").split(",") if t]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
