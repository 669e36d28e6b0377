"""Queue rules: the ordered list that says where a conversation's item waits. The first rule that holds wins.

A rule holds when every condition of `and` does and, if `or` has any, at least one of those; a rule without a condition
never holds. Its target is a queue, by id or by key; a key may be a template, `chat.{{conversation.defaultLang}}`, which
holds paths and nothing else. A target that is not there passes the rule over, with `RULE_TARGET_UNKNOWN` as its reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.criteria import Holds, check_criteria, compile_condition, conditions, described_criteria
from interlock.domain.customer import Customer
from interlock.domain.decision import Tried
from interlock.domain.errors import InvalidCombination, InvalidValue, Problem
from interlock.domain.facts import Facts
from interlock.domain.message import Message
from interlock.domain.paths import names_of, value_at
from interlock.domain.queue import DEFAULT_KEY, Queue
from interlock.domain.record import Index, Record

__all__ = [
    "CRITERIA_INVALID", "RULES_MAX", "RULE_TARGET_UNKNOWN", "Compiled", "Facts", "Match", "QueueRule", "RuleList",
    "check_rule",
    "compile_rule", "described_criteria", "first_match", "names_in", "next_match", "render",
]  # fmt: skip

RULES_MAX = 100
KEY_MAX = 200
RULE_TARGET_UNKNOWN = "RULE_TARGET_UNKNOWN"
CRITERIA_INVALID = "CRITERIA_INVALID"
"""What a stored rule fails with whose criteria this version does not understand: it holds for nothing, and says so."""


class QueueRule(Record, frozen=True, kw_only=True):
    """One rule: if its criteria `{and, or}` hold, its queue it is. `position` 1 is tried first."""

    TYPE: ClassVar[str] = "queue-rule"
    PATH: ClassVar[str] = "/v1/routing/queue-rules/"
    NOUN: ClassVar[str] = "queue-rule"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "queue": "queue"}

    name: str
    description: str = ""
    enabled: bool = True
    criteria: dict[str, Any] = {}
    position: int = 1
    queue: str | None = None
    queue_key: str | None = None
    deleted: bool = False

    def index(self) -> Index:
        """In order."""
        return Index(state="deleted" if self.deleted else "live", sort=f"{self.position:06d}")

    def claims(self) -> tuple[str, ...]:
        """A place in the list is one rule's."""
        return () if self.deleted else (f"{self.org}/queue-rule-position/{self.position}",)

    def condition_names(self) -> tuple[str, ...]:
        """The fields its criteria name, both sides, in order."""
        return names_in(self.criteria)

    @property
    def wants_message(self) -> bool:
        """Whether the latest message has to be read to judge it."""
        return self._wants("message")

    @property
    def wants_customer(self) -> bool:
        """Whether the customer has to be read to judge it."""
        return self._wants("customer")

    def _wants(self, part: str) -> bool:
        return any(name.startswith(part) for name in (*self.condition_names(), *_paths(self.queue_key or "")))


def names_in(criteria: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that criteria name, both sides, in order."""
    sides = (criteria.get(side) or () for side in ("and", "or"))
    return tuple(name for side in sides for condition in side for name in condition)


class Judged(Protocol):
    """What has criteria: a queue rule, a skill rule."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def rev(self) -> int:
        """Its rev."""
        ...

    @property
    def criteria(self) -> dict[str, Any]:
        """`{and, or}`."""
        ...


class Match(msgspec.Struct, frozen=True):
    """The first rule that holds (`None`: none), its queue by id or key, and every rule tried, itself included."""

    rule: QueueRule | None
    queue: str | None
    queue_key: str | None
    tried: tuple[Tried, ...]


class Compiled(NamedTuple):
    """A rule as a function of the facts.

    `judge` answers with what is noted of the rule: that it holds (`failed` is empty), or its first condition that does
    not. Every note there can be is made beforehand.
    """

    judge: Callable[[Facts], Tried]
    passed_over: Tried


_COMPILED_MAX = 10_000
_compiled: dict[tuple[str, int], tuple[dict[str, Any], Compiled]] = {}


def compile_rule(rule: Judged) -> Compiled:
    """The rule, compiled once per (id, rev): a change of one rule compiles no other anew.

    A draft of a rule, such as a dry run has, may bear the id and rev of a stored one with other criteria; so these are
    compared too.
    """
    key = rule.id, rule.rev
    found = _compiled.get(key)
    if found is not None and (found[0] is rule.criteria or found[0] == rule.criteria):
        return found[1]
    made = _compile(rule)
    if len(_compiled) >= _COMPILED_MAX:
        _compiled.clear()
    _compiled[key] = rule.criteria, made
    return made


def _compile(rule: Judged) -> Compiled:
    try:
        ands = [(compile_condition(c), c.name) for c in conditions(rule.criteria, "and")]
        ors = [(compile_condition(c), c.name) for c in conditions(rule.criteria, "or")]
    except Problem:
        ands, ors = [(_never, CRITERIA_INVALID)], []
    if not ands and not ors:
        ands = [(_never, CRITERIA_INVALID)]
    judge = _judge(
        [(holds, Tried(rule.id, rule.rev, name)) for holds, name in ands],
        [holds for holds, _ in ors],
        Tried(rule.id, rule.rev, ors[0][1] if ors else ""),
        Tried(rule.id, rule.rev),
    )
    return Compiled(judge, Tried(rule.id, rule.rev, RULE_TARGET_UNKNOWN))


def _judge(
    ands: Sequence[tuple[Holds, Tried]], ors: Sequence[Holds], no_or: Tried, matched: Tried
) -> Callable[[Facts], Tried]:
    if not ors and len(ands) <= 2:
        return _judge_few(ands, matched)

    def judge(facts: Facts) -> Tried:
        for holds, failed in ands:
            if not holds(facts):
                return failed
        if not ors:
            return matched
        for holds in ors:
            if holds(facts):
                return matched
        return no_or

    return judge


def _judge_few(ands: Sequence[tuple[Holds, Tried]], matched: Tried) -> Callable[[Facts], Tried]:
    """One or two conditions, as most rules have, without a loop."""
    (first, no_first), *rest = ands
    if not rest:
        return lambda facts: matched if first(facts) else no_first
    [(second, no_second)] = rest
    return lambda facts: (matched if second(facts) else no_second) if first(facts) else no_first


def _never(_: Facts) -> bool:
    return False


_position = attrgetter("position")


class RuleList:
    """Rules ready to be run on one conversation after another: in order, without disabled ones, compiled."""

    def __init__(self, rules: Iterable[QueueRule]) -> None:
        self._ready = [(r, compile_rule(r)) for r in sorted(rules, key=_position) if r.enabled]

    def first(self, facts: Facts) -> Match:
        """The first rule, by position, that holds and whose target can be told, and what was tried until then."""
        return _match(self._ready, facts, [])

    def next(self, facts: Facts, missed: Match) -> Match:
        """The match after one whose queue turned out not to be there; that rule is noted as passed over."""
        place = next(n for n, (r, _) in enumerate(self._ready) if missed.rule is not None and r.id == missed.rule.id)
        over = self._ready[place][1].passed_over
        return _match(self._ready[place + 1 :], facts, [*missed.tried[:-1], over])


def first_match(rules: Sequence[QueueRule], facts: Facts) -> Match:
    """`RuleList.first`, for one conversation."""
    return RuleList(rules).first(facts)


def next_match(rules: Sequence[QueueRule], facts: Facts, missed: Match) -> Match:
    """`RuleList.next`, for one conversation."""
    return RuleList(rules).next(facts, missed)


def _match(ready: Iterable[tuple[QueueRule, Compiled]], facts: Facts, tried: list[Tried]) -> Match:
    for rule, compiled in ready:
        note = compiled.judge(facts)
        if note.failed:
            tried.append(note)
            continue
        key = render(rule.queue_key, facts) if rule.queue_key and not rule.queue else None
        if rule.queue is None and (key is None or key == DEFAULT_KEY):
            tried.append(compiled.passed_over)
            continue
        tried.append(note)
        return Match(rule, rule.queue, key, tuple(tried))
    return Match(None, None, None, tuple(tried))


_HOLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PATH = re.compile(r"(conversation|customer|message)((?:\.\w+)+)", re.ASCII)
_ROOTS: dict[str, type[Record]] = {"conversation": Conversation, "customer": Customer, "message": Message}
_CHOSEN = frozenset({"queue", "externalQueue", "assignedUsers"})
"""What a rule chooses, or what keeps it from being asked at all: its target cannot depend on these."""


def _paths(template: str) -> list[str]:
    return _HOLE.findall(template)


def render(template: str, facts: Facts) -> str | None:
    """The key that a template stands for; `None` if a path leads nowhere. What is filled in is not looked at again."""
    if "{" not in template:
        return template
    values = [_look_up(path, facts) for path in _paths(template)]
    if None in values:
        return None
    filled = iter(values)
    return _HOLE.sub(lambda _: str(next(filled)), template)


def _look_up(path: str, facts: Facts) -> str | None:
    found = _PATH.fullmatch(path)
    record: Record | None = getattr(facts, found[1]) if found else None
    value = value_at(record, found[2][1:].split(".")) if found and record is not None else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def check_rule(values: Mapping[str, Any], queue: Queue | None) -> None:
    """Raises unless these values make a rule: `name`, `criteria`, and a target by `queue` or `queue_key`.

    `queue` is the record that `values["queue"]` names, as it was read.
    """
    check_criteria(values.get("criteria") or {})
    target, key = values.get("queue"), values.get("queue_key")
    if target and key:
        raise InvalidCombination(
            "A rule names its queue by id or by key, not by both.", pointer="/queueKey", fields=["queue", "queueKey"]
        )
    if not target and not key:
        raise InvalidValue("A rule needs a queue, or a queueKey.", pointer="/queue")
    if (queue is not None and queue.system) or key == DEFAULT_KEY:
        raise InvalidValue(
            "No rule may target the default queue; it takes what no rule matches.",
            pointer="/queue/id" if queue else "/queueKey",
        )
    if queue is not None and queue.archived:
        raise InvalidValue(f"The queue {queue.name} is archived.", pointer="/queue/id")
    if key:
        check_template(str(key))


def check_template(template: str) -> None:
    """Raises unless every `{{…}}` is a path that can lead somewhere and does not depend on what the rule decides."""
    at = "/queueKey"
    if len(template) > KEY_MAX:
        raise InvalidValue(f"A queueKey has at most {KEY_MAX} characters.", pointer=at)
    if "{{" in (left := _HOLE.sub("", template)) or "}}" in left:
        raise InvalidValue("A {{ without its }}, or one inside another.", pointer=at)
    for path in _paths(template):
        found = _PATH.fullmatch(path)
        if found is None:
            raise InvalidValue(
                f"{{{{{path}}}}} is no path. A template holds paths only, such as conversation.defaultLang.", pointer=at
            )
        root, name = found[1], found[2].split(".")[1]
        if root == "conversation" and name in _CHOSEN:
            raise InvalidValue(f"{path} is what the rule decides; its target cannot depend on it.", pointer=at)
        names = names_of(_ROOTS[root])
        if name not in names:
            near = difflib.get_close_matches(name, list(names), n=1)
            hint = f" Did you mean {root}.{near[0]}?" if near else ""
            raise InvalidValue(f"A {root} has no {name}.{hint}", pointer=at)
