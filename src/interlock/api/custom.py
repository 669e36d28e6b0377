"""Custom attributes: their names end in their type, and their values have it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from interlock.api.reading import escape, one_of, shallow
from interlock.domain.errors import Malformed, Problem

STR_MAX, TXT_MAX = 1_024, 65_536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}(Str|Txt|Num|At|Bool|Url|Tree)")


def check_custom(custom: Any) -> None:
    """Raises unless every name and value is as it should be."""
    problems = list(_problems(custom)) if isinstance(custom, dict) else []
    if problems:
        raise one_of(problems)


def check_free(name: str, value: Any) -> None:
    """Raises if free-form content is nested too deeply to be kept."""
    if not shallow(value):
        raise Malformed(f"{name} is nested too deeply.", pointer=f"/{name}")


def _problems(custom: dict[str, Any]) -> Iterable[Problem]:
    for name, value in custom.items():
        at = f"/custom/{escape(name)}"
        found = _NAME.fullmatch(name)
        if found is None:
            yield Malformed(f"{name[:100]} does not end in its type: Str, Txt, Num, At, Bool, Url or Tree.", pointer=at)
        elif value is not None and not _fits(found[1], value):
            yield Malformed(f"{name[:100]} holds {_HOLDS[found[1]]}.", pointer=at)


_HOLDS = {
    "Str": f"text of at most {STR_MAX} characters",
    "Txt": f"text of at most {TXT_MAX} characters",
    "Num": "a number",
    "At": "a time as text, RFC 3339",
    "Bool": "true or false",
    "Url": f"an address of at most {TXT_MAX} characters",
    "Tree": "a path a.b.c as text",
}


def _fits(suffix: str, value: Any) -> bool:
    if suffix == "Num":
        return type(value) in (int, float)
    if suffix == "Bool":
        return type(value) is bool
    if suffix == "At":
        return isinstance(value, str) and _is_time(value)
    return isinstance(value, str) and len(value) <= (STR_MAX if suffix in ("Str", "Tree") else TXT_MAX)


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return False
    return True
