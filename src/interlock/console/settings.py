"""Settings, and the editor that they share with the rules: read, change, look at the difference, save, go back.

Nothing is saved over what somebody else wrote meanwhile. A form carries what it showed when it was opened; if the
record has moved, what I left alone is theirs, what I changed is mine, and where both moved both are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from interlock.console import merging, tried
from interlock.console.asked import Asked, Missing, Page, Sent, go
from interlock.console.door import Json, Refusal
from interlock.console.fields import ROWS_MAX, SETTERS, Field, gathered, line_of
from interlock.console.names import Names
from interlock.console.nouns import LISTS, NOUNS, RULE, SETTINGS, Noun
from interlock.console.rendering import several
from interlock.console.route import act, page

NEW = "new"
SPARE_ROWS = 2
SHOWN_MAX = 100
HISTORY = 50
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class Form(msgspec.Struct, kw_only=True):
    """A form as it stands: the record that it is about, what it showed when it was opened, and what stands in it."""

    noun: Noun
    id: str
    present: dict[str, Any] = {}
    base: dict[str, str] = {}
    texts: dict[str, str] = {}
    clashes: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    types: dict[str, str] = {}
    options: dict[str, list[Json]] = {}
    operators: dict[str, list[str]] = {}

    @property
    def rev(self) -> int:
        """The rev that it rests on; 0: there is no record yet."""
        return int(self.present.get("rev", 0))

    @property
    def fields(self) -> Sequence[Field]:
        """What can be written of it."""
        return self.noun.fields

    @property
    def stored(self) -> dict[str, str]:
        """What the record says."""
        return merging.texts_of(self.fields, self.present)


@page("/settings", "getOrgSettings")
async def overview(asked: Asked) -> Page:
    """Every kind of setting that is open to this role, with what there is of it."""
    groups = [await _group(asked, noun) for noun in SETTINGS if asked.who.may(noun.read)]
    return Page(template="settings.html", data={"groups": groups}, more={"topics": "queues,agents,system"})


async def _group(asked: Asked, noun: Noun) -> Json:
    if noun.single:
        return {"name": noun.name, "many": noun.many, "words": noun.words, "rows": [], "more": False, "column": []}
    told = await asked.api.get(noun.path, pageSize=SHOWN_MAX)
    rows = [
        {"id": r["id"], "name": r["attributes"].get("name") or r["id"],
         "cells": [_cell(r["attributes"].get(c)) for c in noun.column]}
        for r in told["data"]
    ]  # fmt: skip
    labels = {f.name: f.label for f in noun.fields}
    return {
        "name": noun.name, "many": noun.many, "words": noun.words, "rows": rows, "more": bool(told["links"]["next"]),
        "column": [labels[c] for c in noun.column], "one": noun.one,
        "create": bool(noun.create) and asked.who.may(noun.create),
    }  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _noun(asked: Asked) -> Noun:
    noun = NOUNS.get(asked.params["noun"])
    if noun is None or not asked.who.may(noun.read):
        raise Missing
    return noun


@page("/settings/{noun}/{id}", "getOverview")
async def edit(asked: Asked) -> Page:
    """The form of one record, as it is or as it was at a rev."""
    form = await _opened(asked)
    form.texts = dict(form.stored)
    form.base = dict(form.stored)
    if form.id == NEW:
        form.texts |= {"enabled": "on"} if "enabled" in form.texts else {}
    rev, note = asked.query.get("rev", ""), ""
    if rev.isdigit() and len(rev) < 16 and form.id != NEW:
        entries, _ = await _entries(asked, form)
        was = merging.as_it_was(form.present, entries, int(rev))
        if was is None:
            raise Refusal(404, {"title": f"The log does not tell rev {rev} any more, or not to you."})
        form.texts = merging.texts_of(form.fields, was)
        note = f"As it was at rev {rev}. Nothing is changed until you save."
    saved = asked.query.get("saved", "")
    note = f"Saved as rev {saved}." if saved.isdigit() else note
    return await _shown(asked, form, note=note)


async def _opened(asked: Asked) -> Form:
    """The form with its record and with what its lists offer."""
    noun, id = _noun(asked), asked.params["id"]
    form = Form(noun=noun, id=id)
    if id == NEW:
        if not noun.create or not asked.who.may(noun.create):
            raise Missing
    else:
        form.present = await _present(asked, noun, id)
    for list_ in {f.of for f in noun.fields if f.of}:
        path, operation = LISTS[list_]
        if asked.who.may(operation):
            told = (await asked.api.get(path, pageSize=200))["data"]
            form.options[list_] = [{"id": r["id"], "name": r["attributes"].get("name") or r["id"]} for r in told]
    if any(f.kind == "criteria" for f in noun.fields):
        told = (await asked.api.get(f"{noun.path}-criteria"))["data"]["attributes"]["fields"]
        form.types = {name: p.get("type", "string") for name, p in told["properties"].items()}
        form.operators = {n.rpartition("/")[2]: d["enum"] for n, d in told["definitions"].items() if "enum" in d}
    return form


async def _present(asked: Asked, noun: Noun, id: str) -> dict[str, Any]:
    """A record's values; settings of a team that has none yet are empty, at rev 0."""
    told = await asked.api.maybe(noun.place.replace("{id}", quote(id)))
    if told is None:
        if noun.item and not noun.single and await asked.api.maybe(f"{noun.path}/{quote(id)}"):
            return {}
        raise Missing
    return merging.values_of(told["data"])


@act("/settings/{noun}/{id}", "getOverview")
async def send(asked: Asked) -> Page | Sent:
    """Look at the difference, or save it."""
    form = await _opened(asked)
    noun = form.noun
    if not asked.who.may(noun.update):
        raise Missing
    form.base = {f.name: asked.form.get(f"was.{f.name}", "").replace("\r\n", "\n") for f in form.fields}
    mine = {f.name: gathered(f, asked.form) for f in form.fields}
    found = merging.merge(form.base, form.stored, mine)
    moved_on = form.rev != _rev(asked) and bool(found.theirs)
    form.texts, form.clashes, form.theirs, form.base = found.texts, found.clashes, found.theirs, dict(form.stored)
    if moved_on:
        note = f"Somebody else wrote rev {form.rev} meanwhile. Yours is kept, on top of theirs: look, and save again."
        return await _shown(asked, form, note=note, tone="warn", status=409)
    try:
        body = merging.body_of(form.fields, form.stored, form.texts, form.present, form.types)
        if asked.form.get("step") != "save":
            return await _shown(asked, form, review=True)
        if not body and form.id != NEW:
            return await _shown(asked, form, note="Nothing is changed.")
        told = await _write(asked, form, body)
    except Refusal as no:
        if no.status not in (400, 409, 412, 422):
            raise
        words = f"{no.title} {no.detail}".strip()
        return await _shown(asked, form, note=words, tone="bad", status=no.status)
    rev = told["data"]["attributes"]["rev"]
    return go(f"/settings/{noun.name}/{told['data']['id'] if form.id == NEW else form.id}?saved={rev}")


def _rev(asked: Asked) -> int:
    given = asked.form.get("rev", "0")
    return int(given) if given.isdigit() and len(given) < 16 else 0


async def _write(asked: Asked, form: Form, body: Json) -> Any:
    """The write itself, under the rev that the form rests on."""
    noun, once = form.noun, asked.form.get("once", "")
    if form.id == NEW:
        return await asked.api.send("POST", noun.path, {k: v for k, v in body.items() if v is not None}, once=once)
    if noun.inside:
        body = body.get(noun.inside) or {}
    if noun is RULE and body.get("queue"):
        body |= {"queueKey": None}
    path = (noun.write or noun.place).replace("{id}", quote(form.id))
    return await asked.api.send("PUT", path, body, once=once, if_match=f'"{form.rev}"' if form.rev else "")


@act("/settings/{noun}/{id}/delete", "getOverview")
async def remove(asked: Asked) -> Sent:
    """Take a record away, if it is still the one that was looked at and nothing needs it."""
    noun = _noun(asked)
    if not noun.remove or not asked.who.may(noun.remove):
        raise Missing
    path = noun.place.replace("{id}", quote(asked.params["id"]))
    await asked.api.send("DELETE", path, once=asked.form.get("once", ""), if_match=f'"{_rev(asked)}"')
    return go("/rules" if noun is RULE else f"/settings#{noun.name}")


async def _shown(
    asked: Asked, form: Form, *, note: str = "", tone: str = "good", review: bool = False, status: int = 200
) -> Page:
    """The form as a page: its fields, what saving would change, and for a rule what that would have done."""
    noun, stored = form.noun, form.stored
    differences = [
        {"label": f.label, "before": _words(f, stored[f.name], form), "after": _words(f, form.texts[f.name], form),
         "clash": f.name in form.clashes, "theirs": f.name in form.theirs and f.name not in form.clashes}
        for f in form.fields if form.texts[f.name] != stored[f.name] or f.name in form.theirs
    ]  # fmt: skip
    data: Json = {
        "noun": noun.name,
        "one": noun.one,
        "id": form.id,
        "name": str(form.present.get("name") or await _name(asked, form)),
        "rev": form.rev,
        "fields": [_input(f, form) for f in form.fields if not (f.only == "new" and form.id != NEW)],
        "base": form.base,
        "differences": differences,
        "counted": _counted(form.stored, form.texts),
        "note": note,
        "tone": tone,
        "review": review,
        "writes": asked.who.may(noun.update),
        "removes": bool(noun.remove) and form.id != NEW and asked.who.may(noun.remove),
        "history": form.id != NEW and asked.who.may("listAuditLogs"),
        "effect": await _effect(asked, form) if review or differences else "",
        "tried": None,
        "moved": [],
        "trouble": "",
    }
    if noun is RULE and (review or differences):
        data |= await tried.with_rule(asked, form.id, form.texts, form.types)
    return Page(template="settings_edit.html", data=data, status=status)


async def _name(asked: Asked, form: Form) -> str:
    if form.id == NEW or form.noun.single:
        return ""
    told = await asked.api.maybe(f"{form.noun.path}/{quote(form.id)}")
    return str(told["data"]["attributes"].get("name", "")) if told else ""


async def _effect(asked: Asked, form: Form) -> str:
    """What a change of a queue does to what waits in it, in numbers."""
    if form.noun.name != "queues" or form.id == NEW:
        return ""
    told = (await asked.api.get("/v1/routing/overview"))["data"]["attributes"]["queues"]
    here = next((q for q in told if q["id"] == form.id), None)
    if here is None:
        return ""
    waits = f"{several(here['waiting'], 'item')} {'waits' if here['waiting'] == 1 else 'wait'} here now"
    if form.texts["priority"] == form.stored["priority"]:
        return f"{waits}; offers that are out ({here['offered']}) stay as they are."
    new = "take the new priority at once" if form.texts["applyToWaiting"] else "keep the priority they came with"
    return f"{waits} and {new}."


def _counted(before: dict[str, str], after: dict[str, str]) -> str:
    """`+2 ~1 -0`: fields that get a value, change it, lose it."""
    moved = merging.moved(before, after)
    added = sum(not before.get(n) for n in moved)
    gone = sum(not after[n] for n in moved)
    return f"+{added} ~{len(moved) - added - gone} −{gone}"


def _words(field: Field, text: str, form: Form) -> str:
    """A text as a person reads it."""
    names = {o["id"]: o["name"] for o in form.options.get(field.of, [])}
    match field.kind:
        case "flag":
            return "yes" if text else "no"
        case "ref":
            return names.get(text, text) or "none"
        case "refs":
            return ", ".join(names.get(i, i) for i in text.split()) or "none"
        case "levels":
            pairs = (s.partition(":") for s in text.split())
            return ", ".join(f"{names.get(i, i)} {level}" for i, _, level in pairs) or "none"
        case "choice":
            return dict(field.choices).get(text, text) or "none"
        case "hours":
            return "; ".join(f"{DAYS[int(n)]} {line_of(text, n)}" for n in "1234560" if line_of(text, n)) or "none"
        case "criteria":
            return "; ".join(text.replace("conversation_", "").splitlines()) or "always"
        case _:
            return text or "none"


def _input(f: Field, form: Form) -> Json:
    """One field as the template shows it."""
    text = form.texts[f.name]
    out: Json = {
        "name": f.name, "label": f.label, "kind": f.kind, "hint": f.hint, "text": text, "least": f.least,
        "most": f.most, "needed": f.needed, "choices": f.choices,
        "options": form.options.get(f.of, []), "clash": f.name in form.clashes,
    }  # fmt: skip
    if f.kind == "ref" and text and text not in [o["id"] for o in out["options"]]:
        out["options"] = [*out["options"], {"id": text, "name": text}]
    if f.kind in ("refs", "levels"):
        out["chosen"] = {s.partition(":")[0]: s.partition(":")[2] for s in text.split()}
    if f.kind == "hours":
        out["days"] = [{"n": n, "name": DAYS[int(n)], "text": line_of(text, n)} for n in "1234560"]
    if f.kind == "criteria":
        lines = [[*line.split(" ", 3), "", "", ""][:4] for line in text.splitlines()]
        spare = [["and", "", "equals", ""]] * min(SPARE_ROWS, ROWS_MAX - len(lines))
        out["rows"] = [dict(zip(("side", "field", "operator", "value"), r, strict=True)) for r in [*lines, *spare]]
        out["known"] = sorted(form.types)
        out["operators"] = sorted({o for listed in form.operators.values() for o in listed})
        out["setters"] = SETTERS
    return out


@page("/settings/{noun}/{id}/history", "listAuditLogs")
async def history(asked: Asked) -> Page:
    """Who changed it, when, and what; each version can be opened as a draft."""
    form = await _opened(asked)
    entries, before = await _entries(asked, form)
    names = Names(asked.api)
    await names.learn([(e["actor"]["type"], e["actor"]["id"]) for e in entries])
    fields = {(f.parent or f.name): f for f in form.fields}
    rows = [
        {"rev": e["rev"], "at": e["createdAt"], "who": names.actor(e["actor"]), "client": e["client"],
         "moves": _moves(e.get("changes"), fields), "born": not e.get("changes")}
        for e in entries
    ]  # fmt: skip
    data = {"noun": form.noun.name, "one": form.noun.one, "id": form.id, "name": str(form.present.get("name", "")),
            "rows": rows, "before": before, "rev": form.rev}  # fmt: skip
    return Page(template="settings_history.html", data=data)


def _moves(changes: Json | None, fields: dict[str, Field]) -> list[Json]:
    if not changes:
        return []
    every = {**changes["attributes"], **changes["relationships"]}
    return [
        {"field": fields[n].label if n in fields and not fields[n].parent else n, "before": _plain(m.get("before")),
         "after": _plain(m.get("after"))}
        for n, m in every.items()
    ]  # fmt: skip


def _plain(value: Any) -> str:
    value = merging.plain(value)
    if value is None:
        return "none"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()[:300]


async def _entries(asked: Asked, form: Form) -> tuple[list[Json], str]:
    """The changes of a record, newest first, and the position before which older ones would be."""
    if form.id == NEW or not asked.who.may("listAuditLogs"):
        raise Missing
    before = asked.query.get("before", "")
    id = form.present.get("id", form.id)
    query: Json = {
        "filter[objectType]": form.noun.type, "filter[objectId]": id, "filter[include]": "changes", "count": HISTORY,
        "before": before if before.isdigit() else "",
    }  # fmt: skip
    told = await asked.api.get("/v1/audit-logs", **query)
    following = told["links"]["next"] or ""
    older = following.partition("before=")[2].partition("&")[0] if "before=" in following else ""
    return [e["attributes"] for e in told["data"]], older


ROUTES = (overview, edit, send, remove, history)
