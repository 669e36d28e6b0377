"""Configuration files into values, each with the file and line it came from, so that every complaint says where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from interlock.cli.configuration.nouns import Noun, all_nouns
from interlock.cli.failure import USAGE, Failure

FILE_MAX = 10_000_000
NODES_MAX = 500_000
DEPTH_MAX = 64
NEXT = "interlock export shows what such files look like"


class _Loader(yaml.SafeLoader):
    """Plain values only: a date stays the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record as the files want it: what is said of it, where it stands, and where each field does."""

    noun: Noun
    values: Mapping[str, Any]
    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def at(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"

    def at_field(self, name: str) -> str:
        """`file:line` of one field."""
        return f"{self.file}:{self.lines.get(name, self.line)}"


Wanted = dict[str, list[Entry]]
"""Entries by section; a section that no file has is not there, and is left alone."""


def read(place: Path) -> Wanted:
    """Every file of a folder, or one file; `-` is standard input. Raises `Failure` with all that is wrong."""
    found: Wanted = {}
    wrong: list[str] = []
    for name, text in _texts(place):
        try:
            for section, entries in _document(name, text, wrong):
                found.setdefault(section, []).extend(entries)
        except yaml.YAMLError as broken:
            mark = getattr(broken, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            wrong.append(f"{name}:{line}: this is no YAML: {getattr(broken, 'problem', None) or broken}")
        except _Wrong as told:
            wrong.append(str(told))
    if wrong:
        more = f" (and {len(wrong) - 20} more)" if len(wrong) > 20 else ""
        raise Failure("the configuration cannot be used", "\n        ".join(wrong[:20]) + more, NEXT, code=USAGE)
    return found


def names_people(wanted: Wanted) -> bool:
    """Whether a file says who is in a team."""
    return any("members" in entry.values for entry in wanted.get("teams", ()))


class _Wrong(Exception):
    """One complaint that ends the reading of a file."""


def _texts(place: Path) -> Iterable[tuple[str, str]]:
    if str(place) == "-":
        import sys

        yield "-", sys.stdin.read(FILE_MAX)
        return
    if not place.exists():
        raise Failure(f"there is no {place}", next="-f DIR with the files that interlock export wrote", code=USAGE)
    files = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.suffix in (".yaml", ".yml"))
    if not files:
        raise Failure(f"{place} holds no YAML files", next=NEXT, code=USAGE)
    for file in files:
        if file.stat().st_size > FILE_MAX:
            raise Failure(f"{file} is larger than {FILE_MAX} bytes", code=USAGE)
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as why:
            raise Failure(f"{file} cannot be read", str(why), code=USAGE) from None


def _document(file: str, text: str, wrong: list[str]) -> Iterable[tuple[str, list[Entry]]]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        reader = _Reader(file, loader)
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise _Wrong(f"{file}:1: a file holds sections: {', '.join(n.section for n in all_nouns())}")
        known = {n.section: n for n in all_nouns()}
        for key, line, value in reader.members(root):
            if key not in known:
                wrong.append(f"{file}:{line}: there is no section {key}.{near(key, known)}")
            else:
                yield key, _entries(reader, known[key], value, line, wrong)
    finally:
        loader.dispose()


def _entries(reader: _Reader, noun: Noun, node: yaml.Node, line: int, wrong: list[str]) -> list[Entry]:
    if noun.single:
        nodes = [node]
    elif isinstance(node, yaml.SequenceNode):
        nodes = cast("list[yaml.Node]", node.value)
    elif isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
        nodes = []
    else:
        wrong.append(f"{reader.file}:{line}: {noun.section} is a list")
        return []
    return [e for n in nodes if (e := _entry(reader, noun, n, wrong)) is not None]


def _entry(reader: _Reader, noun: Noun, node: yaml.Node, wrong: list[str]) -> Entry | None:
    at = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        wrong.append(f"{reader.file}:{at}: a {noun.title} is written as `field: value` lines")
        return None
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, line, value in reader.members(node):
        if key not in noun.fields:
            wrong.append(f"{reader.file}:{line}: a {noun.title} has no {key}.{near(key, noun.fields)}")
            continue
        values[key], lines[key] = reader.value(value), line
    if noun.identity and not noun.names(values)[1]:
        wrong.append(f"{reader.file}:{at}: this {noun.title} has no {' or '.join(noun.identity)}")
        return None
    return Entry(noun=noun, values=values, file=reader.file, line=at, lines=lines)


class _Reader:
    """Nodes into plain values, within bounds: aliases may neither go round nor multiply without end."""

    def __init__(self, file: str, loader: _Loader) -> None:
        self.file, self._loader, self._nodes = file, loader, 0

    def members(self, node: yaml.MappingNode) -> Iterable[tuple[str, int, yaml.Node]]:
        """The members of a mapping with the line of each; merged ones (`<<`) included."""
        self._loader.flatten_mapping(node)
        seen: set[str] = set()
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            name, line = str(key.value), key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _Wrong(f"{self.file}:{line}: a name is plain text")
            if name in seen:
                raise _Wrong(f"{self.file}:{line}: {name} is said twice")
            seen.add(name)
            yield name, line, value

    def value(self, node: yaml.Node, depth: int = 0) -> Any:
        """What stands there."""
        self._nodes += 1
        line = node.start_mark.line + 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise _Wrong(f"{self.file}:{line}: too much is nested here, or an alias goes round")
        if isinstance(node, yaml.MappingNode):
            return {name: self.value(v, depth + 1) for name, _, v in self.members(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(v, depth + 1) for v in cast("list[yaml.Node]", node.value)]
        found = self._loader.construct_object(node)
        if not isinstance(found, str | int | float | bool | None):
            raise _Wrong(f"{self.file}:{line}: only text, numbers, true, false and null can stand here")
        return found


def near(word: str, known: Iterable[str]) -> str:
    """The hint at what may have been meant."""
    names = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), list(names), n=1)
    return f" Did you mean {names[found[0]]}?" if found else f" There are: {', '.join(sorted(names.values()))}."


def labelled(entries: Sequence[Any]) -> list[tuple[str, Any]]:
    """Each with its label: the key, or the name; the second of one name is `name#2`. `entries` have noun and values."""
    taken: set[str] = set()
    out: list[tuple[str, Any]] = []
    for entry in entries:
        field_, value = entry.noun.names(entry.values) if entry.noun.identity else ("", "")
        base = value if len(entry.noun.identity) < 2 or field_ == entry.noun.identity[0] else f"name:{value}"
        label, n = base, 1
        while label in taken:
            n += 1
            label = f"{base}#{n}"
        taken.add(label)
        out.append((label, entry))
    return out
