"""Repairs a damaged block, says what was assumed where, and proves the whole by the length that the log carries.

A length proves nothing by itself: `""` is as long as `[]`. So values are chosen by what the file shows of its fields,
and the length must then fit exactly, with no second choice that fits too.

    A  proved: the compact serialisation of the repaired body has the declared length, and nothing else would
    B  no length, but every edit follows from the grammar, from the file's own fields or from a neighbour
    C  something was guessed: by name, or against a length that does not fit
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from interlock.investigation.finding import Repair
from interlock.investigation.observation import Grade, Place
from interlock.investigation.schema import Schema, field_of, place_of
from interlock.investigation.tolerant import Edit, Node, Path, Tree, Unreadable, parse, value_of

LENGTHS = {"fullBodyLength": "body"}
"""Members that declare how long the compact serialisation of the member beside them is."""

STRIPPED_BYTES_MIN = 200
"""From this size on, a block without a single bracket has lost them; a shorter one may never have had any."""

CHOICES_MAX = 4_096
"""Choices looked at before the search gives up and proves nothing."""

WRAPS_MAX = 8
"""Line breaks inside strings, of which any may have been a space; a block with more of them proves nothing."""

MEASURED_MIN = 3
"""Blocks that have to differ in their text before they show how lengths are counted."""

Proof = Literal["proven", "unproven", "none"]
Witness = Callable[[Path], Any]
"""What a neighbour says the value at a path is; `...` where it says nothing."""


class Repaired(msgspec.Struct):
    """A readable value: `value`, how far to trust it, what was done, and which fields stay unknown."""

    value: Any
    grade: Grade
    repairs: tuple[Repair, ...] = ()
    unknown: frozenset[str] = frozenset()


class Choice(NamedTuple):
    """Which groups of values were lists of one, and how many line breaks had been spaces."""

    listed: frozenset[str]
    spaces: int
    guessed: bool = False


class Block:
    """A block on its way: parsed, with its candidates; solved once the file's fields are learnt."""

    def __init__(self, text: str, place: Place, *, indent: int = 0) -> None:
        self.tree: Tree = parse(text)
        self.place = place
        self.indent = indent
        self.target, self.declared = _declared(self.tree.root)
        kinds = {edit.kind for edit in self.tree.edits}
        self.elided = "ELISION" in kinds
        self.cut = "MISSING_CLOSE" in kinds
        bare = "[" not in text and "]" not in text
        self.stripped = bare and (len(text) >= STRIPPED_BYTES_MIN or "KEYLESS_VALUE" in kinds)
        self.missing = self._missing()
        self.choice: Choice | None = None
        self.proven = False
        self.fits = False
        self._how: dict[str, str] = {}

    def _missing(self) -> dict[str, int]:
        if self.target is None or self.declared is None:
            return {}
        if self.tree.text.isascii():
            return dict.fromkeys(_MEASURES, self.declared - length_of(self.target, len))
        return {name: self.declared - length_of(self.target, measure) for name, measure in _MEASURES.items()}

    @property
    def damaged(self) -> bool:
        """Whether anything had to be edited, or the declared length says that something is missing."""
        return bool(self.tree.edits) or (self.stripped and bool(self.residuals()) and 0 not in self.residuals())

    def residuals(self) -> list[int]:
        """Characters missing to the declared length, for each way to count them that may be meant (ASCII: one way)."""
        return sorted(set(self.missing.values()))

    def learn(self, schema: Schema) -> None:
        """Teaches the schema what this block shows for sure."""
        if self.damaged or self.stripped:
            (schema.learn_slots if self.stripped else schema.learn_lists)(self.tree.root)
        else:
            schema.learn(value_of(self.tree.root, frozenset(), frozenset()))
            fitting = [name for name, missing in self.missing.items() if missing == 0]
            schema.measure = fitting[0] if len(fitting) == 1 else schema.measure

    def solve(self, schema: Schema) -> bool:
        """Chooses which values were lists of one. Says whether the schema learnt something from it."""
        if self.proven or not (self.damaged or self.stripped):
            return False
        if schema.measure and self.missing:
            self.missing = {schema.measure: self.missing[schema.measure]}
        groups = _groups(self.target or self.tree.root, schema) if self.stripped else {}
        self._how = {where: how for where, (_, how) in groups.items()}
        self.choice, sure = _choose(groups, self.residuals(), _wraps(self.target))
        self.fits = sure
        self.proven = (
            sure
            and len(self.residuals()) == 1
            and not self.elided
            and not self.cut
            and not self._doubtful_slots(schema)
        )
        if not self.proven:
            return False
        news = False
        for place, (nodes, _) in groups.items():
            news |= schema.settle(nodes[0].path, "list" if place in self.choice.listed else "scalar")
        return news

    def sure_by(self, measure: str, schema: Schema) -> bool:
        """Whether exactly one choice fits, if lengths are counted in this way."""
        groups = _groups(self.target or self.tree.root, schema) if self.stripped else {}
        return _choose(groups, [self.missing[measure]], _wraps(self.target))[1]

    def _doubtful_slots(self, schema: Schema) -> bool:
        return not self.stripped and any(
            e.kind == "EMPTY_SLOT" and schema.is_list(e.path) is not True for e in self.tree.edits
        )

    def result(self, schema: Schema, witness: Witness | None = None) -> Repaired:
        """The value with its grade; call after `solve`."""
        if not self.damaged and not (self.choice and self.choice.listed):
            grade: Grade = "A" if self.declared is None or 0 in self.residuals() else "B"
            return Repaired(value_of(self.tree.root, frozenset(), frozenset()), grade)
        choice = self.choice or Choice(frozenset(), 0)
        listed = [n for n in _candidates(self.tree.root) if self.stripped and self._is_listed(n, choice, schema)]
        self._put_spaces(choice)
        unknown, filled = self._decide_slots(schema, witness)
        unknown |= self._undecided(choice, schema)
        proof: Proof = "none" if self.declared is None else "proven" if self.proven else "unproven"
        repairs = [self._repair(e, proof, unknown) for e in self.tree.edits]
        repairs += [
            self._repair(_listing(n, self._how.get(place_of(n.path)) or schema.likelihood(n)), proof, unknown)
            for n in listed
        ]
        repairs.sort(key=lambda r: (r.place.line, r.column))
        value = value_of(self.tree.root, unknown, frozenset(n.path for n in listed))
        _fill(value, filled)
        fields = {field_of(p) for p in unknown}
        fields |= {field_of(e.path) for e in self.tree.edits if e.kind == "ELISION"}
        return Repaired(value, self._grade(choice, schema, unknown), tuple(repairs), frozenset(fields))

    def _is_listed(self, node: Node, choice: Choice, schema: Schema) -> bool:
        if self.declared is not None and _inside(node.path, self.target):
            return place_of(node.path) in choice.listed
        return schema.likelihood(node) in ("list", "likely")

    def _put_spaces(self, choice: Choice) -> None:
        """Line breaks that had been spaces become spaces: all or none, else the length has not decided."""
        if choice.spaces:
            for edit in self.tree.edits:
                if edit.kind == "HARD_WRAP":
                    edit.assumed, edit.alternatives = "the line break inside the string was a space", ("nothing",)
            _respace(self.tree.root)

    def _decide_slots(self, schema: Schema, witness: Witness | None) -> tuple[frozenset[Path], dict[Path, Any]]:
        """Paths whose value nothing decides, and values that a neighbour gives."""
        unknown: set[Path] = set()
        filled: dict[Path, Any] = {}
        for edit in self.tree.edits:
            if edit.kind != "EMPTY_SLOT" or self.proven:
                continue
            said = witness(edit.path) if witness else ...
            if said is not ...:
                filled[edit.path] = said
                edit.assumed = f"as its neighbour says: {_short(said)}"
            elif not self.stripped and schema.is_list(edit.path) is not True:
                unknown.add(edit.path)
                edit.assumed = "unknown"
        return frozenset(unknown), filled

    def _undecided(self, choice: Choice, schema: Schema) -> frozenset[Path]:
        """Values of which the length says that some were lists of one, and nothing says which."""
        if self.proven or self.declared is None or not self.stripped or not any(r > 0 for r in self.residuals()):
            return frozenset()
        if self.fits:
            return frozenset()
        unsure = [n for n in _candidates(self.target) if schema.likelihood(n) in ("list", "likely", "plural")]
        return frozenset(n.path for n in unsure if place_of(n.path) not in choice.listed or choice.guessed)

    def _repair(self, edit: Edit, proof: Proof, unknown: frozenset[Path]) -> Repair:
        line, column = self.tree.position(edit.offset)
        assumed = "unknown" if edit.path in unknown else edit.assumed
        inside = proof != "proven" or _inside(edit.path, self.target) or edit.kind == "TRAILING"
        return Repair(
            place=Place(self.place.input, self.place.line + line - 1, self.place.offset),
            kind=edit.kind,
            assumed=assumed,
            proof=proof if inside else "unproven",
            path=".".join(map(str, edit.path)),
            column=column + self.indent,
            alternatives=edit.alternatives,
        )

    def _grade(self, choice: Choice, schema: Schema, unknown: frozenset[Path]) -> Grade:
        if self.proven:
            return "A"
        if choice.guessed or unknown or not (self.fits or self.declared is None):
            return "C"
        if self.fits:
            return "B"
        guessed = any(schema.likelihood(n) == "likely" for n in _candidates(self.tree.root)) and self.stripped
        wrapped = any(e.kind == "HARD_WRAP" for e in self.tree.edits)
        return "C" if guessed or wrapped else "B"


def repair(text: str, place: Place, schema: Schema | None = None) -> Repaired:
    """One block by itself. Raises `Unreadable`."""
    block, known = Block(text, place), schema or Schema()
    if schema is None:
        block.learn(known)
    block.solve(known)
    return block.result(known)


def settle(blocks: list[Block], schema: Schema, rounds: int = 3) -> None:
    """Learns from all blocks of a file and solves them; what one proves, the next may rest on."""
    for block in blocks:
        block.learn(schema)
    for _ in range(rounds):
        news = [block.solve(schema) for block in blocks]
        if not any(news) and not _measured(blocks, schema):
            return


def _measured(blocks: list[Block], schema: Schema) -> bool:
    """Learns how lengths are counted: one way explains every block whose text is not ASCII, no other explains any.

    Blocks of one record repeat its text, so they must differ in how many characters more than one byte long they have.
    """
    unsure = [b for b in blocks if len(b.residuals()) > 1]
    if schema.measure or len({b.missing["characters"] - b.missing["bytes"] for b in unsure}) < MEASURED_MIN:
        return False
    sure = {name: sum(b.sure_by(name, schema) for b in unsure) for name in _MEASURES}
    fitting = [name for name, count in sure.items() if count == len(unsure)]
    if len(fitting) == 2 and all(b.missing[fitting[0]] == b.missing[fitting[1]] for b in unsure):
        fitting.pop()
    if len(fitting) != 1:
        return False
    schema.measure = fitting[0]
    return True


_MEASURES: dict[str, Callable[[str], int]] = {
    "characters": len,
    "bytes": lambda s: len(s.encode("utf-8", "surrogatepass")),
    "utf-16": lambda s: len(s.encode("utf-16-le", "surrogatepass")) // 2,
}


def length_of(node: Node, measure: Callable[[str], int]) -> int:
    """How long the compact serialisation of a node is, a slot counting as an empty list."""
    if node.kind == "scalar":
        return measure(node.raw)
    if node.kind == "object":
        inner = sum(measure(raw) + 1 + length_of(v, measure) for raw, _, v in node.members)
        return 2 + inner + max(0, len(node.members) - 1)
    if node.kind == "list":
        return 2 + sum(length_of(v, measure) for v in node.items) + max(0, len(node.items) - 1)
    return 2


def _declared(root: Node) -> tuple[Node | None, int | None]:
    members = {name: node for _, name, node in root.members}
    for name, beside in LENGTHS.items():
        declared, target = members.get(name), members.get(beside)
        if declared and target and declared.raw.isdecimal() and len(declared.raw) < 12:
            return target, int(declared.raw)
    return None, None


def _candidates(node: Node | None) -> Iterator[Node]:
    """Every value that may have been a list of one."""
    if node is None:
        return
    for _, _, inner in node.members:
        if inner.kind in ("scalar", "object"):
            yield inner
        yield from _candidates(inner)
    for inner in node.items:
        yield from _candidates(inner)


def _groups(node: Node, schema: Schema) -> dict[str, tuple[list[Node], str]]:
    """Candidates by field, with how likely the field is a list; a field is one everywhere or nowhere."""
    groups: dict[str, tuple[list[Node], str]] = {}
    for candidate in _candidates(node):
        if candidate.raw in ("null", "true", "false"):
            continue
        place = place_of(candidate.path)
        if place in groups:
            groups[place][0].append(candidate)
        else:
            groups[place] = ([candidate], schema.likelihood(candidate))
    return groups


def _wraps(node: Node | None) -> int:
    if node is None:
        return 0
    inner = [v for _, _, v in node.members] + node.items
    return node.wraps + sum(map(_wraps, inner))


def _choose(groups: dict[str, tuple[list[Node], str]], residuals: list[int], wraps: int) -> tuple[Choice, bool]:
    """What fits the missing characters, and whether nothing else does.

    Fields that the file shows as lists are in. Names known for lists join all, or none where the length has no room for
    them; some of them, or plural names, are a guess.
    """
    certain = frozenset(p for p, (_, how) in groups.items() if how == "list")
    likely = {p: len(nodes) for p, (nodes, how) in groups.items() if how == "likely"}
    plural = {p: len(nodes) for p, (nodes, how) in groups.items() if how == "plural"}
    if not residuals:
        return Choice(certain | likely.keys(), 0), False
    weight = sum(len(groups[p][0]) for p in certain)
    wanted = {(r - spaces, spaces) for r in residuals for spaces in range(wraps + 1 if wraps <= WRAPS_MAX else 0)}
    wanted = {((r // 2) - weight, spaces) for r, spaces in wanted if r % 2 == 0 and (r // 2) >= weight}
    fits = [Choice(certain | more, s) for need, s in wanted for more in _subsets(likely, need)]
    if len(fits) == 1 and fits[0].spaces in (0, wraps):
        return fits[0], fits[0].listed in (certain, certain | likely.keys())
    if not fits:
        fits = [Choice(certain | more, s, True) for need, s in wanted for more in _subsets(likely | plural, need)]
        if len(fits) == 1:
            return fits[0], False
    return Choice(certain, 0, True), False


def _subsets(weights: dict[str, int], need: int) -> list[frozenset[str]]:
    """At most two sets of fields with exactly this weight: one is a solution, two are none."""
    if need == 0:
        return [frozenset()]
    names = sorted(weights)
    left = [0] * (len(names) + 1)
    for i in range(len(names) - 1, -1, -1):
        left[i] = left[i + 1] + weights[names[i]]
    found: list[frozenset[str]] = []
    todo: list[tuple[int, int, frozenset[str]]] = [(0, need, frozenset())]
    steps = 0
    while todo and len(found) < 2:
        steps += 1
        if steps > CHOICES_MAX:
            return [frozenset(), frozenset(names)]
        at, rest, taken = todo.pop()
        if rest == 0:
            found.append(taken)
        elif rest > 0 and at < len(names) and left[at] >= rest:
            todo.append((at + 1, rest, taken))
            todo.append((at + 1, rest - weights[names[at]], taken | {names[at]}))
    return found


def _listing(node: Node, how: str) -> Edit:
    reasons = {"list": "the field is a list elsewhere in the file", "likely": "its name is known for a list"}
    why = reasons.get(how, "its name is a plural")
    return Edit("STRIPPED_LIST", node.offset, node.path, f"a list of one: {why}", ("the value itself",))


def _inside(path: Path, target: Node | None) -> bool:
    return target is not None and path[: len(target.path)] == target.path


def _respace(node: Node) -> None:
    if node.wraps:
        node.raw = node.spaced
    for inner in (*(v for _, _, v in node.members), *node.items):
        _respace(inner)


def _fill(value: Any, filled: dict[Path, Any]) -> None:
    for path, said in filled.items():
        inner = value
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = said


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:40]


__all__ = ["Block", "Repaired", "Unreadable", "length_of", "repair", "settle"]
