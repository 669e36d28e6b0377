"""What has to be done so that a server has what the files want: pure, from what is wanted and what is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.cli.configuration.nouns import Noun, all_nouns, title_of
from interlock.cli.configuration.present import Held, Present
from interlock.cli.configuration.reading import Entry, Wanted, labelled, near
from interlock.cli.configuration.writing import OF_SYSTEM
from interlock.cli.failure import USAGE, Failure

Action = Literal["create", "update", "remove", "order"]
UNIQUE = frozenset({("queues", "key"), ("statuses", "name"), ("teamRouting", "team")})
"""What only one record can be called; of other names there may be several, which are told apart by their order."""
SIGNS: dict[Action, str] = {"create": "+", "update": "~", "remove": "-", "order": "~"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request. `changes`: field → (before, after), labels for ids; `held`: what it rests on, if it is there."""

    action: Action
    noun: Noun
    label: str
    changes: Mapping[str, tuple[Any, Any]]
    held: Held | None = None
    at: str = ""
    order: tuple[str, ...] = field(default=())

    @property
    def line(self) -> str:
        """The step as the plan lists it."""
        if self.action == "order":
            return f"~ order of {self.noun.title}s"
        return f"{SIGNS[self.action]} {self.noun.title} {self.label}".rstrip()

    def details(self) -> list[str]:
        """What changes, field by field."""
        if self.action == "order":
            return [f"{n}. {label}" for n, label in enumerate(self.order, 1)]
        if self.action == "create":
            return [f"{name}: {_shown(after)}" for name, (_, after) in self.changes.items() if after is not None]
        return [f"{name}: {_shown(before)} → {_shown(after)}" for name, (before, after) in self.changes.items()]

    def document(self) -> dict[str, Any]:
        """The step for programs."""
        told = {name: {"before": b, "after": a} for name, (b, a) in self.changes.items()}
        out: dict[str, Any] = {"action": self.action, "section": self.noun.section, "label": self.label}
        return out | ({"order": list(self.order)} if self.action == "order" else {"changes": told, "at": self.at})


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they are taken, and what stays though no file lists it."""

    steps: tuple[Step, ...]
    kept: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """`+2 ~1 -0`."""
        signs = [SIGNS[s.action] for s in self.steps]
        return " ".join(f"{sign}{signs.count(sign)}" for sign in "+~-")

    def lines(self) -> list[str]:
        """The plan for people."""
        out = [self.counts]
        for step in self.steps:
            out.append(f"  {step.line}")
            out += [f"      {text}" for text in step.details()]
        return out

    def document(self) -> dict[str, Any]:
        """The plan for programs."""
        return {"counts": self.counts, "steps": [s.document() for s in self.steps], "notListed": list(self.kept)}


def plan(wanted: Wanted, present: Present, *, prune: bool) -> Plan:
    """The plan. Raises `Failure` with file and line of everything that cannot be."""
    wrong: list[str] = []
    steps: list[Step] = []
    gone: list[Step] = []
    kept: list[str] = []
    pairs = {s: labelled(entries) for s, entries in wanted.items()}
    for noun in all_nouns():
        if noun.section not in pairs:
            continue
        listed = pairs[noun.section]
        for label, entry in listed:
            _check(label, entry, present, pairs, wrong)
            if (step := _step(noun, label, entry, present, wrong)) is not None:
                steps.append(step)
        missing = [h for h in present.records[noun.section].items() if h[0] not in {name for name, _ in listed}]
        for label, held in missing:
            _take_away(noun, label, held, gone, kept, prune=prune)
    if wrong:
        raise Failure("the configuration cannot be applied", "\n        ".join(wrong[:20]), code=USAGE)
    order = [
        s for n in all_nouns() if n.ordered and n.section in pairs for s in _order(n, pairs[n.section], present, gone)
    ]
    return Plan((*steps, *reversed(gone), *order), tuple(kept))


def _check(
    label: str, entry: Entry, present: Present, pairs: Mapping[str, Sequence[tuple[str, Entry]]], wrong: list[str]
) -> None:
    """Every record that an entry names must be there, or be made by the same files; a label stands for one record."""
    field_, value = entry.noun.names(entry.values) if entry.noun.identity else ("", "")
    if (entry.noun.section, field_) in UNIQUE and label != value:
        wrong.append(f"{entry.at}: {entry.noun.title} {value} is listed twice")
    inner = {name: section for name, (_, section) in entry.noun.inner.items()}
    for name, section in (*entry.noun.refs.items(), *inner.items()):
        given = entry.values.get(name)
        if name in inner:
            member = entry.noun.inner[name][0]
            given = [each.get(member) for each in given or () if isinstance(each, Mapping)]
        known = {*present.ids[section], *(text for text, _ in pairs.get(section, ()))}
        for value in given if isinstance(given, list) else [given]:
            if value is not None and value not in known:
                title = title_of(section)
                wrong.append(f"{entry.at_field(name)}: there is no {title} {value}.{near(str(value), map(str, known))}")


def _step(noun: Noun, label: str, entry: Entry, present: Present, wrong: list[str]) -> Step | None:
    held = present.records[noun.section].get(label)
    values = dict(entry.values)
    if noun.section == "queues":
        values.setdefault("archived", False)
    if noun.section == "queueRules" and values.get("queue") and values.get("queueKey"):
        wrong.append(f"{entry.at_field('queueKey')}: a rule names its queue by queue or by queueKey, not by both")
    if held is None:
        made = {n: (None, v) for n, v in values.items() if v is not None and (n, v) != ("archived", False)}
        if noun.section == "queueRules" and not (values.get("queue") or values.get("queueKey")):
            wrong.append(f"{entry.at}: queue rule {label} names no queue")
        return Step(action="create", noun=noun, label=label, changes=made, at=entry.at)
    changes = {n: (held.values.get(n), v) for n, v in values.items() if not _agrees(noun, n, held.values.get(n), v)}
    if noun.section == "queueRules" and changes:
        changes |= _other_target(held, values, changes)
    for name in changes:
        if name in noun.fixed:
            wrong.append(f"{entry.at_field(name)}: the {name} of {noun.title} {label} never changes")
        elif held.system and name not in OF_SYSTEM.get(noun.section, noun.fields):
            wrong.append(f"{entry.at_field(name)}: {noun.title} {label} is built in; its {name} stays as it is")
    return Step(action="update", noun=noun, label=label, changes=changes, held=held, at=entry.at) if changes else None


def _other_target(held: Held, values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """A rule that names its queue in the other way from now on gives up the first."""
    out: dict[str, tuple[Any, Any]] = {}
    for name, other in (("queue", "queueKey"), ("queueKey", "queue")):
        if name in changes and values.get(name) and held.values.get(other) and other not in values:
            out[other] = (held.values[other], None)
    return out


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _agrees(noun: Noun, name: str, has: Any, wants: Any) -> bool:
    """Whether a record has what is wanted; a member of a listed object that is left out is no opinion."""
    if name not in noun.inner or not isinstance(wants, list) or not isinstance(has, list):
        return _same(has, wants)
    if len(has) != len(wants) or not all(isinstance(each, Mapping) for each in wants):
        return False
    return all(_same(h.get(k), v) for h, w in zip(has, wants, strict=True) for k, v in w.items())


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON; nothing, an empty text and an empty list are one where a field can be cleared."""
    if a in (None, "", [], {}) and b in (None, "", [], {}):
        return True
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return all(_same(a.get(k), b.get(k)) for k in a.keys() | b.keys())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


def _take_away(noun: Noun, label: str, held: Held, gone: list[Step], kept: list[str], *, prune: bool) -> None:
    """What no file lists goes if that is asked for and can be; what is gone already is not spoken of."""
    if held.system or held.archived or noun.single:
        return
    stands_in = noun.pruned
    if stands_in is False or stands_in is True:
        kept.append(f"{noun.title} {label}: cannot be deleted")
        return
    instead: Mapping[str, Any] = stands_in or {}
    changes = {n: (held.values.get(n), v) for n, v in instead.items()}
    if changes and all(_same(before, after) for before, after in changes.values()):
        return
    if not prune:
        kept.append(f"{noun.title} {label}: --prune takes it away")
        return
    gone.append(Step(action="remove", noun=noun, label=label, changes=changes, held=held))


def _order(noun: Noun, listed: Sequence[tuple[str, Entry]], present: Present, gone: Iterable[Step]) -> list[Step]:
    """The step that puts the rules in the order of the files; rules that no file lists come after them."""
    wanted, there = [label for label, _ in listed], list(present.records[noun.section])
    away = {s.label for s in gone if s.noun.section == noun.section}
    rest = [label for label in there if label not in wanted and label not in away]
    made = [label for label in wanted if label not in there]
    after_creation = [label for label in there if label not in away] + made
    order = (*wanted, *rest)
    if list(order) == after_creation:
        return []
    moved = {label: (there.index(label) + 1 if label in there else None, n) for n, label in enumerate(order, 1)}
    return [Step(action="order", noun=noun, label="", changes=moved, order=order)]
