"""`interlock serve`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.failure import FAILED, UNREACHABLE, USAGE, Failure
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.runtime.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The settings of a server as flags: the same names as the INTERLOCK_ variables."""

    db: str | None = None
    "The store: sqlite:FILE, sqlite:///FILE/FROM/THE/ROOT, postgresql://user@host/database, or memory: (no file)."
    records_db: str | None = None
    "With --routing-db, instead of --db: the records service's own database, in the same forms."
    routing_db: str | None = None
    "With --records-db: routing's own database, which holds the one log."
    host: str | None = None
    "The address to listen on; loopback unless you say otherwise."
    port: int | None = None
    "The port; 0 asks the system for a free one."
    role: str | None = None
    "The roles of this process: api, records, sync, rules, routing, workflow, webhooks, relay, console; or none."
    shares: int | None = None
    "Into how many shares each role is divided among processes; 0: nobody else runs these roles."
    lanes: int | None = None
    "Into how many lanes, by queue, the routing of each share is divided: for orgs too large for one process."
    lease_seconds: float | None = None
    "How long the share of a process that died stands still."
    nats: str | None = None
    "The NATS servers that carry the log to other processes, separated by commas: nats://host:4222."
    nats_prefix: str | None = None
    "How the names of streams and subjects in NATS begin."
    nats_replicas: int | None = None
    "Replicas of each stream; 0: three on a cluster, one on a single server."
    org: str | None = None
    "The name of the first organisation of an empty store."
    log_format: Literal["json", "text"] | None = None
    "The log on standard error: json, one object a line, or text for people."
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    "The least that is logged."
    event_log: str | None = None
    "Where each event and each sync decision is written as a line: a file, or - for standard output."
    detect: bool | None = None
    "Whether the detectors of investigate look at the own log as it goes."
    console: bool | None = None
    "Whether this server has the web console on its own address."
    environment: str | None = None
    "A word in the head of each page of the console: which server this is."
    webhooks_private: bool | None = None
    "Whether webhooks may go to addresses that are not public, and over http."
    rate_limit: int | None = None
    "Requests a minute for each key; 0: no limits at all."
    org_rate_limit: int | None = None
    "Requests a minute for all keys of a company together; 0: no limit."
    search_rate_limit: int | None = None
    "Searches a minute for each key that acts for no user; 0: no limit."
    object_rate_limit: int | None = None
    "Writes a minute of one caller on one conversation; 0: no limit."
    message_rate_limit: int | None = None
    "Messages a minute of one caller to one customer or conversation; 0: no limit."
    stop_seconds: float | None = None
    "How long a stop may wait for requests under way."


NOTHING = Flags()


def serve(
    *, flags: Annotated[Flags, Parameter(name="*")] = NOTHING, config: Path | None = None, json: Json = False
) -> None:
    """Run the server: API, router and workers in one process. Ctrl-C or SIGTERM ends it.

    Prints `listening http://HOST:PORT` once it answers. On an empty store it prints the first admin key, once, unless
    INTERLOCK_BOOTSTRAP_KEY (or INTERLOCK_BOOTSTRAP_KEY_FILE) sets it. Each flag can be an INTERLOCK_ variable instead.

    Example: interlock serve --db sqlite:interlock.db --port 8080

    Parameters
    ----------
    config
        A TOML file with settings; INTERLOCK_CONFIG names one too.
    """
    from interlock.domain.errors import Unavailable
    from interlock.runtime.logs import configure
    from interlock.runtime.server import PortTaken, prepare_process, run
    from interlock.runtime.settings import WrongSetting, gather
    from interlock.store.urls import shown

    try:
        settings = gather(asdict(flags), os.environ, config).settings
    except WrongSetting as wrong:
        raise Failure("a setting is wrong", str(wrong), "interlock config show --origin", code=USAGE) from None
    configure(text=settings.log_format == "text", level=settings.log_level)
    prepare_process()
    try:
        run(_serve(settings, as_json=json))
    except PortTaken as taken:
        raise Failure("the server cannot listen", str(taken), "interlock serve --port 0", code=FAILED) from None
    except Unavailable as away:
        next = " ; ".join(f"interlock doctor --db {shown(url)}" for url in settings.databases)
        raise Failure("the store cannot be used", str(away), next, code=UNREACHABLE) from away


async def _serve(settings: Settings, *, as_json: bool) -> None:
    from interlock.runtime.assemble import assemble
    from interlock.runtime.server import bind, listening, until_stopped

    if "api" not in settings.role:
        async with assemble(settings):
            output.document({"roles": settings.role}) if as_json else output.line(f"running {','.join(settings.role)}")
            await until_stopped()
        return
    bound = bind(settings.host, settings.port)
    async with assemble(settings) as house, listening(house, bound) as address:
        if as_json:
            output.document({"url": address, "docs": f"{address}/docs", "key": house.first_key})
        else:
            output.line(f"listening {address}")
            if settings.console and not house.first_key:
                output.hint(f"The console: {address}/ ; interlock console link --role supervisor makes a link to it.")
            if house.first_key:
                output.line(f"key {house.first_key}")
                output.hint("This is the first admin key. It is shown once and stored only as its hash: keep it now.")
        await until_stopped()
