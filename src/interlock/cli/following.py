"""`interlock investigate --follow`: a log that goes on, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from interlock.cli import output
from interlock.cli.failure import DONE, FAILED, FOUND, USAGE, Failure

if TYPE_CHECKING:
    from asyncio import Runner

    from interlock.bus.listening import Listener
    from interlock.investigation.finding import Finding
    from interlock.investigation.follow import Subject
    from interlock.investigation.mapping import Mapping
    from interlock.investigation.readers.shape import Shape

LOOK_EVERY_S = 0.2
SERVERS = ("http://", "https://")
BUSES = ("nats://", "tls://")


def nothing_else(names: Sequence[str], given: Sequence[Any]) -> None:
    """Refuses options that work on a whole log: there is none while it goes on. `given`: what each has."""
    named = ", ".join(name for name, value in zip(names, given, strict=True) if value)
    if named:
        raise Failure(f"{named} needs a log that has an end", next="leave out --follow, or what needs it", code=USAGE)


def follow(paths: Sequence[str], *, as_json: bool, format: str | None = None, mapping: Mapping | None = None) -> int:
    """Prints findings as they come to light, one line each, until Ctrl-C; answers 3 if any was of weight, else 0.

    Raises `Failure` for what cannot be followed.
    """
    from interlock.investigation.explain import explain

    findings = _findings(paths, format, mapping)
    found = False
    output.hint(f"following {', '.join(paths)}; Ctrl-C ends it")
    try:
        for f in findings:
            found = found or f.severity != "low"
            output.line(_line(f, list(paths), explain, as_json=as_json))
    except KeyboardInterrupt:
        pass
    finally:
        findings.close()
    return FOUND if found else DONE


def _findings(paths: Sequence[str], format: str | None, mapping: Mapping | None) -> Generator[Finding, None, None]:
    """Of files, of a server or of NATS. Raises `Failure` for what cannot be followed."""
    if "-" in paths:
        raise Failure("standard input cannot be followed", "a pipe is read once", "--follow FILE", code=USAGE)
    live = [p for p in paths if p.startswith((*SERVERS, *BUSES))]
    if live and len(paths) > 1:
        raise Failure(f"{live[0]} is followed alone", next=f"interlock investigate --follow {live[0]}", code=USAGE)
    if paths[0].startswith(SERVERS):
        if format is not None or mapping is not None:
            raise Failure("a server's own events need no --format and no --map", next="leave it out", code=USAGE)
        return _of_server(paths[0])
    shapes = _shapes(format, mapping)
    return _of_bus(paths[0], shapes) if live else _of_files(paths, shapes)


def _shapes(format: str | None, mapping: Mapping | None) -> Callable[[], list[Shape]]:
    """Makes what understands the objects of one input."""
    from functools import partial

    from interlock.investigation.readers.detect import SHAPES
    from interlock.investigation.readers.reading import shapes_of

    if format not in (None, "json-lines", *SHAPES):
        known = ", ".join(("json-lines", *SHAPES))
        raise Failure(f"--format {format} cannot be followed", "only lines of JSON can", f"one of {known}", code=USAGE)
    return partial(shapes_of, format if format in SHAPES else "", mapping)


def _of_files(paths: Sequence[str], shapes: Callable[[], list[Shape]]) -> Generator[Finding, None, None]:
    import time

    from interlock.investigation.follow import Follower, Watch

    watch = Watch()
    followers = [Follower(path, watch, input=n, shapes=shapes) for n, path in enumerate(paths)]
    while True:
        for follower in followers:
            yield from follower.run_once()
        time.sleep(LOOK_EVERY_S)


def _of_server(url: str) -> Generator[Finding, None, None]:
    """From now on, by the server's own events."""
    from interlock.cli.connection import Connection, Server
    from interlock.cli.events import followed
    from interlock.investigation.follow import Watch, entries_of
    from interlock.investigation.readers.reading import shapes_of
    from interlock.investigation.readers.source import Line

    connection = Connection(Server(url=url))
    here = int(connection.get("/v1/changes").json()["meta"]["position"])
    watch, shapes = Watch(), shapes_of()
    for number, text in enumerate(followed(connection, None, here), 1):
        entries, _ = entries_of([Line(number, 0, text.encode())], shapes=shapes)
        yield from watch.take(entries)


def _of_bus(url: str, shapes: Callable[[], list[Shape]]) -> Generator[Finding, None, None]:
    """From now on, by what is published: lines of JSON in any known shape, or rows of a change log of ours."""
    import asyncio

    from interlock.domain.errors import Unavailable
    from interlock.investigation.follow import Subject

    try:
        from interlock.bus.listening import Listener, address_of
    except ModuleNotFoundError as missing:
        raise Failure("NATS needs its driver", next="pip install 'interlock[nats]'", code=FAILED) from missing
    try:
        servers, subject = address_of(url)
    except ValueError as wrong:
        raise Failure(str(wrong), next="nats://HOST:PORT/SUBJECT, such as nats://localhost:4222/events.>",
                      code=USAGE) from wrong  # fmt: skip
    runner = asyncio.Runner()
    try:
        listener = runner.run(Listener.open(servers, subject))
    except Unavailable as away:
        runner.close()
        raise Failure(f"{url} cannot be followed", away.detail, "see that NATS runs there", code=FAILED) from away
    return _heard(runner, listener, Subject(shapes()))


def _heard(runner: Runner, listener: Listener, subject: Subject) -> Generator[Finding, None, None]:
    """What a listener hears, until Ctrl-C."""
    missed = (0, 0)
    with runner:
        try:
            while True:
                for message in runner.run(listener.heard()):
                    yield from subject.take(message.data, message.row)
                missed = _told_missed(listener.lost, listener.breaks, missed)
        finally:
            runner.run(listener.close())


def _told_missed(lost: int, breaks: int, before: tuple[int, int]) -> tuple[int, int]:
    """Says what was not heard since the last time: missing revs may be there, and only not heard."""
    if lost > before[0]:
        output.hint(f"interlock: {lost - before[0]} messages came faster than they could be read and were passed over")
    if breaks > before[1]:
        output.hint("interlock: the connection to NATS broke; what was published meanwhile was not heard")
    return lost, breaks


def _line(f: Finding, names: list[str], explain: Callable[[Finding], str], *, as_json: bool) -> str:
    if as_json:
        from interlock.investigation.report.json import finding_text

        return finding_text(f, names, explain)
    from interlock.investigation.report.terminal import visible
    from interlock.investigation.report.timeline import clock_text
    from interlock.investigation.report.words import place_text

    where = place_text(names, f.evidence[0].place) if f.evidence else "-"
    return visible(f"{clock_text(f.at)}  {f.rule}  {f.severity}, {f.certainty}  {where}  {explain(f)}")
