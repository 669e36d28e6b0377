"""Programs of other people: each in an environment of its own, made for the session and thrown away with it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INSTALL_S = 180


def python_with(folder: Path, program: str, *beside: str) -> Path:
    """The Python of a new environment with this program in it. Skips, saying why, where it cannot be installed."""
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *beside, program],
    ):
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{program} could not be installed within {INSTALL_S} s")
        if done.returncode:
            pytest.skip(f"{program} cannot be installed here: {done.stderr.strip()[-300:]}")
    return python


async def ran(*command: str | Path, within_s: float, **how: Any) -> tuple[int | None, str, str]:
    """Exit code, output and complaints of a program. Fails the test if it takes longer."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, **how)
    try:
        out, said = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"{Path(command[0]).name} was not done after {within_s} s")
    return process.returncode, out.decode(), said.decode()
