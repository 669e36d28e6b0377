"""`interlock doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Answer, Connection, Server
from interlock.cli.failure import DONE, FOUND
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.ports import World
    from interlock.runtime.health import Finding

HERE = Server()
SKEW_S_MAX = 5.0


def doctor(
    *, server: Annotated[Server, Parameter(name="*")] = HERE, db: str | None = None, nats: str = "",
    nats_prefix: str = "interlock", json: Json = False,
) -> int:  # fmt: skip
    """Check a server or a store; each failed check comes with its fix. Exit code 3 if one failed.

    Example: interlock doctor --db sqlite:interlock.db

    Parameters
    ----------
    db
        Check this store, with or without a server on it: sqlite:FILE or postgresql://… Without it, a server is checked.
    nats
        Check these NATS servers, separated by commas, and show what roles have set aside.
    nats_prefix
        How the names of streams begin there.
    """
    found = asyncio.run(_of_store(db)) if db else [] if nats else _of_server(Connection(server, needs_key=False))
    if nats:
        found += asyncio.run(_of_nats(nats, nats_prefix))
    failed = [f for f in found if not f.ok]
    if json:
        checks = [f._asdict() if not f.ok else {k: v for k, v in f._asdict().items() if k != "fix"} for f in found]
        output.document({"ok": not failed, "checks": checks})
    else:
        _tell(found)
    return FOUND if failed else DONE


def _tell(found: Sequence[Finding]) -> None:
    for f in found:
        output.line(f"{'ok  ' if f.ok else 'FAIL'}  {f.name}: {f.value} (limit {f.limit})")
        if not f.ok:
            output.line(f"      fix: {f.fix}")


async def _of_nats(servers: str, prefix: str) -> list[Finding]:
    """Whether the bus answers, and what was set aside there."""
    from interlock.bus.nats import letters
    from interlock.bus.nats_link import NatsLink
    from interlock.domain.errors import Unavailable
    from interlock.runtime.health import Finding, set_aside

    link = NatsLink(servers.split(","), name="doctor", prefix=prefix)
    try:
        state = await link.state()
        found = await letters(link)
    except Unavailable as away:
        return [Finding("NATS answers", False, str(away), "an answer", "start the servers; look at their log")]
    finally:
        await link.close()
    return [
        Finding("NATS answers", True, f"{state.messages} messages, {state.bytes >> 10} KiB", "an answer", ""),
        set_aside(found),
    ]


async def _consumers(world: World) -> list[str]:
    """Every share that the roles are divided into."""
    from interlock.service.cues import ROLES
    from interlock.service.divisions import division_of

    return [share.name for role in ROLES for share in await division_of(world.store, role)]


async def _of_store(db: str) -> list[Finding]:
    from interlock.cli.offline import reading
    from interlock.runtime import health

    async with reading(db) as (world, store):
        return [
            *await health.store_is_sound(store),
            *await health.behind(world, await _consumers(world)),
            await health.nothing_set_aside(world, await _consumers(world)),
            await health.pairs_in_step(world),
            *await health.nothing_stuck(world),
            await health.clock_goes_forward(world),
            health.files_allowed(),
        ]


def _of_server(connection: Connection) -> list[Finding]:
    """What a server says of itself, and what can be seen from here."""
    from interlock.runtime.clock import SystemClock
    from interlock.runtime.health import Finding, files_allowed

    began = SystemClock().now() / 1000
    live = connection.get("/livez")
    out = [Finding("the server turns", live.status == 200, _text(live), "ok", "look at its log, and restart it")]
    ready = connection.get("/readyz", fails_ok=True, verbose="1" if connection.has_key else "")
    fix = "INTERLOCK_KEY=… interlock doctor says which check; look at the server's log"
    out.append(Finding("the server is ready", ready.status == 200, _text(ready).splitlines()[0], "ok", fix))
    for text in _text(ready).splitlines()[1:]:
        ok, said = text.startswith("[+]"), text[4:]
        out.append(
            Finding(said.split(" (")[0], ok, "ok" if ok else "not met", _limit(said), "look at the server's log")
        )
    out.append(_clock(live, began))
    out.append(files_allowed())
    return out


def _text(answer: Answer) -> str:
    return answer.body.decode(errors="replace").strip()


def _limit(text: str) -> str:
    return text.rpartition("(limit ")[2].rstrip(")") if "(limit " in text else "-"


def _clock(answer: Answer, began: float) -> Finding:
    from interlock.runtime.health import Finding

    said = answer.headers.get("date")
    apart = abs(parsedate_to_datetime(said).timestamp() - began) if said else 0.0
    fix = "set the clocks of both machines (timedatectl)"
    return Finding("the clocks agree", apart <= SKEW_S_MAX, f"{apart:.0f} s apart", f"{SKEW_S_MAX:g} s", fix)
