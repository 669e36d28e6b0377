"""A plan, request by request. What fails ends it: what was done stays, and is said; running it again does the rest."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from interlock.cli.configuration.nouns import Noun
from interlock.cli.configuration.plan import Plan, Step
from interlock.cli.configuration.present import Held, Present
from interlock.cli.connection import Connection
from interlock.cli.failure import CONFLICT, Failure

Told = Callable[[Step], None]


class Stopped(Failure):
    """A plan that could not be carried out to its end: what was done, and what was not."""

    def __init__(self, why: Failure, done: list[Step], left: list[Step]) -> None:
        what = f"{left[0].line} failed: {why.what}"
        told = [why.why] if why.why else []
        told.append(f"done: {', '.join(s.line for s in done) or 'nothing'}")
        told.append(f"not done: {', '.join(s.line for s in left)}")
        again = "run the same command again: it plans anew from what is there now, and does what is left"
        super().__init__(what, "\n        ".join(told), again, code=why.code)
        self.done, self.left = done, left

    def document(self) -> dict[str, object]:
        """The same for programs."""
        steps = {"done": [s.document() for s in self.done], "notDone": [s.document() for s in self.left]}
        return {**super().document(), **steps}


def carry_out(connection: Connection, plan: Plan, present: Present, told: Told) -> None:
    """Every step in order. Each write says which rev it rests on. Raises `Stopped`."""
    done: list[Step] = []
    for n, step in enumerate(plan.steps):
        try:
            _take(connection, step, present)
        except Failure as why:
            raise Stopped(why, done, list(plan.steps[n:])) from why
        done.append(step)
        told(step)


def _take(connection: Connection, step: Step, present: Present) -> None:
    noun, held = step.noun, step.held
    if step.action == "order":
        _put_in_order(connection, step, present)
        return
    if step.action == "remove" and not step.changes and held is not None:
        _checked(connection.send("DELETE", f"{noun.path}/{held.id}", if_match=held.rev), step)
        return
    body = {name: _resolved(noun, name, after, present) for name, (_, after) in step.changes.items()}
    if held is not None:
        path = noun.path if noun.single else f"{noun.path}/{held.id}"
        _checked(connection.send("PUT", path, body, if_match=held.rev), step)
    elif noun.put_only:
        team = body.pop("team")
        _checked(connection.send("PUT", f"{noun.path}/{team}", body, if_match=0), step)
    else:
        answer = _checked(connection.send("POST", noun.path, body, key=secrets.token_hex(16)), step)
        made = answer["data"]
        present.ids[noun.section][step.label] = made["id"]
        if noun.ordered:
            present.records[noun.section][step.label] = Held(
                noun=noun, id=made["id"], rev=made["attributes"]["rev"], values={}
            )


def _put_in_order(connection: Connection, step: Step, present: Present) -> None:
    """The order, resting on the revs of all rules as they were planned with or written since."""
    rules = connection.get(step.noun.path).json()["data"]
    section = step.noun.section
    known = {h.id for h in present.records[section].values()}
    strange = [r["attributes"]["name"] for r in rules if r["id"] not in known]
    if strange:
        raise Failure(f"somebody else has added {step.noun.title}s", ", ".join(strange), code=CONFLICT)
    basis = [{"type": r["type"], "id": r["id"], "rev": r["attributes"]["rev"]} for r in rules]
    _unmoved(rules, step.noun, present)
    ids = [present.ids[section][label] for label in step.order]
    _checked(connection.send("PUT", f"{step.noun.path}/order", {"rules": ids, "basis": basis}), step)


def _unmoved(rules: list[Any], noun: Noun, present: Present) -> None:
    """Raises if the rules that were there stand in another order than the plan was made on."""
    planned = [h.id for h in present.records[noun.section].values()]
    there = [r["id"] for r in rules if r["id"] in set(planned)]
    if there != [i for i in planned if i in set(there)]:
        raise Failure(f"somebody else has changed the order of the {noun.title}s", code=CONFLICT)


def _resolved(noun: Noun, name: str, value: Any, present: Present) -> Any:
    """A value as the API takes it."""
    if name in noun.inner and value is not None:
        member, section = noun.inner[name]
        return [{**each, member: _ids(section, each.get(member), present)} for each in value]
    return _ids(noun.refs.get(name), value, present)


def _ids(section: str | None, value: Any, present: Present) -> Any:
    """Labels turned into ids."""
    if section is None or value is None:
        return value
    known = present.ids[section]
    return [known.get(v, v) for v in value] if isinstance(value, list) else known.get(value, value)


def _checked(answer: Any, step: Step) -> Any:
    """The document of an answer; a refusal becomes a failure that says what changed meanwhile."""
    if answer.status < 300:
        return answer.json() if answer.body else None
    errors = answer.json().get("errors", [{}])
    first: Mapping[str, Any] = errors[0]
    moved = (first.get("meta") or {}).get("changedSince") or []
    changed = ", ".join(f"{m['field']} (rev {m['rev']}, {m['client']}, {m['at']})" for m in moved)
    where = f" at {(first.get('source') or {}).get('pointer', '')}" if first.get("source") else ""
    why = f"{first.get('code', answer.status)}: {first.get('detail', '')}{where}"
    if changed:
        why += f" Changed meanwhile: {changed}."
    if step.at:
        why += f" It is wanted by {step.at}."
    code = CONFLICT if answer.status in (409, 412) else 1
    raise Failure(str(first.get("title", f"the server answered {answer.status}")), why, code=code)
