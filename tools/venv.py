"""Makes `.venv` from a lock file, quickly, with nothing but the standard library and pip.

    python tools/venv.py requirements.lock            the packages of the lock, then this project (editable)
    python tools/venv.py requirements-dev.lock        the same with the tools for tests and checks

Three things make it quick: pip spends its time reading index pages, so the packages are fetched by several pips side by
side and then installed in one go; only the modules that the program imports are compiled; and a package that is already
there in the locked version is left alone.
Every archive is checked against the hashes in the lock file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
FETCHERS_MAX = 4
MINIMUM = (3, 11)
IMPORTED = "litestar.openapi, uvicorn, apsw, cyclopts, rich.live, rich.table, pydantic_settings, structlog, httpx"
QUIET = ["--quiet", "--disable-pip-version-check", "--no-input"]
INSTALLED = (
    "import json, re, importlib.metadata as m;"
    "print(json.dumps({re.sub('[-_.]+', '-', d.metadata['Name']).lower(): d.version for d in m.distributions()}))"
)


class Failed(Exception):
    """The environment could not be made; the message says what to do, on one line."""


def create() -> None:
    """Make an empty `.venv`, or a new one where the Python it was made from is gone."""
    if VENV_PYTHON.exists() and subprocess.run([VENV_PYTHON, "-c", ""], capture_output=True).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    flags = ["--without-pip"] if outer_pip_works() else []
    made = subprocess.run([sys.executable, "-m", "venv", *flags, str(VENV)], capture_output=True, text=True)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise Failed(
            f"Python {version} has no working venv module: install python{version}-venv (Debian, Ubuntu: apt install)"
        )


def outer_pip_works() -> bool:
    """Can the pip of this Python install into another environment? It saves the seconds of unpacking one there."""
    asked = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True)
    found = re.match(r"pip (\d+)\.(\d+)", asked.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= (22, 3)


def pip_command() -> list[str]:
    """The pip to call: the environment's own where it has one, else this Python's, pointed at the environment."""
    if subprocess.run([VENV_PYTHON, "-c", "import pip"], capture_output=True).returncode == 0:
        return [str(VENV_PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(VENV_PYTHON)]


def missing(lock: Path) -> list[str]:
    """The blocks of the lock file (a pin and its hashes) that the environment does not have yet."""
    asked = subprocess.run([VENV_PYTHON, "-c", INSTALLED], capture_output=True, text=True, check=True)
    installed = json.loads(asked.stdout)
    blocks = re.findall(r"^[A-Za-z0-9].*(?:\n[ \t]+.*)*", lock.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = []
    for block in blocks:
        pin = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", block)
        if pin is None:
            raise Failed(f"{lock.name} has a line that is not a pinned package: {block.splitlines()[0]}")
        if installed.get(re.sub("[-_.]+", "-", pin[1]).lower()) != pin[2]:
            wanted.append(block)
    return wanted


def install(blocks: list[str]) -> None:
    """Fetch the packages side by side into a scratch folder, then install them from there."""
    if not blocks:
        return
    pip = pip_command()
    with tempfile.TemporaryDirectory(prefix="interlock-install-") as scratch:
        folder = Path(scratch)
        fetchers = min(FETCHERS_MAX, max(2, os.cpu_count() or 1), len(blocks))
        running = []
        for number in range(fetchers):
            part = folder / f"part-{number}.txt"
            part.write_text("\n".join(blocks[number::fetchers]) + "\n", encoding="utf-8")
            fetch = [*pip, "download", *QUIET, "--no-deps", "--require-hashes", "--dest", str(folder), "-r", str(part)]
            running.append(subprocess.Popen(fetch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        outputs = [process.communicate()[0] for process in running]
        for process, output in zip(running, outputs, strict=True):
            if process.returncode != 0:
                raise Failed(f"could not fetch the packages (is there a network?): {last_error(output)}")
        everything = folder / "all.txt"
        everything.write_text("\n".join(blocks) + "\n", encoding="utf-8")
        offline = ["--no-index", "--find-links", str(folder), "--no-deps", "--no-compile", "--require-hashes"]
        run_pip([*pip, "install", *QUIET, *offline, "-r", str(everything)], "install the packages")


def install_project() -> None:
    """Put this project itself into the environment, editable, so that `.venv/bin/interlock` is the program."""
    command = [*pip_command(), "install", *QUIET, "--no-deps", "--no-index", "--no-build-isolation", "-e", str(ROOT)]
    run_pip(command, "install the project itself")


def first_start() -> subprocess.Popen[bytes]:
    """Import once what the program imports, so that it lies compiled there, even where Python may not write caches."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [VENV_PYTHON, "-c", f"import {IMPORTED}"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_pip(command: list[str], what: str) -> None:
    """Run one pip command in silence; if it fails, say what failed and why."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(f"could not {what}: {last_error(done.stdout)}")


def last_error(output: str) -> str:
    """The last line of pip's output that names an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["pip said nothing"])[-1]


def main(arguments: list[str]) -> int:
    """Make the environment for the lock file named on the command line."""
    if sys.version_info < MINIMUM:
        print(f"Interlock needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    try:
        create()
        install(missing(ROOT / arguments[0]))
        started = first_start()
        install_project()
        started.wait()
    except Failed as failure:
        print(f"interlock: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
