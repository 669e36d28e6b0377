"""Reads JSON that copy and paste have damaged into a tree that still knows where each token stood, and names each edit.

It decides nothing that needs more than the grammar: an empty slot stays a slot, a scalar that may have been a list of
one stays a scalar. `repair.py` decides those with what the file and the lengths in it tell.

    EMPTY_SLOT     `"a":,`                 nothing where a value belongs
    KEYLESS_VALUE  `"a":{…},{…}`           values without a key: they were a list with the value before
    MISSING_CLOSE  the text ends, or something outer closes, before an object or a list does
    TRAILING       a comma before a close, or text behind the end
    SMART_QUOTE    typographic or single quotes around a string, typographic spaces between tokens
    HARD_WRAP      a line break inside a string
    ELISION        `…`, `...` or a comment where something was left out
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, Literal

import msgspec

DEPTH_MAX = 200
"""Deeper nesting than any log has; the parser goes down on Python's own stack."""

Path = tuple[str | int, ...]
EditKind = Literal[
    "EMPTY_SLOT", "KEYLESS_VALUE", "MISSING_CLOSE", "STRIPPED_LIST", "TRAILING", "SMART_QUOTE", "HARD_WRAP", "ELISION"
]


class Unreadable(Exception):
    """What no edit makes readable: why, and where (offset in characters, line and column from 1)."""

    def __init__(self, why: str, offset: int = 0, line: int = 1, column: int = 1) -> None:
        super().__init__(why)
        self.why, self.offset, self.line, self.column = why, offset, line, column


class Edit(msgspec.Struct):
    """One edit. `offset` is where in the text (characters), `path` which value it concerns."""

    kind: EditKind
    offset: int
    path: Path
    assumed: str
    alternatives: tuple[str, ...] = ()


class Node(msgspec.Struct, eq=False):
    """One value. `raw` is a scalar's text, as a compact serialiser writes it; `members` have their keys as raw text.

    stripped   a list whose brackets are not in the text
    wraps      line breaks taken out of a string                spaced  `raw`, had they been spaces
    """

    kind: Literal["scalar", "object", "list", "slot", "elided"]
    offset: int
    path: Path
    raw: str = ""
    members: list[tuple[str, str, Node]] = []
    items: list[Node] = []
    stripped: bool = False
    wraps: int = 0
    spaced: str = ""


class Tree(msgspec.Struct):
    """What a damaged text comes to: its value, the edits made so far, where its lines begin."""

    root: Node
    edits: list[Edit]
    starts: list[int]
    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a place in the text."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


_SPACE = re.compile(r"[ \t\r\n]*")
_ODD_SPACE = re.compile("[ \t\r\n\u00a0\u2000-\u200b\u202f\u3000\ufeff]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
_SCALAR = re.compile(r"(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])")
_ELISION = re.compile(r"(?:…|\.\.\.+|//[^\n]*|/\*.*?\*/)[ \t]*", re.DOTALL)
_CLOSERS = {
    '"': '"”', "“": '”“"', "”": '”"', "„": '“”"', "‟": '”"', "«": "»", "‘": "’'", "’": "’'", "'": "'’", "‹": "›",
}  # fmt: skip
_CONTROL = {"\b": "\\b", "\f": "\\f", "\t": "\\t"}
_WRAP = re.compile(r"(?<![ \t])[ \t]*+\r?\n[ \t]*+")
_WRAPS_MAX = 20
_SURE_DIGITS = 4
_KEY_AFTER_WRAP = re.compile(r'\n[ \t]*["“][\w$@.-]+["”][ \t]*:')
_decode = msgspec.json.Decoder(str).decode


def parse(text: str) -> Tree:
    """The tree of the one value that the text begins with. Raises `Unreadable`."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.lists = 0
        self.edits: list[Edit] = []
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def whole(self) -> Tree:
        self._space(())
        root = self._value(())
        self._space(())
        if self.at < len(self.text):
            rest = self.text[self.at :].strip()
            self._edit("TRAILING", (), f"left out: {rest[:40]!r}")
        if root.kind not in ("object", "list"):
            raise self._fault("there is no object")
        return Tree(root, self.edits, self.starts, self.text)

    def _fault(self, why: str) -> Unreadable:
        line = bisect_right(self.starts, self.at)
        return Unreadable(why, self.at, line, self.at - self.starts[line - 1] + 1)

    def _edit(self, kind: EditKind, path: Path, assumed: str, *alternatives: str, offset: int | None = None) -> None:
        self.edits.append(Edit(kind, self.at if offset is None else offset, path, assumed, alternatives))

    def _space(self, path: Path) -> str:
        """Goes to the next token and tells its first character, empty at the end."""
        here = self.at
        first = self.text[here : here + 1]
        if first > " " and first < "\x7f":
            return first
        self.at = _SPACE.match(self.text, here).end()  # type: ignore[union-attr]
        odd = _ODD_SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
        if odd > self.at:
            self._edit("SMART_QUOTE", path, "a typographic space between tokens is no content")
            self.at = odd
        return self.text[self.at : self.at + 1]

    def _value(self, path: Path) -> Node:
        first = self._space(path)
        if first == "{":
            return self._object(path)
        if first == "[":
            return self._list(path)
        if first in _CLOSERS and first:
            return self._string(path)
        found = _SCALAR.match(self.text, self.at)
        if found:
            node = Node("scalar", self.at, path, self._sound(found[0], len(found[0]) > _SURE_DIGITS))
            self.at = found.end()
            return node
        elided = _ELISION.match(self.text, self.at)
        if elided:
            return self._elided(path, elided)
        if first in (",", "}", "]", "") and path:
            self._edit("EMPTY_SLOT", path, "an empty list", '""', "null", "{}")
            return Node("slot", self.at, path)
        raise self._fault(f"no value begins with {first!r}" if first else "it is empty")

    def _elided(self, path: Path, found: re.Match[str]) -> Node:
        self._edit("ELISION", path, f"something was left out: {found[0].strip()[:30]}")
        node = Node("elided", self.at, path)
        self.at = found.end()
        return node

    def _down(self) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self._fault(f"nested deeper than {DEPTH_MAX} levels")

    def _object(self, path: Path) -> Node:
        self._down()
        node = Node("object", self.at, path, members=[])
        self.at += 1
        comma = True
        while True:
            first = self._space(path)
            if first == "}":
                if comma and node.members:
                    self._edit("TRAILING", path, "the comma before the close is none")
                self.at += 1
                break
            if not first or (first == "]" and self.lists):
                self._edit("MISSING_CLOSE", path, "the object closes here", "it closed earlier")
                break
            if first == ",":
                if comma and node.members:
                    self._edit("TRAILING", path, "a second comma is none")
                self.at += 1
                comma = True
                continue
            elided = _ELISION.match(self.text, self.at)
            if elided:
                node.members.append(("", "", self._elided((*path, "…"), elided)))
            elif not comma:
                raise self._fault("a comma is missing")
            else:
                self._member(node, path, first)
            comma = False
        self.depth -= 1
        return node

    def _member(self, node: Node, path: Path, first: str) -> None:
        """A member, or a value without a key, which joins the value before it in a list."""
        start, made = self.at, len(self.edits)
        if first in _CLOSERS:
            key = self._string(path)
            if self._space(path) == ":":
                name = _decode(key.raw)
                self.at += 1
                node.members.append((key.raw, name, self._value((*path, name))))
                return
            self.at = start
            del self.edits[made:]
        self._keyless(node, path)

    def _keyless(self, node: Node, path: Path) -> None:
        if not node.members or node.members[-1][2].kind in ("slot", "elided"):
            raise self._fault("a value stands where a key belongs")
        raw, name, before = node.members[-1]
        if not (before.kind == "list" and before.stripped):
            self._edit("KEYLESS_VALUE", (*path, name), "a list with the value before", offset=self.at)
            moved = _indexed(before, 0)
            before = Node("list", before.offset, (*path, name), items=[moved], stripped=True)
            node.members[-1] = (raw, name, before)
        before.items.append(self._value((*path, name, len(before.items))))

    def _list(self, path: Path) -> Node:
        self._down()
        node = Node("list", self.at, path, items=[])
        self.at += 1
        self.lists += 1
        comma = True
        while True:
            first = self._space(path)
            if first == "]":
                if comma and node.items:
                    self._edit("TRAILING", path, "the comma before the close is none")
                self.at += 1
                break
            if first in ("}", ""):
                self._edit("MISSING_CLOSE", path, "the list closes here", "it closed earlier")
                break
            if first == ",":
                if comma:
                    self._edit("TRAILING", path, "a comma without a value is none")
                self.at += 1
                comma = True
                continue
            if not comma and not _ELISION.match(self.text, self.at):
                raise self._fault("a comma is missing")
            node.items.append(self._value((*path, len(node.items))))
            comma = False
        self.depth -= 1
        self.lists -= 1
        return node

    def _string(self, path: Path) -> Node:
        start = self.at
        found = _STRING.match(self.text, start)
        if found:
            raw = self._sound(found[0], "\\u" in found[0])
            self.at = found.end()
            return Node("scalar", start, path, raw)
        return self._soft_string(path)

    def _sound(self, raw: str, doubtful: bool) -> str:
        """The text of a scalar, if it has a value: not half of a surrogate pair, no number beyond all numbers."""
        if doubtful:
            try:
                msgspec.json.decode(raw)
            except msgspec.DecodeError as error:
                raise self._fault(f"a value cannot be read: {error}") from error
        return raw

    def _soft_string(self, path: Path) -> Node:
        """A string with odd quotes around it, or with line breaks inside."""
        start = self.at
        opener = self.text[start]
        end = self._closing(start, _CLOSERS[opener])
        content = self.text[start + 1 : end]
        if _KEY_AFTER_WRAP.search(content):
            raise self._fault("a string is not closed")
        wraps, spaced = len(_WRAP.findall(content)), content
        if wraps > _WRAPS_MAX:
            raise self._fault("a string is not closed")
        if wraps:
            self._edit("HARD_WRAP", path, "the line break inside the string is none", "a space", offset=start)
            spaced, content = _WRAP.sub(" ", content), _WRAP.sub("", content)
        if opener != '"' or self.text[end] != '"':
            self._edit("SMART_QUOTE", path, "the quotes around it are plain ones", offset=start)
        self.at = end + 1
        return Node("scalar", start, path, self._raw(content), wraps=wraps, spaced=self._raw(spaced))

    def _closing(self, start: int, closers: str) -> int:
        at = start + 1
        while at < len(self.text):
            c = self.text[at]
            if c == "\\":
                at += 2
                continue
            if c in closers:
                return at
            at += 1
        raise self._fault("a string is not closed")

    def _raw(self, content: str) -> str:
        """The text of a string, as JSON: quotes and control characters escaped, odd escapes made plain."""
        content = re.sub(r"\\(?=[“”‘’'])", "", content)
        content = re.sub(r'(?<!\\)"', '\\"', content)
        raw = '"' + re.sub(r"[\b\f\t]", lambda m: _CONTROL[m[0]], content) + '"'
        if not _STRING.fullmatch(raw):
            raise self._fault("a string holds what no string may hold")
        return self._sound(raw, "\\u" in raw)


def _indexed(node: Node, index: int) -> Node:
    """The node as an item of the list that it turned out to belong to; inner paths keep their names."""
    return Node(
        node.kind,
        node.offset,
        (*node.path, index),
        node.raw,
        node.members,
        node.items,
        node.stripped,
        node.wraps,
        node.spaced,
    )


def value_of(node: Node, unknown: frozenset[Path], listed: frozenset[Path]) -> Any:
    """The value: slots as empty lists, what is unknown or elided left out, what is `listed` as a list of one."""
    if node.kind == "slot":
        return []
    if node.kind == "scalar":
        value = msgspec.json.decode(node.raw)
    elif node.kind == "object":
        shown = ((n, v) for _, n, v in node.members if v.kind != "elided" and v.path not in unknown)
        value = {name: value_of(v, unknown, listed) for name, v in shown}
    else:
        value = [value_of(v, unknown, listed) for v in node.items if v.kind != "elided"]
    return [value] if node.path in listed else value
