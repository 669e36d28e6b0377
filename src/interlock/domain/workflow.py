"""Workflows: on an event, if conditions hold, an update of the conversation, written by the door that people use.

The shape is the reference's: a trigger and steps, each with transitions `{target, condition {op, values}}` that are
tested in order; the first true one is taken, and where none is it ends. This version has the events of conversations
and one action, `conversation.update`. What a workflow writes comes from one reading: everything its steps say is one
wish, and a wish that has come true already writes nothing.

Nothing here keeps a value across a retry: after a stale write the caller reads again and calls both anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast, get_args

import msgspec

from interlock.domain.condition import (
    Scene,
    check_condition,
    check_references,
    holds,
    is_reference,
    members,
    near,
    resolved,
    there,
)
from interlock.domain.conversation import USERS_MAX, Conversation, Shared, Status
from interlock.domain.errors import InvalidValue, Malformed, Problem, TooMany
from interlock.domain.facts import FITS, SUFFIXES
from interlock.domain.ids import is_id
from interlock.domain.record import Index, Record
from interlock.domain.skill import Requirement, check_requirements

STEPS_MAX = 50
TRANSITIONS_MAX = 20
TAGS_MAX = 100


class Workflow(Record, frozen=True, kw_only=True):
    """One automation: `trigger {id, eventName, transitions}` and `steps [{id, action, params, transitions}]`."""

    TYPE: ClassVar[str] = "workflow"
    PATH: ClassVar[str] = "/v1/workflows/"
    NOUN: ClassVar[str] = "workflow"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    description: str = ""
    enabled: bool = True
    trigger: dict[str, Any] = {}
    steps: tuple[dict[str, Any], ...] = ()

    def index(self) -> Index:
        """Enabled ones apart."""
        return Index(state="enabled" if self.enabled else "disabled", sort=self.name.lower())


_EVENT = re.compile(r"(?:[a-z][a-z0-9-]*\.)?conversation\.(?:create|update)")
_ACTION = re.compile(r"(?:[a-z][a-z0-9-]*\.)?conversation\.update")


def listens(w: Workflow, type: str, verb: str) -> bool:
    """Whether it is switched on and its trigger names this event, with or without the prefix of event names."""
    bare = f"{type.replace('_', '-')}.{verb}"
    name = str(w.trigger.get("eventName", ""))
    return w.enabled and (name == bare or name.endswith(f".{bare}")) and _EVENT.fullmatch(name) is not None


def starts(w: Workflow, type: str, verb: str, record: Record, changed: frozenset[str]) -> bool:
    """Whether an event starts it: it listens, and `record`, as the event brought it, satisfies a transition.

    `changed` are the outward names of the fields that the event moved.
    """
    return listens(w, type, verb) and _next(w.trigger, w, _scene(w, record, changed), first=True) is not None


def act(w: Workflow, c: Conversation, changed: frozenset[str] = frozenset()) -> tuple[dict[str, Any], Shared] | None:
    """What it writes to a conversation: fields by their own names, and shared ones. `None`: nothing, or nothing new.

    Of two steps that name one field the later has the last word. A parameter that refers to what is not there leaves
    its step undone.
    """
    scene = _scene(w, c, changed)
    wish: dict[str, Any] = {}
    step = _next(w.trigger, w, scene, first=True)
    for _ in range(STEPS_MAX):
        if step is None:
            break
        said = _wish(step, scene)
        wish |= said | {"custom": {**wish.get("custom", {}), **said["custom"]}} if "custom" in said else said
        step = _next(step, w, scene)
    return _new(wish, c)


def _scene(w: Workflow, record: Record, changed: frozenset[str]) -> Scene:
    return Scene(str(w.trigger.get("id") or "1"), record, changed)


def _next(node: Mapping[str, Any], w: Workflow, scene: Scene, *, first: bool = False) -> Mapping[str, Any] | None:
    """The step that a trigger or step leads to; a trigger without `transitions` leads to the first step."""
    transitions = cast("Sequence[Mapping[str, Any]] | None", node.get("transitions"))
    if first and transitions is None:
        return w.steps[0] if w.steps else None
    for each in transitions or ():
        if "condition" not in each or holds(each["condition"], scene):
            return next((s for s in w.steps if s.get("id") == each.get("target")), None)
    return None


def _wish(step: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
    """What a step wants, by parameter, references read; nothing if one of them leads nowhere."""
    params = cast("Mapping[str, Any]", step.get("params") or {})
    out: dict[str, Any] = {}
    for name, given in params.items():
        if name == "id":
            continue
        value = _filled(given, scene)
        if value is _MISSING:
            return {}
        out[name] = value
    return out


_MISSING: Any = object()


def _filled(value: Any, scene: Scene) -> Any:
    """A parameter with its references read; `_MISSING` if one of them leads nowhere."""
    if isinstance(value, Mapping):
        pairs = {k: _filled(v, scene) for k, v in cast("Mapping[str, Any]", value).items()}
        return _MISSING if any(v is _MISSING for v in pairs.values()) else pairs
    if isinstance(value, list | tuple):
        items = [_filled(v, scene) for v in cast("Sequence[Any]", value)]
        return _MISSING if any(v is _MISSING for v in items) else items
    if not is_reference(value):
        return value
    found = resolved(value, scene)
    return found if there(found) else _MISSING


def _new(wish: Mapping[str, Any], c: Conversation) -> tuple[dict[str, Any], Shared] | None:
    """The wish as an update, without what is so already; `None` if that is all of it, or if it is no valid wish.

    Literal values were checked when the workflow was saved; what a reference brought is checked here.
    """
    if any(not _FITS[name](value) for name, value in wish.items()):
        return None
    fields: dict[str, Any] = {}
    if "tags" in wish and tuple(wish["tags"]) != c.tags:
        fields["tags"] = tuple(wish["tags"])
    if "priority" in wish and wish["priority"] != c.priority:
        fields["priority"] = wish["priority"]
    skills = _requirements(wish["skills"]) if "skills" in wish else None
    if skills is not None and skills != c.skills:
        fields["skills"] = skills
    custom = {**c.custom, **wish.get("custom", {})}
    if custom != c.custom:
        fields["custom"] = custom
    said = _shared(wish)
    if _stands(said, c):
        said = Shared()
    return None if not fields and said.silent else (fields, said)


def _shared(wish: Mapping[str, Any]) -> Shared:
    said: dict[str, Any] = {}
    if "assignedUsers" in wish:
        said["users"] = tuple(wish["assignedUsers"])
    if "status" in wish:
        said["status"] = wish["status"]
    if "queue" in wish:
        said["queue"], said["external"] = _queue(wish["queue"])
    return Shared(**said)


def _queue(value: Any) -> tuple[str | None, bool]:
    if isinstance(value, Mapping):
        named = cast("Mapping[str, str]", value)
        return (named["external"], True) if "external" in named else (named["id"], False)
    return value, False


def _stands(said: Shared, c: Conversation) -> bool:
    """Whether the conversation shows all of this already; to say it again would only start the next workflow."""
    queue = c.external_queue if said.external else c.queue
    free = c.queue is None and c.external_queue is None
    return (
        said.users in (msgspec.UNSET, c.assigned_users)
        and said.status in (msgspec.UNSET, c.status)
        and (said.queue is msgspec.UNSET or (free if said.queue is None else queue == said.queue))
    )


def _list_of_text(value: Any, limit: int) -> bool:
    held = cast("Sequence[Any]", value)
    return isinstance(value, list | tuple) and len(held) <= limit and all(isinstance(v, str) and v for v in held)


def asked_skills(steps: Sequence[Mapping[str, Any]]) -> dict[int, tuple[Requirement, ...]]:
    """What the steps of a checked workflow ask of agents, by the place of the step; not what a reference may bring."""
    params = [cast("Mapping[str, Any]", step.get("params") or {}) for step in steps]
    given = {n: said["skills"] for n, said in enumerate(params) if "skills" in said}
    return {n: asked for n, value in given.items() if not is_reference(value) and (asked := _requirements(value))}


def _queue_fits(value: Any) -> bool:
    if isinstance(value, Mapping):
        named = cast("Mapping[str, Any]", value)
        return set(named) in ({"id"}, {"external"}) and all(isinstance(v, str) and v for v in named.values())
    return value is None or (isinstance(value, str) and value != "")


_STATUSES: tuple[str, ...] = get_args(Status)


def _requirements(value: Any) -> tuple[Requirement, ...] | None:
    """Requirements as a step gives them; `None` if they are none."""
    try:
        found = msgspec.convert(value, tuple[Requirement, ...])
        check_requirements(found, "")
    except (msgspec.ValidationError, Problem):
        return None
    return found


_FITS: dict[str, Callable[[Any], bool]] = {
    "assignedUsers": lambda v: _list_of_text(v, USERS_MAX),
    "queue": _queue_fits,
    "status": lambda v: v in _STATUSES,
    "tags": lambda v: _list_of_text(v, TAGS_MAX),
    "priority": lambda v: type(v) is int and 1 <= v <= 5,
    "custom": lambda v: isinstance(v, Mapping),
    "skills": lambda v: _requirements(v) is not None,
}
_WANTS: dict[str, str] = {
    "assignedUsers": f"a list of at most {USERS_MAX} ids of users",
    "queue": 'a queue\'s id, {"id": …}, {"external": …} or null',
    "status": "open, snoozed or done",
    "tags": f"a list of at most {TAGS_MAX} tags",
    "priority": "a whole number from 1 to 5",
    "custom": "an object of custom attributes",
    "skills": 'a list of requirements such as {"skill": …, "level": 1 to 5, "mode": "required"}',
}


def check_workflow(values: Mapping[str, Any]) -> None:
    """Raises unless `trigger` and `steps` are a workflow that this version can carry out, with where and what to do.

    `Malformed`: a shape or name that is not understood. `InvalidValue`: steps that lead nowhere or in a circle.
    """
    trigger = members(values.get("trigger"), {"id", "eventName", "transitions"}, "/trigger")
    name = trigger.get("eventName")
    if not isinstance(name, str) or _EVENT.fullmatch(name) is None:
        raise Malformed(
            "eventName is interlock.conversation.create or .update in this version.", pointer="/trigger/eventName"
        )
    steps = values.get("steps", ())
    if not isinstance(steps, list | tuple):
        raise Malformed("steps is a list.", pointer="/steps")
    listed = cast("Sequence[Any]", steps)
    if len(listed) > STEPS_MAX:
        raise TooMany(f"A workflow has at most {STEPS_MAX} steps.", pointer="/steps")
    ids = _ids(trigger, listed)
    scope = str(trigger.get("id") or "1")
    _check_transitions(trigger, ids, scope, "/trigger")
    for place, step in enumerate(cast("Sequence[Mapping[str, Any]]", listed)):
        _check_step(step, ids, scope, f"/steps/{place}")
    _check_ways(trigger, cast("Sequence[Mapping[str, Any]]", listed))


def _ids(trigger: Mapping[str, Any], steps: Sequence[Any]) -> list[str]:
    ids: list[str] = []
    taken = {"1", str(trigger.get("id") or "1")}
    for at, node in [("/trigger", trigger), *((f"/steps/{i}", s) for i, s in enumerate(steps))]:
        held = members(node, {"id", "action", "appVersion", "params", "transitions", "eventName", "errorCases"}, at)
        id = held.get("id")
        if id is None and at == "/trigger":
            continue
        if not isinstance(id, str) or not re.fullmatch(r"[^.\s]{1,100}", id):
            raise Malformed("An id is text without dots and spaces.", pointer=f"{at}/id")
        if at != "/trigger" and id in taken:
            raise InvalidValue(f"There is another step {id}; 1 is the trigger.", pointer=f"{at}/id")
        taken.add(id)
        if at != "/trigger":
            ids.append(id)
    return ids


def _check_step(value: Any, ids: Sequence[str], scope: str, at: str) -> None:
    step = members(value, {"id", "action", "appVersion", "params", "transitions", "errorCases"}, at)
    action = step.get("action")
    if not isinstance(action, str) or _ACTION.fullmatch(action) is None:
        raise Malformed("The action is interlock.conversation.update in this version.", pointer=f"{at}/action")
    if step.get("errorCases"):
        raise Malformed("errorCases are not carried out by this version; leave them out.", pointer=f"{at}/errorCases")
    params = members(step.get("params", {}), {"id", *_FITS}, f"{at}/params")
    for name, given in params.items():
        where = f"{at}/params/{name}"
        check_references(given, scope, where)
        if name == "id":
            if not is_reference(given) or not str(given).endswith(".id"):
                raise Malformed(f"id is /#steps.{scope}.id or left out: it is the conversation itself.", pointer=where)
        elif not is_reference(given):
            _check_param(name, given, where)
    _check_transitions(step, ids, scope, at)


def _check_param(name: str, given: Any, at: str) -> None:
    if not _FITS[name](given):
        raise Malformed(f"{name} is {_WANTS[name]}.", pointer=at)
    if name == "assignedUsers":
        _check_ids(given, at)
    if name == "queue" and "external" not in (given or ()):
        _check_ids([given["id"] if isinstance(given, Mapping) else given] if given else [], at)
    for key, value in cast("Mapping[str, Any]", given).items() if name == "custom" else ():
        suffix = next((s for s in SUFFIXES if key.endswith(s)), None)
        if suffix is None:
            raise Malformed(
                f"{key[:100]} does not end in its type: {', '.join(SUFFIXES)}.", pointer=f"{at}/{key[:100]}"
            )
        if value is not None and not is_reference(value) and FITS[SUFFIXES[suffix]](value) is None:
            raise Malformed(f"{key[:100]} cannot hold this value.", pointer=f"{at}/{key[:100]}")


def _check_ids(given: Sequence[Any], at: str) -> None:
    for place, id in enumerate(given):
        if not is_reference(id) and not is_id(str(id)):
            raise Malformed(f"{str(id)[:100]} is no id.", pointer=f"{at}/{place}" if len(given) > 1 else at)


def _check_transitions(node: Mapping[str, Any], ids: Sequence[str], scope: str, at: str) -> None:
    listed = node.get("transitions")
    if listed is None:
        return
    if not isinstance(listed, list | tuple) or len(cast("Sequence[Any]", listed)) > TRANSITIONS_MAX:
        raise Malformed(f"transitions is a list of at most {TRANSITIONS_MAX}.", pointer=f"{at}/transitions")
    for place, each in enumerate(cast("Sequence[Any]", listed)):
        where = f"{at}/transitions/{place}"
        transition = members(each, {"target", "condition"}, where)
        target = transition.get("target")
        if target not in ids:
            raise InvalidValue(
                f"There is no step {str(target)[:100]}.{near(str(target), ids)}", pointer=f"{where}/target"
            )
        if "condition" in transition:
            check_condition(transition["condition"], scope, f"{where}/condition", 1)


def _check_ways(trigger: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> None:
    """Every step can be reached, and none leads back to itself."""
    ways = {str(s["id"]): [str(t["target"]) for t in s.get("transitions") or ()] for s in steps}
    first = [str(t["target"]) for t in trigger["transitions"]] if "transitions" in trigger else list(ways)[:1]
    done: set[str] = set()

    def walk(id: str, way: tuple[str, ...]) -> None:
        if id in way:
            raise InvalidValue(f"Step {id} leads back to itself: {' → '.join((*way, id))}.", pointer="/steps")
        if id not in done:
            for target in ways[id]:
                walk(target, (*way, id))
            done.add(id)

    for id in first:
        walk(id, ())
    lost = next((i for i, s in enumerate(steps) if s["id"] not in done), None)
    if lost is not None:
        raise InvalidValue(f"No transition leads to step {steps[lost]['id']}.", pointer=f"/steps/{lost}")
