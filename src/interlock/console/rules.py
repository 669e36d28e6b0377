"""Queue rules as sentences in their order; a new order or a rule switched off is tried on what was, before it is saved.

The draft stands in the address: it can be sent to somebody, and a reload loses nothing.
"""

from __future__ import annotations

from typing import Any

from interlock.console import tried
from interlock.console.asked import Asked, Done, Page, Sent, go
from interlock.console.door import Json, Refusal
from interlock.console.rendering import several
from interlock.console.route import act, page

OPERATORS = {
    "equals": "is", "not_equals": "is not", "in": "is one of", "not_in": "is none of", "contains_all": "has all of",
    "contains_any": "has any of", "contains": "contains", "is_set": "is set", "is_not_set": "is not set",
}  # fmt: skip


@page("/rules", "listQueueRules", "dryRunQueueRules")
async def rules(asked: Asked) -> Page:
    """The rules, and what the draft would have done."""
    stored = await tried.stored(asked)
    draft = _draft(asked.query.get("draft", ""), stored)
    changed = diff(stored, draft)
    told: Json | None = None
    trouble = ""
    try:
        told = await tried.run(asked, draft if changed else None)
    except Refusal as no:
        trouble = f"{no.title} {no.detail}"
    matched = {r["rule"]: r["matched"] for r in told["rules"]} if told else {}
    shown = [_shown(n, r, matched, draft) for n, r in enumerate(draft)]
    data = {
        "rules": shown,
        "changed": changed,
        "tried": told,
        "moved": tried.moved_of(told),
        "trouble": trouble,
        "draft": _text(draft),
        "revs": " ".join(f"{r['id']}.{r['rev']}" for r in stored),
    }
    return Page(template="rules.html", data=data, more={"topics": "rules"})


def _draft(text: str, stored: list[Json]) -> list[Json]:
    """The draft of an address: ids in their order, a minus before one that is off. What it leaves out stays."""
    by_id = {r["id"]: r for r in stored}
    out: list[Json] = []
    for part in text.split(",")[:500]:
        id = part.removeprefix("-")
        if id in by_id:
            out.append({**by_id.pop(id), "enabled": not part.startswith("-")})
    return out + list(by_id.values()) if text else stored


def _text(rules: list[Json]) -> str:
    return ",".join(("" if r["enabled"] else "-") + r["id"] for r in rules)


def diff(stored: list[Json], draft: list[Json]) -> list[str]:
    """What saving would change, in sentences."""
    was = {r["id"]: r for r in stored}
    out = [f"{r['name']} is switched {'on' if r['enabled'] else 'off'}"
           for r in draft if r["enabled"] != was[r["id"]]["enabled"]]  # fmt: skip
    before, after = [r["id"] for r in stored], [r["id"] for r in draft]
    out += [f"{r['name']} goes from place {before.index(r['id']) + 1} to {n + 1}"
            for n, r in enumerate(draft) if before.index(r["id"]) != n and before != after]  # fmt: skip
    return out


def _shown(n: int, r: Json, matched: dict[str, int], draft: list[Json]) -> Json:
    """A rule for people, with the drafts that its buttons lead to."""

    def moved(to: int) -> str:
        others = [x for x in draft if x is not r]
        return _text([*others[:to], r, *others[to:]])

    off = [{**x, "enabled": not x["enabled"]} if x is r else x for x in draft]
    return {
        **r,
        "sentence": sentence(r),
        "matched": matched.get(r["id"]),
        "up": moved(n - 1) if n else "",
        "down": moved(n + 1) if n + 1 < len(draft) else "",
        "toggle": _text(off),
    }


def sentence(r: Json) -> str:
    """`If channel is voice → calls`."""

    def said(condition: Json) -> str:
        return " and ".join(f"{_field(f)} {_compared(c)}" for f, c in condition.items())

    all_of = [said(c) for c in r["criteria"].get("and", [])]
    any_of = [said(c) for c in r["criteria"].get("or", [])]
    parts = [*all_of, *([f"({' or '.join(any_of)})"] if any_of else [])]
    return "If " + " and ".join(parts) if parts else "Always"


def _field(name: str) -> str:
    return name.removeprefix("conversation_").replace("_", " ")


def _compared(condition: Any) -> str:
    if not isinstance(condition, dict):
        return f"is {condition}"
    value = condition.get("value")
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    word = OPERATORS.get(str(condition.get("operator")), str(condition.get("operator")).replace("_", " "))
    return f"{word} {text}".strip()


@act("/rules", "orderQueueRules", "updateQueueRule")
async def save(asked: Asked) -> Done | Sent:
    """Save the draft, if the rules are still those that it was made from."""
    stored = await tried.stored(asked)
    if asked.form.get("revs", "") != " ".join(f"{r['id']}.{r['rev']}" for r in stored):
        detail = "Your draft is kept in the address: reload the page to see it against the new ones."
        error = {"title": "Somebody changed the rules meanwhile.", "code": "PRECONDITION_FAILED", "detail": detail}
        raise Refusal(412, error)
    draft = _draft(asked.form.get("draft", ""), stored)
    was = {r["id"]: r for r in stored}
    for r in draft:
        if r["enabled"] != was[r["id"]]["enabled"]:
            await asked.api.send("PUT", f"{tried.PATH}/{r['id']}", {"enabled": r["enabled"]}, if_match=f'"{r["rev"]}"')
    if [r["id"] for r in draft] != [r["id"] for r in stored]:
        await asked.api.send("PUT", f"{tried.PATH}/order", {"rules": [r["id"] for r in draft]})
    if not asked.by_script:
        return go("/rules")
    return Done(title=f"Saved {several(len(diff(stored, draft)), 'change')}.", changed=("rules",), back="/rules")


ROUTES = (rules, save)
