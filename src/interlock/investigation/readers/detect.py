"""Tells an input's format from its first bytes, and names it."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from interlock.investigation.readers.table import delimiter_of

NUL_SHARE_MAX = 0.2
LONG_BYTES = 64 << 10

CONTAINERS = ("incident-document", "json-lines", "json", "csv", "tsv")
SHAPES = ("debezium", "couchdb-changes", "kubernetes-audit")
FORMATS = (*CONTAINERS, *SHAPES)
"""Names that `--format` takes."""

_PROSE = re.compile(rb"^(?:#{1,6} |```|~~~|\s*[*+-] )", re.MULTILINE)
_BLOCK = re.compile(rb"^[ \t>]*[{\[][ \t]*\r?$", re.MULTILINE)


class Format(NamedTuple):
    """A format: how objects are cut out (`container`), the name that a report shows, the one shape allowed, if any."""

    name: str
    container: str
    shape: str = ""


def detect(head: bytes, name: str, forced: str | None) -> tuple[Format | None, str]:
    """The format of an input that begins like this, else why there is none."""
    if not head:
        return None, "it is empty"
    if forced in CONTAINERS:
        return Format(forced, forced), ""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None, "it is UTF-16; convert it to UTF-8 first"
    if head.count(b"\0") > len(head) * NUL_SHARE_MAX and b"{" not in head:
        return None, "it is no text"
    container = _table(head, name) or _container(head)
    if forced is not None:
        return Format(forced, container or "json-lines", forced), ""
    if container is None:
        return None, "no format is recognised; --map can describe it, --format can force one"
    return Format(container, container), ""


def _table(head: bytes, name: str) -> str | None:
    """`csv` or `tsv` where the first rows have the same cells, and the first of them names."""
    rows = head.decode("utf-8", "replace").splitlines()[:4]
    delimiter = delimiter_of(rows[:-1] if len(rows) > 2 else rows)
    if delimiter is None or (len(rows) < 2 and not name.lower().endswith((".csv", ".tsv"))):
        return None
    return "tsv" if delimiter == "\t" else "csv"


def _container(head: bytes) -> str | None:
    begin = head.lstrip(b" \t\r\n\0")
    rows = [row.strip(b" \t\r\0") for row in head.split(b"\n")]
    if b"{" not in head:
        return None
    # A long line is one of several, or it is the whole input, which its own reader takes apart piece by piece.
    alone = len(rows[0]) > LONG_BYTES and not any(rows[1:])
    if not alone and any(_is_object(row) for row in rows[:200]):
        fenced = begin.startswith((b"#", b"```")) or b"\n```" in head
        return "incident-document" if fenced else "json-lines"
    if begin[:1] in (b"{", b"["):
        return "json" if not _PROSE.search(head) else "incident-document"
    if _PROSE.search(head) or _BLOCK.search(head):
        return "incident-document"
    return "json-lines"


def _is_object(row: bytes) -> bool:
    begin = row.find(b"{")
    if begin < 0 or not row.rstrip(b",").endswith(b"}"):
        return False
    try:
        value = _members(row[begin:].rstrip(b","))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return len(value) > 1


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""An object, of which only the members are told apart: a long line would be twenty times as large as objects."""
