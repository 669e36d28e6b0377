"""Ids: 24 lower-case hex digits whose first 8 are the second of creation (the shape seen in the incident)."""

from __future__ import annotations

import re

_ID = re.compile(r"[0-9a-f]{24}")

NIL = "0" * 24
"""The id of the organisation that owns what belongs to no organisation; never given to a customer's one."""


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an id. Upper-case digits are no id here: we only ever write lower case."""
    return _ID.fullmatch(text) is not None


def compose(now_ms: int, tail: int) -> str:
    """An id made of the second of `now_ms` (milliseconds since 1970) and the low 64 bits of `tail`."""
    return f"{(now_ms // 1000) & 0xFFFFFFFF:08x}{tail & 0xFFFFFFFFFFFFFFFF:016x}"


def created_second(id: str) -> int:
    """Seconds since 1970 at which an id was drawn."""
    return int(id[:8], 16)
