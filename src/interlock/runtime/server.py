"""HTTP in this process: a socket, uvicorn on uvloop and httptools, and a stop that loses nothing that was answered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, TypeVar

import structlog
import uvicorn

from interlock.runtime.assemble import House

FILES_WANTED = 65_536
PORTS_TRIED = 50
SWITCH_S = 0.001
"""How long the event loop may keep the interpreter while the thread that waits for the disk has news for it."""
_log = structlog.get_logger("interlock")
T = TypeVar("T")


class PortTaken(Exception):
    """The address cannot be listened on; the message says what to type instead."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def prepare_process() -> None:
    """As many open files as the system allows, and a collector that does not walk every live record over and over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(SWITCH_S)


def bind(host: str, port: int, *, or_next: bool = False) -> socket.socket:
    """A listening socket. Port 0: one that is free; `or_next`: if it is taken, the next that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = port + PORTS_TRIED if or_next and port else port
    for candidate in range(port, last + 1):
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, candidate))
            opened.listen(2048)
        except OSError as why:
            opened.close()
            if candidate == last:
                raise PortTaken(
                    f"{host} port {candidate}: {why.strerror}. Choose another with --port, or 0 for a free one."
                ) from None
        else:
            opened.setblocking(False)
            return opened
    raise AssertionError


def address_of(bound: socket.socket) -> str:
    """The URL under which a socket answers."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it is up, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn starts up, and then says so."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are handled by `until_stopped`."""
        yield


@contextlib.asynccontextmanager
async def listening(house: House, bound: socket.socket) -> AsyncIterator[str]:
    """Answer HTTP on a socket while the context is open. At its end: no new requests, those under way are finished."""
    config = uvicorn.Config(
        house.app(), http="httptools", ws="none", lifespan="on", access_log=False, log_config=None, server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(house.settings.stop_seconds)), timeout_keep_alive=75, backlog=2048,
    )  # fmt: skip
    server = _Uvicorn(config)
    task = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
            raise PortTaken("The HTTP server ended before it was up.")
        gc.freeze()
        yield address_of(bound)
    finally:
        up.cancel()
        house.end_streams()
        server.should_exit = True
        await task


async def until_stopped() -> None:
    """Until SIGTERM or the first Ctrl-C; a second Ctrl-C ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked(number: int) -> None:
        if stop.is_set() and number == signal.SIGINT:
            sys.exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
    await stop.wait()
