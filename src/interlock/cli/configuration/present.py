"""The configuration that a server has, read through its API: every section, with ids and revs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.cli.configuration.nouns import USERS, Noun, all_nouns
from interlock.cli.configuration.reading import labelled
from interlock.cli.connection import Connection


@dataclass(frozen=True, kw_only=True)
class Held:
    """One record as the server has it. `values` holds every writable field; ids of other records are labels there."""

    noun: Noun
    id: str
    rev: int
    values: Mapping[str, Any]
    created_at: str = ""
    system: bool = False
    archived: bool = False


class Present:
    """What a server has: records by section and label, and the way from labels to ids and back."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Held]] = {n.section: {} for n in all_nouns()}
        self.ids: dict[str, dict[str, str]] = {section: {} for section in (*self.records, USERS)}
        """By section: label → id. Grows while a plan is carried out."""

    def label(self, section: str, id: Any) -> Any:
        """The label of a record; an id that is not known here stays as it is."""
        return next((name for name, known in self.ids[section].items() if known == id), id)


def look(connection: Connection, only: frozenset[str] = frozenset()) -> Present:
    """Ask a server for everything, or for these sections only."""
    out = Present()
    for noun in all_nouns():
        if only and noun.section not in only:
            continue
        found = [_held(noun, resource, out) for resource in _resources(connection, noun)]
        if not noun.ordered:
            found.sort(key=lambda h: (h.archived, h.created_at, h.id))
        for label, held in labelled(found):
            out.records[noun.section][label] = held
            out.ids[noun.section][label] = held.id
    return out


def look_at_people(connection: Connection, present: Present) -> None:
    """Ask for the users too, and call members of teams by mail address, or by name where they have none.

    What two of them share names nobody: neither of them can be meant by it.
    """
    found = [(r["id"], r["attributes"]) for r in _pages(connection, "/v1/users", {"pageSize": 500})]
    called = [(str(a.get("email") or a.get("name") or id), id) for id, a in found]
    often = Counter(name for name, _ in called)
    present.ids[USERS] = {name: id for name, id in called if often[name] == 1}
    for label, held in present.records["teams"].items():
        members = [present.label(USERS, id) for id in held.values.get("members") or ()]
        present.records["teams"][label] = replace(held, values={**held.values, "members": members})


def _resources(connection: Connection, noun: Noun) -> Iterator[Any]:
    if noun.single:
        yield connection.get(noun.path).json()["data"]
    elif noun.ordered:
        yield from connection.get(noun.path).json()["data"]
    else:
        yield from _pages(connection, noun.path, {**noun.query, "pageSize": 100})


def _pages(connection: Connection, path: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
    page = 1
    while page:
        document = connection.get(path, **parameters, page=page).json()
        yield from document["data"]
        page = page + 1 if document["links"].get("next") else 0


def _held(noun: Noun, resource: Mapping[str, Any], known: Present) -> Held:
    attributes, related = resource["attributes"], resource["relationships"]
    values: dict[str, Any] = {}
    for name in noun.fields:
        section = noun.refs.get(name)
        if name in noun.inner:
            member, other = noun.inner[name]
            values[name] = [{**each, member: known.label(other, each[member])} for each in attributes.get(name) or ()]
        elif section is None:
            found = attributes.get(name)
            values[name] = {k: v for k, v in found.items() if v} if name == "criteria" else found
        elif name in related:
            values[name] = known.label(section, related[name]["data"]["id"])
        else:
            found = attributes.get(name)
            values[name] = [known.label(section, i) for i in found] if isinstance(found, list) else found
    return Held(
        noun=noun, id=resource["id"], rev=attributes["rev"], values=values, created_at=attributes["createdAt"],
        system=bool(attributes.get("system")), archived=bool(attributes.get("archived")),
    )  # fmt: skip
