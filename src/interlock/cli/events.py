"""`interlock events`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.failure import DONE
from interlock.cli.output import Json

HERE = Server()


def events(
    *, server: Annotated[Server, Parameter(name="*")] = HERE, follow: bool = False, topic: str | None = None,
    after: int = 0, limit: int = 0, json: Json = False,
) -> int:  # fmt: skip
    """The log as JSON lines, one CloudEvent each, from any position, and with --follow as it grows.

    Example: interlock events --follow --topic work-item --after 120

    Parameters
    ----------
    follow
        Wait for more; Ctrl-C ends it. A stream that breaks off is taken up again where it was.
    topic
        Only these, separated by commas: conversation, work-item, reservation, work-session, …
    after
        Begin after this position of the log.
    limit
        End after so many events; 0: no limit.
    """
    connection = Connection(server)
    found = followed(connection, topic, after) if follow else _pages(connection, topic, after)
    taken: list[str] = []
    for n, text in enumerate(found, 1):
        if json and not follow:
            taken.append(text)
        else:
            output.line(text)
        if n == limit:
            break
    if json and not follow:
        sys.stdout.write("[" + ",\n".join(taken) + "]\n")
    return DONE


def _pages(connection: Connection, topic: str | None, after: int) -> Iterator[str]:
    import json

    path: str | None = "/v1/events"
    parameters: dict[str, Any] = {"topics": topic, "after": after}
    while path:
        page = connection.get(path, **parameters).json()
        for event in page["data"] if isinstance(page, dict) else page:
            yield json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        path, parameters = (page.get("links") or {}).get("next") if isinstance(page, dict) else None, {}


def followed(connection: Connection, topic: str | None, after: int) -> Iterator[str]:
    """Events as they are written, as text, until Ctrl-C. A stream that breaks off is taken up again where it was."""
    position = after
    while True:
        try:
            for id, kind, data in connection.stream("/v1/events", topics=topic, after=position):
                if kind == "reset":
                    output.hint("interlock: the log was trimmed; events before this one are gone")
                if id.isdigit():
                    position = int(id)
                if data and kind not in ("beat", "reset"):
                    yield data
        except KeyboardInterrupt:
            return
