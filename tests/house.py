"""The house rules, each a function over a source tree that returns what breaks it, as `file:line: what is wrong`.

They are functions, not tests, so that test_house.py can run each twice: on the project, where it must find nothing, and
on a small tree that is wrong on purpose, where it must bite.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
CODE_FOLDERS = ("src", "tests", "bench", "tools")
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}
ROOMS_WITH_A_CLOCK = {"runtime", "simulation", "cli"}
ROOMS_THAT_COMMIT = {"service", "store", "simulation", "bus"}
ROOMS_THAT_KNOW = {
    "apsw": {"store"},
    "sqlite3": {"store"},
    "asyncpg": {"store"},
    "nats": {"bus"},
    "uvicorn": {"runtime"},
    "holidays": {"service"},
}
PURE_ROOMS = {"domain": {"msgspec"}, "ports": {"msgspec"}, "service": {"msgspec", "holidays"}}
CLOCK_CALLS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "os": {"environ", "environb", "getenv", "putenv"},
}
SLEEPERS = {"time", "asyncio", "anyio", "trio"}
SKIPPED_FOLDERS = {".git", ".venv", "node_modules", "build", "dist", "__pycache__"}
ADR_HEADINGS = ("Status", "Context", "Decision", "Consequences")

# Written in pieces, so that this file does not break the rule that it states.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w./<>{}*-])/(?:work|root|home|Users)/(?=[\w.])")


def python_files(root: Path, *folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module below the folders (all code, if none is named), parsed."""
    for folder in folders or CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if not SKIPPED_FOLDERS & set(path.relative_to(root).parts):
                yield path, _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed: int) -> ast.Module:
    """One file, parsed once for all rules. Nobody changes the tree that is handed out."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def all_files(root: Path) -> Iterator[Path]:
    """What git keeps or would keep; in a tree without git, everything but the environment and build products."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [p for p in root.rglob("*") if not SKIPPED_FOLDERS & set(p.relative_to(root).parts)]
    yield from sorted(path for path in set(paths) if path.is_file())


def place(root: Path, path: Path, line: int = 1) -> str:
    """Where a finding is, in the form that editors open on a click."""
    return f"{path.relative_to(root)}:{line}"


def room(root: Path, path: Path) -> str:
    """The room of a module below src/interlock: a folder's name, or a lone module's."""
    parts = path.relative_to(root / "src").parts
    return parts[1].removesuffix(".py") if len(parts) > 1 else ""


def long_functions(root: Path) -> list[str]:
    """A function fits on one screen."""
    found = []
    for path, tree in python_files(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{place(root, path, node.lineno)}: {node.name} has {lines} lines")
    return found


def long_modules(root: Path) -> list[str]:
    """A module is read in one sitting."""
    found = []
    for path, _ in python_files(root):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES_MAX:
            found.append(f"{place(root, path)}: {lines} lines")
    return found


def vague_modules(root: Path) -> list[str]:
    """A module's name says what is in it."""
    found = []
    for path, _ in python_files(root):
        names = {part.removesuffix(".py").strip("_") for part in path.relative_to(root).parts}
        found += [f"{place(root, path)}: a module named {name}" for name in sorted(names & VAGUE_NAMES)]
    return found


def modules_without_docstring(root: Path) -> list[str]:
    """Every module says at its top what it is for."""
    return [f"{place(root, path)}: no docstring" for path, tree in python_files(root) if not ast.get_docstring(tree)]


def async_in_domain(root: Path) -> list[str]:
    """What is true needs no waiting."""
    waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found = []
    for path, tree in python_files(root, "src/interlock/domain"):
        for node in ast.walk(tree):
            if isinstance(node, waiting) or (isinstance(node, ast.comprehension) and node.is_async):
                found.append(f"{place(root, path, getattr(node, 'lineno', 1))}: async in domain")
    return found


def environment_and_clocks(root: Path) -> list[str]:
    """Only the runtime (with simulation and command line) reads the environment and a clock; others are given both."""
    found = []
    for path, tree in python_files(root, "src"):
        if room(root, path) in ROOMS_WITH_A_CLOCK:
            continue
        for node in ast.walk(tree):
            for owner, name in _names_used(node):
                if name in CLOCK_CALLS.get(owner, ()):
                    found.append(f"{place(root, path, getattr(node, 'lineno', 1))}: {owner}.{name} outside runtime")
    return found


def _names_used(node: ast.AST) -> list[tuple[str, str]]:
    """The (owner, name) pairs a node touches: `time.time`, `datetime.datetime.now`, `from os import environ`."""
    if isinstance(node, ast.Attribute):
        owner = node.value
        if isinstance(owner, ast.Name):
            return [(owner.id, node.attr)]
        if isinstance(owner, ast.Attribute):
            return [(owner.attr, node.attr)]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [(node.module, alias.name) for alias in node.names]
    return []


def sleeping_tests(root: Path) -> list[str]:
    """A test waits for a named signal or moves a virtual clock; only `sleep(0)`, which gives way, is allowed."""
    found = []
    for path, tree in python_files(root, "tests"):
        bare = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in SLEEPERS
            for alias in node.names
            if alias.name == "sleep"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_sleep(node.func, bare) and not _gives_way(node):
                found.append(f"{place(root, path, node.lineno)}: a test that sleeps")
    return found


def _is_sleep(called: ast.expr, bare: set[str]) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr == "sleep" and isinstance(called.value, ast.Name) and called.value.id in SLEEPERS
    return isinstance(called, ast.Name) and called.id in bare


def _gives_way(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def commits_elsewhere(root: Path) -> list[str]:
    """Only service commits: a decision reaches the store through the one door that decides again on a conflict.

    The bus writes its consumers' positions, which are marks and no decisions.
    """
    found = []
    for path, tree in python_files(root, "src"):
        if room(root, path) in ROOMS_THAT_COMMIT:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
                found.append(f"{place(root, path, node.lineno)}: commit outside service")
    return found


def foreign_imports(root: Path) -> list[str]:
    """The inner rooms import the standard library and msgspec only, service also `holidays`; a driver is known to its
    own room.
    """
    found = []
    for path, tree in python_files(root, "src"):
        here = room(root, path)
        for line, package in _imports(tree):
            if here not in ROOMS_THAT_KNOW.get(package, {here}):
                found.append(f"{place(root, path, line)}: {package} is for {', '.join(ROOMS_THAT_KNOW[package])} only")
            elif here in PURE_ROOMS and package not in PURE_ROOMS[here] | {"interlock"} | sys.stdlib_module_names:
                found.append(f"{place(root, path, line)}: {here} imports {package}")
    return found


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and top-level package of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module.split(".")[0]


def glossary(root: Path) -> dict[str, str]:
    """Refused synonym → the word to use, from the table of docs/glossary.md."""
    refused: dict[str, str] = {}
    for cells in table_rows(root / "docs" / "glossary.md"):
        if len(cells) == 3:
            for synonym in re.findall(r"`([^`]+)`", cells[2]):
                refused[synonym] = cells[0].strip("*` ")
    return refused


def synonyms(root: Path) -> list[str]:
    """One word for one thing: no module, class or function is named by a synonym that the glossary refuses."""
    refused = {tuple(words(synonym)): (synonym, word) for synonym, word in glossary(root).items()}
    found = []
    for path, tree in python_files(root, "src"):
        names = [(1, path.stem if path.stem != "__init__" else path.parent.name)]
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        names += [(node.lineno, node.name) for node in ast.walk(tree) if isinstance(node, defined)]
        for line, name in names:
            for synonym, word in _within(words(name), refused):
                found.append(f"{place(root, path, line)}: {name} says {synonym}; the word is {word}")
    return found


def words(identifier: str) -> list[str]:
    """The words of an identifier in snake or camel case, in lower case and without a plural s."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier)
    return [part.lower().removesuffix("s") for part in parts]


def _within(name: list[str], refused: dict[tuple[str, ...], tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for start in range(len(name)):
        for end in range(start + 1, len(name) + 1):
            if tuple(name[start:end]) in refused:
                yield refused[tuple(name[start:end])]


def addresses(root: Path) -> list[str]:
    """No file names a package registry or a path of one machine: the project installs the same everywhere."""
    found = []
    for path in all_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            hits = [host for host in REGISTRY_HOSTS if host in line]
            hits += [match.group() for match in MACHINE_PATH.finditer(line)]
            found += [f"{place(root, path, number)}: names {hit}" for hit in hits]
    return found


def markdown_prose(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines of a Markdown file that are no code block, without code spans."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "", line)


def broken_links(root: Path) -> list[str]:
    """A relative link in any Markdown file leads to a file that is there, and to a heading that is there."""
    found = []
    for path in all_files(root):
        if path.suffix != ".md":
            continue
        for number, line in markdown_prose(path):
            targets = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", line)
            targets += re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", line)
            targets += re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", line)
            for target in targets:
                if not re.match(r"[a-z][a-z0-9+.-]*:|//", target) and not _leads_somewhere(path, target):
                    found.append(f"{place(root, path, number)}: the link {target} leads nowhere")
    return found


def _leads_somewhere(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    goal = path.parent / name if name else path
    if not goal.exists():
        return False
    return not anchor or goal.suffix != ".md" or anchor in anchors(goal)


def anchors(path: Path) -> set[str]:
    """The names under which the headings of a Markdown file can be linked to."""
    fenced, found = False, set[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (heading := re.match(r"#{1,6}\s+(.*?)\s*#*$", line)):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
        found |= set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
    return found


def table_rows(path: Path) -> list[list[str]]:
    """The rows of the tables of a Markdown file, as cells, without heads and rules."""
    rows: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            rows.pop()
        else:
            rows.append(cells)
    return rows


def unchecked_rules(root: Path) -> list[str]:
    """Every row of the table in CONTRIBUTING.md names a check, and the check exists."""
    found = []
    rows = [cells for cells in table_rows(root / "CONTRIBUTING.md") if len(cells) == 2]
    if not rows:
        return ["CONTRIBUTING.md:1: no table of rules"]
    checks = Checks(root)
    for rule, checked_by in rows:
        named = re.findall(r"`([^`]+)`", checked_by)
        if not named:
            found.append(f"CONTRIBUTING.md:1: nothing checks the rule: {rule}")
        found += [f"CONTRIBUTING.md:1: there is no check {name}" for name in named if not checks.exists(name)]
    return found


class Checks:
    """The checks that a row may name: a test, a target of the Makefile, or a rule of one of the tools."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
        self.makefile = (root / "Makefile").read_text(encoding="utf-8")

    def exists(self, name: str) -> bool:
        """Is there such a check? `make x`, `ruff: x`, `import-linter: x`, `pyright: x`, `pytest: x`, `file::test`."""
        kind, _, rest = name.partition(": ")
        tests: dict[str, Callable[[str], bool]] = {
            "ruff": self._ruff,
            "import-linter": self._contract,
            "pyright": lambda path: path in self.tools.get("pyright", {}).get("strict", []),
            "pytest": lambda option: option in self.tools.get("pytest", {}).get("ini_options", {}),
        }
        if kind in tests:
            return tests[kind](rest)
        if name.startswith("make "):
            return re.search(rf"^{re.escape(name[5:])}:", self.makefile, re.MULTILINE) is not None
        return self._test(name)

    def _ruff(self, rule: str) -> bool:
        ruff = self.tools.get("ruff", {})
        lint = ruff.get("lint", {})
        chosen = any(rule.startswith(prefix) for prefix in lint.get("select", [])) and rule not in lint.get(
            "ignore", []
        )
        return chosen or rule in ruff

    def _contract(self, name: str) -> bool:
        return any(contract.get("id") == name for contract in self.tools.get("importlinter", {}).get("contracts", []))

    def _test(self, name: str) -> bool:
        file, _, function = name.partition("::")
        path = self.root / file
        if not function or not path.is_file():
            return False
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == function for n in ast.walk(tree))


def untidy_decisions(root: Path) -> list[str]:
    """Decision records are numbered without a gap, and each has its four headings."""
    folder = root / "docs" / "adr"
    found, numbers = [], []
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        number = re.match(r"(\d{4})-[a-z0-9-]+\.md$", path.name)
        if number is None:
            found.append(f"{place(root, path)}: the name is not 0000-some-words.md")
            continue
        numbers.append(int(number[1]))
        headings = re.findall(r"^## (\w+)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if tuple(headings) != ADR_HEADINGS:
            found.append(f"{place(root, path)}: the headings are {headings}, not {list(ADR_HEADINGS)}")
    if numbers != list(range(1, len(numbers) + 1)):
        found.append(f"docs/adr:1: the numbers are {numbers}")
    return found


RULES: tuple[Callable[[Path], list[str]], ...] = (
    long_functions,
    long_modules,
    vague_modules,
    modules_without_docstring,
    async_in_domain,
    environment_and_clocks,
    sleeping_tests,
    commits_elsewhere,
    foreign_imports,
    synonyms,
    addresses,
    broken_links,
    unchecked_rules,
    untidy_decisions,
)
