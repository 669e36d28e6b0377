"""A real `interlock serve` in a process of its own, to be killed, and what a client was told by it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

KEY = "ilk_crash_test_key_0123456789abcdef0123456789abcdef"
_READY = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Server:
    """One life of the server on a store."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, drain: asyncio.Task[None]) -> None:
        self._process = process
        self._drain = drain
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    async def start(cls, db: str | Sequence[str]) -> Server:
        """Start it on one database, or on two (records, routing), and wait until it says where it listens.

        Raises `RuntimeError` with its output if it ends before.
        """
        env = {**os.environ, "INTERLOCK_BOOTSTRAP_KEY": KEY, "INTERLOCK_RATE_LIMIT": "0"}
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("interlock"), "serve", "--port", "0", *_on(db),
            env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        said: list[str] = []
        while True:
            line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
            said.append(line)
            if not line:
                raise RuntimeError("the server ended before it listened:\n" + "".join(said))
            found = _READY.search(line)
            if found:
                return cls(process, int(found[1]), asyncio.create_task(_drain(process.stdout)))

    async def kill(self) -> None:
        """kill -9: nothing of it gets to run any more."""
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._drain

    async def lived(self, ms: int) -> bool:
        """Whether it is still alive after so many milliseconds."""
        done, _ = await asyncio.wait({asyncio.ensure_future(self._process.wait())}, timeout=ms / 1000)
        return not done

    async def stop(self) -> int:
        """SIGTERM, and its exit code."""
        os.kill(self._process.pid, signal.SIGTERM)
        code = await asyncio.wait_for(self._process.wait(), 15)
        await self._drain
        return code


def _on(db: str | Sequence[str]) -> list[str]:
    if isinstance(db, str):
        return ["--db", db]
    return ["--records-db", db[0], "--routing-db", db[1]]


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
