"""Fields of a form as values: how what the API says becomes text in a field, and how that text becomes a value again.

The text is the canon. Differences, and the merge with what somebody else wrote meanwhile, compare texts, so what a
person reads is what is compared.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from interlock.console.door import Json, Refusal

Kind = Literal[
    "text", "long", "number", "flag", "choice", "ref", "refs", "pairs", "levels", "hours", "days", "criteria"
]  # fmt: skip
ROWS_MAX = 100
"""Conditions of one rule."""
SETTERS = ("set", "not_set")
MANY = frozenset({"in", "not_in", "contains_all"})
_SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*[-\u2013]\s*(\d{1,2}):(\d\d)")
_PAIR = re.compile(r"([A-Za-z][\w-]*)\s*[: ]\s*(\d{1,6})")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)\s*(.*)")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `name`: the API's attribute; with a dot, a member of an object that is written whole.

    of       the list that a reference chooses from, by its name in `nouns.LISTS`
    choices  (value, words); the value "" writes null
    null     an empty text is none at all
    only     `new`: only when a record is made; `write`: it is never read back
    """

    name: str
    label: str
    kind: Kind = "text"
    hint: str = ""
    of: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    least: int | None = None
    most: int | None = None
    needed: bool = False
    null: bool = False
    only: Literal["", "new", "write"] = ""

    @property
    def parent(self) -> str:
        """The object that this is a member of; empty: it stands by itself."""
        return self.name.partition(".")[0] if "." in self.name else ""


def text_of(field: Field, value: Any) -> str:
    """What the form shows of a value."""
    if value is None:
        return ""
    match field.kind:
        case "flag":
            return "on" if value else ""
        case "choice":
            return ("yes" if value else "no") if isinstance(value, bool) else str(value)
        case "refs":
            return " ".join(value)
        case "pairs":
            return ", ".join(f"{k} {v}" for k, v in sorted(value.items()))
        case "levels":
            return " ".join(sorted(f"{skill}:{level}" for skill, level in value.items()))
        case "hours":
            return "\n".join(f"{n} {_spans(value[n])}" for n in "0123456" if value.get(n))
        case "days":
            return "\n".join(f"{d['date']} {d.get('name', '')}".rstrip() for d in value)
        case "criteria":
            return "\n".join(_condition_line(side, c) for side in ("and", "or") for c in value.get(side, ()))
        case _:
            return str(value)


def value_of(field: Field, text: str, types: dict[str, str] | None = None) -> Any:
    """The value that a text means. Raises `Refusal` with the field and what it takes. `types`: of criteria's fields."""
    text = text.strip()
    if field.kind == "flag":
        return text == "on"
    if field.kind == "criteria":
        return criteria_of(text, types or {})
    if field.kind == "hours":
        return {n: _hours(field, line) for n in "0123456" if (line := line_of(text, n))}
    if field.kind in ("refs", "levels", "days", "pairs"):
        return _several(field, text)
    if not text:
        return "" if field.kind in ("text", "long") and not (field.needed or field.null) else None
    if field.kind == "number":
        if not re.fullmatch(r"\d{1,12}", text):
            raise wrong(field, "It is a whole number.")
        return int(text)
    if field.kind == "choice" and {v for v, _ in field.choices} >= {"yes", "no"}:
        return text == "yes"
    return text


def _several(field: Field, text: str) -> Any:
    match field.kind:
        case "refs":
            return text.split()
        case "levels":
            return [{"skill": s.partition(":")[0], "level": int(s.partition(":")[2])} for s in text.split()]
        case "pairs":
            found = _PAIR.findall(text)
            if _PAIR.sub("", text).strip(" ,\n;"):
                raise wrong(field, "It takes pairs, as in: voice 1, chat 3.")
            return {k: int(v) for k, v in found}
        case _:
            days = [_DAY.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
            if not all(days):
                raise wrong(field, "A day a line, as in: 2026-12-25 Christmas.")
            return [{"date": d[1], "name": d[2]} for d in days if d]


def wrong(field: Field, words: str) -> Refusal:
    """A field that says nothing sensible."""
    return Refusal(422, {"code": "INVALID_VALUE", "title": f"{field.label}: {words}", "source": field.name})


def line_of(text: str, key: str) -> str:
    """What stands behind a key at the start of a line; empty if there is none."""
    return next((line[len(key) + 1 :].strip() for line in text.splitlines() if line.startswith(key + " ")), "")


def _spans(spans: list[list[int]]) -> str:
    return ", ".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in spans)


def _hours(field: Field, text: str) -> list[list[int]]:
    found = _SPAN.findall(text)
    if not found or _SPAN.sub("", text).strip(" ,"):
        raise wrong(field, "Spans of a day, as in: 09:00-12:30, 13:30-17:00.")
    return [[int(a) * 60 + int(b), int(c) * 60 + int(d)] for a, b, c, d in found]


def _condition_line(side: str, condition: Json) -> str:
    [(name, test)] = condition.items()
    value = test.get("value")
    if isinstance(value, list):
        plain = all(isinstance(v, str) and "," not in v and v == v.strip() and v[:1] != "[" for v in value)
        text = ", ".join(value) if plain else msgspec.json.encode(value).decode()
    else:
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else "" if value is None else str(value)
    return f"{side} {name} {test.get('operator')} {text}".rstrip()


def criteria_of(text: str, types: dict[str, str]) -> Json:
    """Criteria of lines `and field operator value`; the API checks what they name."""
    out: Json = {"and": [], "or": []}
    for line in text.splitlines():
        side, name, operator, *rest = [*line.split(" ", 3), "", ""][:4]
        if side in out and name:
            test: Json = {"operator": operator}
            if operator not in SETTERS:
                test["value"] = _typed(rest[0] if rest else "", operator, types.get(name, "string"))
            out[side].append({name: test})
    return {side: listed for side, listed in out.items() if listed}


def _typed(text: str, operator: str, type: str) -> Any:
    if operator in MANY:
        if text.startswith("["):
            try:
                return msgspec.json.decode(text)
            except msgspec.DecodeError:
                return [text]
        return [_single(v.strip(), type) for v in text.split(",") if v.strip()]
    return _single(text, type)


def _single(text: str, type: str) -> Any:
    if type == "boolean" and text in ("true", "false", "yes", "no"):
        return text in ("true", "yes")
    if type in ("number", "integer"):
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            return text
    return text


def gathered(field: Field, form: dict[str, str]) -> str:
    """The text of one field of a form that was sent; several inputs become one text."""
    name = field.name
    match field.kind:
        case "refs":
            return " ".join(k[len(name) + 1 :] for k, v in form.items() if k.startswith(name + ".") and v == "on")
        case "levels":
            given = ((k.removeprefix(name + "."), v) for k, v in form.items() if k.startswith(name + "."))
            return " ".join(sorted(f"{k}:{v}" for k, v in given if v in tuple("12345")))
        case "hours":
            return "\n".join(f"{n} {v.strip()}" for n in "0123456" if (v := form.get(f"{name}.{n}", "")).strip())
        case "criteria":
            rows = (tuple(form.get(f"{name}.{n}.{p}", "").strip() for p in ("side", "field", "operator", "value"))
                    for n in range(ROWS_MAX))  # fmt: skip
            kept = [r for r in rows if r[1]]
            lines = (f"{s} {f} {o} {'' if o in SETTERS else ' '.join(v.split())}".rstrip() for s, f, o, v in kept)
            return "\n".join(sorted(lines, key=lambda line: line.startswith("or ")))
        case _:
            return form.get(name, "").replace("\r\n", "\n").strip()
