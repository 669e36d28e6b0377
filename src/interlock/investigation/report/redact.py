"""Names, phone numbers, mail addresses and ids of a log replaced by others of the same length, the same for the same.

It works on the text, before anything is parsed: a damaged document stays damaged in the same way, every body keeps its
length in characters and in bytes, and the proofs by `fullBodyLength` hold. Kept are times, revs, field names, event
names, enumerated words and the first four bytes of an ObjectId, which are its second and a witness of ours.

Without the key nobody gets from the new values to the old ones; with another key the new values are others.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

PERSONAL = (
    "name", "displayName", "firstName", "lastName", "middleName", "fullName", "givenName", "familyName", "userName",
    "username", "nickname", "callerName", "contactName", "customerName", "agentName", "subject", "preview", "snippet",
    "text", "title", "description", "summary", "note", "notes", "comment", "comments", "address", "street", "city",
    "company", "phone", "phoneNumber", "email", "content", "signature",
)  # fmt: skip
"""Members whose text is a person's, or may hold one's name."""

_IDENTIFIER = re.compile(r"event|[a-z][a-z0-9]*(?:[._:/-][a-z0-9]+)+")
"""Values of `name` that name an event or a service, and stay."""

_KEYS = "|".join(PERSONAL)
_SAID = rf'(?P<said>"(?:{_KEYS})"\s*:\s*")(?P<value>(?:[^"\\]|\\.)*)"'
_SAID_INSIDE = rf'(?P<said_inside>\\+"(?:{_KEYS})\\+"\s*:\s*\\+")(?P<value_inside>[^"\\]*)'
_MAIL = r"[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_UUID = r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])"
_HEX = r"(?<![0-9A-Za-z])[A-Z]{0,4}(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}(?![0-9A-Za-z])"
_DECIMAL = r"(?<![0-9A-Za-z.+-])\d{14,24}(?![0-9A-Za-z.])"
_PHONE = r"\+\d[\d ().-]{6,18}\d|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w.])"
_FOUND = f"(?P<mail>{_MAIL})|(?P<uuid>{_UUID})|(?P<hex>{_HEX})|(?P<decimal>{_DECIMAL})|(?P<phone>{_PHONE})"
_TOKEN = re.compile(_FOUND)
_ANYTHING = re.compile(f"(?i:{_SAID}|{_SAID_INSIDE})|{_FOUND}", re.DOTALL)
_WORD = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[^\W_]+", re.DOTALL)
_EPOCH_DIGITS = (16, 19)
"""Bare numbers of this length that begin with 1 are times in micro- or nanoseconds, and stay."""

_LATIN = [chr(c) for c in range(0xE0, 0xFF) if c != 0xF7]


class Redactor:
    """Replaces what is personal. The same key gives the same replacements.

    key    at least 16 bytes; keep it to find your own ids again, throw it away to make sure that nobody can
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._names: dict[str, str] = {}
        self._digits = lru_cache(65_536)(self._stream)

    def text(self, text: str) -> str:
        """A whole document. Names that it gives as values are also replaced where its prose repeats them."""
        out = self.line(text)
        for name, new in sorted(self._names.items(), key=lambda pair: -len(pair[0])):
            out = out.replace(name, new)
        return out

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Line by line, in constant memory; a name in prose is replaced only where a member says that it is one."""
        for line in lines:
            yield self.line(line)
            self._names.clear()

    def line(self, text: str) -> str:
        """Any piece of text that holds its members whole."""
        return _ANYTHING.sub(self._anything, text)

    def value(self, value: str) -> str:
        """An id, number or address on its own."""
        return _TOKEN.sub(self._found, value)

    def _anything(self, match: re.Match[str]) -> str:
        if match["said"] is not None:
            return match["said"] + self._said(match["value"]) + '"'
        if match["said_inside"] is not None:
            return match["said_inside"] + self._said(match["value_inside"])
        return self._found(match)

    def _said(self, value: str) -> str:
        """What a personal member holds: ids and numbers as everywhere, and every other word."""
        if _IDENTIFIER.fullmatch(value):
            return value
        parts: list[str] = []
        end = 0
        for found in _TOKEN.finditer(value):
            parts += [_WORD.sub(self._word, value[end : found.start()]), self._found(found)]
            end = found.end()
        new = "".join(parts) + _WORD.sub(self._word, value[end:])
        if " " in value and len(value) > 5:
            self._names[value] = new
        return new

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word[0] == "\\":
            return self._escape(word)
        numbers = self._digits("word:" + word.lower())
        return "".join(_like(c, numbers[i % len(numbers)]) for i, c in enumerate(word))

    def _escape(self, escape: str) -> str:
        if escape[1] != "u" or not chr(int(escape.removeprefix("\\u"), 16)).isalpha():
            return escape
        number = self._digits(escape)[0]
        code = ord(_LATIN[number % len(_LATIN)]) if escape[2:4] == "00" else 0x4E00 + number % 0x1000
        new = f"{code:04x}"
        return "\\u" + (new.upper() if escape[2:].isupper() else new)

    def _found(self, match: re.Match[str]) -> str:
        kind, value = match.lastgroup or "", match[0]
        makers: dict[str, Callable[[str], str]] = {
            "mail": self._mail, "uuid": self._uuid, "hex": self._hex, "decimal": self._decimal, "phone": self._phone
        }  # fmt: skip
        return makers[kind](value)

    def _mail(self, value: str) -> str:
        numbers = self._digits("mail:" + value.lower())
        stem, dot, top = value.rpartition(".")
        return "".join(_like(c, numbers[i % len(numbers)]) for i, c in enumerate(stem)) + dot + top

    def _uuid(self, value: str) -> str:
        kept = 13 if value[14] == "7" else 0
        numbers = self._digits("id:" + value.lower())
        return "".join(c if i < kept or i == 14 else _like_hex(c, numbers[i]) for i, c in enumerate(value))

    def _hex(self, value: str) -> str:
        prefix = len(value) - len(value.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        bare = value[prefix:]
        kept = 8 if len(bare) == 24 else 0
        numbers = self._digits("id:" + bare)
        new = "".join(c if i < kept else _like_hex(c, numbers[i % 64]) for i, c in enumerate(bare))
        # A number of digits only would no longer be told from a time.
        return value[:prefix] + (new if any(c > "9" for c in new) else "a" + new[1:])

    def _decimal(self, value: str) -> str:
        if len(value) == 24:
            return value[:8] + self._decimal("1" + value[8:])[1:]
        if len(value) in _EPOCH_DIGITS and value[0] == "1":
            return value
        numbers = self._digits("number:" + value)
        return value[0] + "".join(str(n % 10) for n in numbers[1 : len(value)])

    def _phone(self, value: str) -> str:
        bare = "".join(c for c in value if c.isdigit())
        numbers = iter(self._digits("phone:" + bare[-10:]))
        # From the right, so that a number with and without its country stays one number.
        return "".join(str(next(numbers) % 10) if c.isdigit() else c for c in reversed(value))[::-1]

    def _stream(self, value: str) -> tuple[int, ...]:
        """64 numbers below 65,536 that depend on the key and the value."""
        out = b""
        for n in range(2):
            out += hashlib.blake2b(value.encode("utf-8", "surrogatepass") + b"%d" % n, key=self._key).digest()
        return tuple(int.from_bytes(out[i : i + 2], "big") for i in range(0, 128, 2))


WHOLE_BYTES = 64 << 20
"""Up to here a document is taken as a whole, so that names in its prose are found; a longer one line by line."""


def redact_file(packed: BinaryIO, copy: Path, redactor: Redactor) -> None:
    """A redacted, unpacked copy of an input. Bytes that are no UTF-8 stay as they are."""
    from interlock.investigation.readers.source import Stream

    stream = Stream(packed)
    with io.TextIOWrapper(io.BufferedReader(stream), "utf-8", "surrogateescape", newline="") as text:
        begin = text.read(WHOLE_BYTES)
        with copy.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            if len(begin) < WHOLE_BYTES:
                out.write(redactor.text(begin))
                return
            rest = begin + text.readline()
            out.writelines(redactor.lines(rest.splitlines(keepends=True)))
            out.writelines(redactor.lines(text))


def _like(c: str, number: int) -> str:
    """A character of the same kind and length in UTF-8."""
    if c.isdigit() and c.isascii():
        return str(number % 10)
    if not c.isalpha():
        return c
    size = len(c.encode("utf-8", "surrogatepass"))
    if size == 1:
        new = chr(97 + number % 26)
    elif size == 2:
        new = _LATIN[number % len(_LATIN)]
    else:
        return chr((0x4E00 if size == 3 else 0x20000) + number % 0x4000)
    return new.upper() if c.isupper() and len(new.upper().encode()) == size else new


def _like_hex(c: str, number: int) -> str:
    if c not in "0123456789abcdefABCDEF":
        return c
    new = "0123456789abcdef"[number % 16]
    return new.upper() if c.isupper() else new
