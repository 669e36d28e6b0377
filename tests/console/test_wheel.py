"""What is shipped: the wheel alone, with no checkout beside it, serves every page and every file that a page names."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
import zipfile
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from tests.console.server import Server

PROJECT = Path(__file__).resolve().parents[2]
SCREENS = ("/queues", "/conversations", "/incidents", "/investigate", "/rules", "/proof", "/system", "/replay")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer unpacks it."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as file:
        file.extractall(folder / "code")
    return folder / "code"


@pytest.mark.slow
def test_the_wheel_serves_every_screen_and_every_file_it_names(wheel: Path, tmp_path: Path) -> None:
    """Its code comes from the wheel, its dependencies from this environment."""
    where = "import interlock, sys; sys.stdout.write(interlock.__file__)"
    command = (sys.executable, "-P", "-c", where)
    found = subprocess.run(command, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(wheel))
    server = Server(tmp_path, code=wheel)
    try:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        browser.open(server.link("admin", "Ada"), timeout=60).read()
        named: set[str] = set()
        for path in SCREENS:
            page = browser.open(server.url + path, timeout=90).read().decode()
            named |= set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        for path in sorted(named):
            with browser.open(server.url + path, timeout=60) as answer:
                assert answer.read(), path
        assert any("htmx-4.0.1" in path for path in named)
    finally:
        server.stop()
