"""What is shipped: the wheel, installed with no checkout beside it, serves every page and every file that a page names.

It stands in an environment of its own, put there by pip. There is no network in a test, so its dependencies are the
copies of this environment, but only those that the wheel's own metadata asks for, and what these ask for: a package
that is used and not declared is missing there, as it would be at a user's.
"""

from __future__ import annotations

import ensurepip
import os
import re
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.console.server import Server

PROJECT = Path(__file__).resolve().parents[2]
SCREENS = (
    "/queues", "/conversations", "/compare", "/incidents", "/investigate", "/rules", "/settings",
    "/settings/routing/org", "/proof", "/system", "/replay",
)  # fmt: skip
STEP_MAX_S = 120


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment in which the wheel is installed."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=PROJECT)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder / "env"))
    python = folder / "env/bin/python"
    (pip,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    run(str(python), f"{pip}/pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel))
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    (info,) = site.glob("interlock-*.dist-info")
    for dependency in asked_for(Distribution.at(info)):
        lend(dependency, site)
    return python


def run(*command: str, cwd: Path | None = None) -> str:
    """A command that has to succeed within its time; what it printed."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=STEP_MAX_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def asked_for(wheel: Distribution) -> list[Distribution]:
    """What a package requires here, without its extras, and what that requires, each once."""
    here = {canonicalize_name(d.name) for d in distributions()}
    found: dict[str, Distribution] = {}
    wanted = [(wheel, frozenset[str]())]
    while wanted:
        package, extras = wanted.pop()
        for line in package.requires or ():
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            marker = needed.marker
            applies = marker is None or any(marker.evaluate({"extra": e}) for e in (extras or {""}))
            if not applies or name in found:
                continue
            assert name in here, f"{package.name} needs {needed.name}, which is not installed here"
            found[name] = distribution(name)
            wanted.append((found[name], frozenset(needed.extras)))
    return list(found.values())


def lend(package: Distribution, site: Path) -> None:
    """Links a package's own files into another environment."""
    own = {file.parts[0] for file in package.files or () if not file.parts[0].startswith((".", "/", "_virtualenv"))}
    for name in own - {"__pycache__", "bin"}:
        if not (site / name).exists():
            (site / name).symlink_to(Path(str(package.locate_file(name))))


@pytest.mark.slow
def test_the_installed_wheel_serves_every_screen_and_every_file_it_names(installed: Path, tmp_path: Path) -> None:
    where = run(str(installed), "-P", "-c", "import interlock, sys; sys.stdout.write(interlock.__file__)")
    assert where.startswith(str(installed.parent.parent / "lib"))
    assert "serve" in run(str(installed.parent / "interlock"), "--help")
    server = Server(tmp_path, python=installed)
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
