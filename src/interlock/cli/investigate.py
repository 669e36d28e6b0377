"""`interlock investigate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from interlock.cli import following, output
from interlock.cli.failure import DONE, FAILED, FOUND, INTERRUPTED, USAGE, Failure
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.investigation.finding import History
    from interlock.investigation.investigate import Report
    from interlock.investigation.mapping import Mapping

IN_MEMORY_BYTES = 8 << 20
PROGRESS_AFTER_S = 0.5
TIMELINES_MAX = 200
PIPE_WIDTH = 140
WHOLE = ("--report", "--sarif", "--perfetto", "--emit-test", "--redact", "--redacted", "--engine")
"""Options that work on a log that has an end."""
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def investigate(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)], format: str | None = None,
    map: Path | None = None, report: Path | None = None, json: Json = False,
    sarif: Path | None = None, perfetto: Path | None = None,
    emit_test: Annotated[Path | None, Parameter(name="--emit-test")] = None, redact: bool = False,
    redacted: Path | None = None, follow: bool = False, memory: str = "128M",
    engine: Literal["auto", "memory", "files", "spark"] = "auto", master: str | None = None,
) -> int:  # fmt: skip
    """Which write did the harm, from which stale read: from logs of any system that counts revisions.

    Example: interlock investigate incident.md --report incident.html

    Parameters
    ----------
    paths
        Files, folders, globs, or - for standard input; plain, gzip or zstd; several formats at once.
    format
        The format of all inputs, where it is not told right: json-lines, json, incident-document, csv …
    map
        A YAML file that says where record, id, rev, before and after are, for a format that nobody foresaw.
    report
        Write the report to FILE.html (one page, with the timeline) or FILE.md.
    sarif
        Write the findings as SARIF 2.1.0.
    perfetto
        Write the timelines as a trace for the Perfetto viewer.
    emit_test
        Write a test into this folder that replays the lost assignment against Interlock.
    redact
        Replace names, phone numbers, mail addresses and ids by others of the same length, before anything is read.
    redacted
        Keep the redacted inputs in this folder, to share them. Implies --redact.
    follow
        Go on as files grow, a running server writes (http://…), or anybody publishes on NATS (nats://HOST:PORT/SUBJECT):
        each finding once, within a second of its write.
    memory
        What the rows of a big log may take before they go to files: 64M, 128M, 1G.
    engine
        memory: everything at once; files: rows in files, two workers; auto: one of these, by the size of the inputs;
        spark: on a cluster, for logs that outgrow one machine.
    master
        With --engine spark: the cluster's address. Default: the one that spark-submit names, else this machine's cores.
    """
    if not paths:
        raise Failure("nothing to investigate", next="interlock investigate FILE… , or - for stdin", code=USAGE)
    _no_options(paths)
    _fitting(paths, report, master, engine)
    budget, mapping = _bytes_of(memory), _mapping(map)
    if follow:
        following.nothing_else(WHOLE, (report, sarif, perfetto, emit_test, redact, redacted, engine != "auto"))
        return following.follow(paths, as_json=json, format=format, mapping=mapping)
    with _inputs(paths, redact or redacted is not None, redacted) as read:
        said, histories = _investigated(read, format, mapping, budget, engine, master)
        _named(said, read if redacted is None and redact else [])
    _something_read(said)
    with _writing():
        _written(said, histories, report, sarif, perfetto, emit_test)
    _told(said, histories, as_json=json)
    found = any(f.severity != "low" for f in said.findings)
    return INTERRUPTED if said.partial else FOUND if found else DONE


def _named(said: Report, gone: list[str]) -> None:
    """Of copies that go away, what the reader knows is the name of the file."""
    for i in said.inputs:
        i.name = Path(i.name).name if i.name in gone else i.name


def _something_read(said: Report) -> None:
    if not any(i.entries for i in said.inputs):
        told = [(i.name, r.why) for i in said.inputs for r in (*i.refused[:1], *i.refused[1:][-1:])]
        why = "; ".join(f"{name}: {why}" for name, why in told) or "there is no entry in it"
        there = [Path(i.name).is_file() or i.bytes for i in said.inputs]
        next = "interlock investigate --format … or --map FILE" if any(there) else "name files, folders or patterns"
        raise Failure("nothing in it can be read", why, next, code=FAILED)


def _no_options(paths: tuple[str, ...]) -> None:
    """The parser has to let a lone hyphen through, and takes a mistyped option for a path with it."""
    mistyped = next((p for p in paths if p.startswith("-") and p != "-"), None)
    if mistyped is not None:
        raise Failure(f"Unknown option: {mistyped}.", next="interlock investigate --help", code=USAGE)


def _fitting(paths: tuple[str, ...], report: Path | None, master: str | None, engine: str) -> None:
    if engine == "spark" and "-" in paths:
        raise Failure(
            "a cluster cannot read standard input", next="write it to a file that every machine sees", code=USAGE
        )
    if master is not None and engine != "spark":
        raise Failure("--master is for --engine spark", next="--engine spark", code=USAGE)
    if report is not None and report.suffix not in (".html", ".md"):
        raise Failure(f"--report {report} is neither .html nor .md", next="--report FILE.html", code=USAGE)


def _bytes_of(text: str) -> int:
    unit = _UNITS.get(text[-1:].upper(), 1)
    number = text[:-1] if unit > 1 else text
    if not number.isascii() or not number.isdecimal() or int(number) * unit < 1 << 20:
        raise Failure(f"--memory {text} is no size of at least 1M", next="--memory 128M", code=USAGE)
    return int(number) * unit


def _mapping(path: Path | None) -> Mapping | None:
    if path is None:
        return None
    from interlock.investigation.mapping import BadMapping, load

    try:
        return load(path)
    except (BadMapping, OSError) as wrong:
        raise Failure(f"the map {path} cannot be used", str(wrong), code=USAGE) from wrong


@contextmanager
def _inputs(paths: tuple[str, ...], redact: bool, keep: Path | None) -> Iterator[list[str]]:
    """The paths to read: as given, or of redacted copies in a folder that goes away, or is kept."""
    if not redact:
        yield list(paths)
        return
    import secrets
    import tempfile

    from interlock.investigation.readers.source import named_inputs
    from interlock.investigation.report.redact import Redactor, redact_file

    redactor = Redactor(secrets.token_bytes(32))
    with tempfile.TemporaryDirectory(prefix="interlock-") as folder:
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        made: list[str] = []
        for n, named in enumerate(named_inputs(list(paths), sys.stdin.buffer)):
            if named.open is None:
                made.append(named.name)
                continue
            name = Path(named.name).name if named.name != "-" else "stdin"
            copy = place / (name if not (place / name).exists() else f"{n}-{name}")
            redact_file(named.open(), copy, redactor)
            made.append(str(copy))
        yield made


def _investigated(
    paths: list[str], format: str | None, mapping: Mapping | None, memory: int, engine: str, master: str | None
) -> tuple[Report, list[History]]:
    """The report, and the histories for its timelines."""
    from interlock.investigation.readers import UnknownFormat, open_inputs

    try:
        if engine == "memory" or (engine == "auto" and _size(paths) <= IN_MEMORY_BYTES):
            return _at_once(open_inputs(paths, format=format, mapping=mapping))
        if engine == "spark":
            return _on_cluster(paths, format, mapping, master)
        from interlock.investigation.big.run import investigate as run

        with _progress() as told:
            done = run(
                paths, format=format, mapping=mapping, memory=memory, progress=told, histories_max=TIMELINES_MAX // 2
            )
        return done.report, done.histories
    except UnknownFormat as wrong:
        raise Failure(str(wrong), next="interlock investigate --help", code=USAGE) from wrong


def _on_cluster(
    paths: list[str], format: str | None, mapping: Mapping | None, master: str | None
) -> tuple[Report, list[History]]:
    from interlock.cli.spark import cluster
    from interlock.investigation import spark

    with cluster(master) as context:
        done = spark.investigate(context, paths, format=format, mapping=mapping, histories_max=TIMELINES_MAX // 2)
    return done.report, done.histories


def _size(paths: list[str]) -> int:
    """Bytes to read, as they lie; of standard input nobody knows."""
    from interlock.investigation.readers.source import named_inputs

    total = 0
    for named in named_inputs(paths, sys.stdin.buffer):
        if named.name == "-":
            return IN_MEMORY_BYTES + 1 if not sys.stdin.isatty() and _is_long(sys.stdin.buffer) else total
        path = Path(named.name)
        size = path.stat().st_size if path.is_file() else 0
        # Packed logs unpack to ten times their size and more.
        total += size * (12 if path.suffix in (".gz", ".zst") else 1)
    return total


def _is_long(stdin: Any) -> bool:
    """Whether standard input is a file that is known to be long; a pipe is taken for long."""
    import os
    import stat

    status = os.fstat(stdin.fileno())
    return not stat.S_ISREG(status.st_mode) or status.st_size > IN_MEMORY_BYTES


def _at_once(reading: Any) -> tuple[Report, list[History]]:
    from interlock.investigation.investigate import USUAL, examine, grouped, last_moment
    from interlock.investigation.investigate import report as put_together

    entries: list[Any] = []
    partial = False
    try:
        entries.extend(reading)
    except KeyboardInterrupt:
        partial = True
    histories = grouped(entries, USUAL)
    end = last_moment(entries)
    return put_together((examine(h, end) for h in histories), reading.inputs, partial=partial), histories


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise Failure(f"{wrong.filename} cannot be written", wrong.strerror or str(wrong)) from wrong


def _written(
    said: Report, histories: list[History], report: Path | None, sarif: Path | None, perfetto: Path | None,
    emit_test: Path | None,
) -> None:  # fmt: skip
    """The files that were asked for; each is told on standard error."""
    from interlock.investigation.explain import explain

    if report is not None:
        _save(report, _page(said, histories, report.suffix))
    if sarif is not None:
        from interlock import __version__
        from interlock.investigation.report import sarif as findings

        seen = {(o.place.input, o.place.line): o for h in histories for o in h.observations}
        _save(sarif, findings.text(said, explain, __version__, seen))
    if perfetto is not None:
        from interlock.investigation.report import perfetto as trace

        with perfetto.open("w", encoding="utf-8") as file:
            trace.write(file, histories, said.findings)
        output.hint(f"wrote {perfetto}")
    if emit_test is not None:
        from interlock.investigation.report import emit_test as tests

        try:
            test, _ = tests.write(emit_test, said.findings)
        except tests.NothingToReplay as nothing:
            output.hint(f"no test: {nothing}")
        else:
            output.hint(f"wrote {test}; run it with pytest")


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    output.hint(f"wrote {path}")


def _page(said: Report, histories: list[History], suffix: str) -> str:
    from interlock.investigation.explain import explain

    timelines = _timelines(said, histories)
    if suffix == ".md":
        from interlock.investigation.report.markdown import page

        return page(said, timelines, explain)
    from interlock.investigation.report.html import page

    return page(said, timelines, explain)


def _timelines(said: Report, histories: list[History]) -> list[Any]:
    """The conversations with findings, the worst first; where there is none, the first ones."""
    from interlock.investigation.report.timeline import timeline_of

    rank = {record: n for n, record in reversed(list(enumerate(f.record for f in said.findings)))}

    def worst(history: History) -> int:
        return min((rank.get(o.record, len(rank)) for o in history.observations), default=len(rank))

    chosen = sorted(histories, key=worst)[:TIMELINES_MAX]
    repairs = [r for i in said.inputs for r in i.repairs]
    return [timeline_of(h.group, h.observations, h.audits, said.findings, repairs) for h in chosen]


def _told(said: Report, histories: list[History], *, as_json: bool) -> None:
    from interlock.investigation.explain import explain

    if as_json:
        from interlock.investigation.report.json import text

        output.line(text(said, explain))
        return
    from rich.console import Console

    from interlock.investigation.report.terminal import write

    serious = {f.record for f in said.findings if f.severity != "low"}
    shown = [h for h in histories if not serious or any(o.record in serious for o in h.observations)]
    timelines = _timelines(said, shown)
    if sys.stdout.isatty():
        write(Console(highlight=False, emoji=False, markup=False), said, timelines, explain)
        return
    import io

    page = io.StringIO()
    write(Console(file=page, width=PIPE_WIDTH, highlight=False, emoji=False, markup=False), said, timelines, explain)
    for text in page.getvalue().splitlines():
        output.line(text.rstrip())


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, if it takes longer than half a second."""
    if not sys.stderr.isatty():
        yield None
        return
    import time

    begun, bar = time.monotonic(), None

    def told(read: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - begun > PROGRESS_AFTER_S:
            bar = _bar(total)
        if bar is not None:
            bar.update(0, completed=read)

    try:
        yield told
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    bar = Progress(
        BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=Console(file=sys.stderr), transient=True,
    )  # fmt: skip
    bar.add_task("reading", total=total or None)
    bar.start()
    return bar
