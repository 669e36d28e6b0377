"""Reading what came in: bodies and query strings into typed structs. The fast way stops at the first error; only then
the slow way looks at everything, so that an answer names all that is wrong at once.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from interlock.api.problems import Several
from interlock.domain.errors import Malformed, Problem, ReadOnlyField
from interlock.domain.record import Record

S = TypeVar("S", bound=msgspec.Struct)

SERVER_SET = frozenset(
    {
        "id",
        "type",
        "org",
        "ctx",
        "coupled",
        "unitRev",
        "isSync",
        "persist",
        "client",
        "sourceType",
        "sourceId",
        "createdAt",
        "updatedAt",
        "modifiedAt",
        "createdBy",
        "modifiedBy",
        "actor",
    }
)
DEPTH_MAX = 64
_QUOTED = re.compile(r"`([^`]+)`")


def read_only_of(kind: type[Record] | None, accepted: type[msgspec.Struct]) -> frozenset[str]:
    """The names that only the server sets in bodies of this kind."""
    own = {kind.outward(f) for f in kind.__struct_fields__} if kind else set[str]()
    return (SERVER_SET | own) - set(accepted.__struct_encode_fields__) - {"rev"}


class Body:
    """How bodies of one operation are read."""

    def __init__(self, type: type[msgspec.Struct], kind: type[Record] | None = None, wraps: str = "") -> None:
        self.type = type
        self._wraps = wraps.encode()
        self._read_only = read_only_of(kind, type)
        self._decode = msgspec.json.Decoder(type).decode

    def read(self, raw: bytes) -> Any:
        """The body. Raises `Malformed`, `ReadOnlyField` or `Several` of them."""
        if self._wraps and raw.lstrip()[:1] == b"[":
            raw = b'{"%s":%s}' % (self._wraps, raw)
        try:
            return self._decode(raw)
        except msgspec.ValidationError:
            raise self._everything(raw) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as broken:
            raise self._broken(raw, broken) from None

    def _broken(self, raw: bytes, broken: Exception) -> Problem:
        if not raw.strip():
            return Malformed("The body is empty; send a JSON object.", pointer="/")
        if isinstance(broken, RecursionError):
            return Malformed("The JSON is nested too deeply.", pointer="/")
        if isinstance(broken, UnicodeDecodeError) or "UTF-8" in str(broken):
            return Malformed("The body is not valid UTF-8.", pointer="/")
        return Malformed(f"The body is not JSON: {broken}.", pointer="/")

    def _everything(self, raw: bytes) -> Problem:
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as broken:
            return self._broken(raw, broken)
        if not isinstance(value, dict):
            return Malformed("Send one JSON object.", pointer="/")
        problems = list(problems_of(self.type, value, "", self._read_only))
        return one_of(problems) if problems else Malformed("The body does not have the expected form.", pointer="/")


def one_of(problems: list[Problem]) -> Problem:
    """One problem that stands for all of them."""
    return problems[0] if len(problems) == 1 else Several(problems[:50])


@lru_cache(512)
def _fields(type: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {f.encode_name: f for f in msgspec.structs.fields(type)}


def problems_of(
    type: type[msgspec.Struct], value: Mapping[str, Any], pointer: str, read_only: frozenset[str] = frozenset()
) -> Iterable[Problem]:
    """Everything that is wrong with an object: unknown and server-set members, missing ones, and bad values."""
    known = _fields(type)
    for name, given in value.items():
        at = f"{pointer}/{escape(name)}"
        if name in known:
            yield from _of_value(known[name].type, given, at)
        elif name in read_only:
            yield ReadOnlyField(f"Only the server sets {name}; leave it out.", pointer=at)
        else:
            yield unknown(name, known, at)
    for name, info in known.items():
        if info.required and name not in value:
            yield Malformed(f"{name} is missing.", pointer=pointer or "/", missing=name)


def unknown(name: str, known: Iterable[str], pointer: str) -> Malformed:
    """An unknown member, with the one that was probably meant."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]}?" if near else ""
    return Malformed(
        f"There is no field {name[:100]} here.{hint}", pointer=pointer, didYouMean=near[0] if near else None
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union, without what wraps them."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(m for a in get_args(annotation) for m in _members(a))
    return (annotation,)


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _of_value(annotation: Any, value: Any, pointer: str) -> Iterable[Problem]:
    members = _members(annotation)
    struct = next((m for m in members if _is_struct(m)), None)
    if struct is not None and isinstance(value, dict):
        yield from problems_of(struct, value, pointer)
        return
    listed = next((m for m in members if get_origin(m) in (tuple, list)), None)
    if listed is not None and isinstance(value, list) and _is_struct(get_args(listed)[0]):
        inside = [p for n, entry in enumerate(value) for p in _of_value(get_args(listed)[0], entry, f"{pointer}/{n}")]
        if inside:
            yield from inside
            return
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as wrong:
        yield _wrong(members, value, pointer, str(wrong))
    except (RecursionError, ValueError):
        yield Malformed("This value cannot be read.", pointer=pointer)


def _wrong(members: tuple[Any, ...], value: Any, pointer: str, message: str) -> Malformed:
    said, _, where = message.partition(" - at ")
    inside = _pointer(where.strip("`").removeprefix("$")) if where else ""
    allowed = [word for m in members if get_origin(m) is Literal for word in get_args(m)]
    if allowed and isinstance(value, str):
        near = difflib.get_close_matches(value, [str(a) for a in allowed], n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]}?" if near else ""
        return Malformed(
            f"{value[:100]!r} is not one of {', '.join(map(str, allowed))}.{hint}", pointer=pointer, allowed=allowed
        )
    return Malformed(f"{_QUOTED.sub(_word, said)}.", pointer=pointer + inside)


_WORDS = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "float": "a number",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _word(quoted: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(part.strip(), part.strip()) for part in quoted[1].split("|"))


def _pointer(path: str) -> str:
    return "".join(f"/{escape(a or b)}" for a, b in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path))


def escape(name: str) -> str:
    """A member's name inside a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")[:200]


def shallow(value: Any, depth: int = 0) -> bool:
    """Whether free-form content is nested no deeper than we keep."""
    if depth > DEPTH_MAX:
        return False
    if isinstance(value, dict):
        known: dict[str, Any] = value
        return all(shallow(v, depth + 1) for v in known.values())
    return all(shallow(v, depth + 1) for v in value) if isinstance(value, list) else True


class QueryString:
    """How query strings are read. `strict`: unknown parameters are an error (never on the reference's operations)."""

    def __init__(self, type: type[msgspec.Struct], *, strict: bool) -> None:
        self.type = type
        self.strict = strict
        self.default = type()
        self._fields = _fields(type)

    def read(self, raw: bytes) -> Any:
        """The parameters. Raises `Malformed` or `Several`."""
        if not raw:
            return self.default
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
        except (ValueError, UnicodeDecodeError):
            raise Malformed("The query string cannot be read.") from None
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, text in pairs:
            info = self._fields.get(name)
            if info is None:
                if self.strict:
                    near = difflib.get_close_matches(name, list(self._fields), n=1, cutoff=0.6)
                    hint = f" Did you mean {near[0]}?" if near else ""
                    problems.append(Malformed(f"There is no parameter {name[:100]} here.{hint}", parameter=name[:100]))
                continue
            try:
                values[info.name] = msgspec.convert(text, info.type, strict=False)
            except msgspec.ValidationError as wrong:
                refused = _wrong(_members(info.type), text, "", str(wrong))
                problems.append(Malformed(refused.detail, parameter=name, **refused.meta))
        if problems:
            raise one_of(problems)
        return self.type(**values)
