"""One server and one Chromium for all journeys; a page on which anything that goes wrong fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.console.server import Server

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
)  # fmt: skip
PATIENCE_MS = 30_000
EXPECTED = ("Failed to load resource", "net::ERR_", "htmx:error: Failed to fetch")
Open = Callable[..., Any]


@pytest.fixture(scope="module")  # no longer: while it is open, no test of this process can run an event loop
def chromium() -> Iterator[Any]:
    """The browser; skipped by name where there is none."""
    path = os.environ.get("INTERLOCK_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here; INTERLOCK_CHROMIUM names one")
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with nothing on it."""
    running = Server(tmp_path_factory.mktemp("console"))
    yield running
    running.stop()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """Opens a page, signed in by a link. Errors on it, and requests to other hosts, fail the test at its end.

    `away`: requests will fail on purpose, so a failed one is no news. `context`: of another page.
    """
    wrong: list[str] = []
    contexts: list[Any] = []

    def open_(link: str, path: str = "", *, away: bool = False, context: Any = None, **options: Any) -> Any:
        if context is None:
            context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
            context.set_default_timeout(PATIENCE_MS)
            contexts.append(context)
        page = context.new_page()
        host = urlsplit(link).netloc
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda m: _heard(m, page, wrong, away=away))
        page.on("request", lambda r: urlsplit(r.url).netloc not in (host, "") and wrong.append(f"asked {r.url}"))
        page.goto(link)
        if path:
            page.goto(f"http://{host}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def _heard(message: Any, page: Any, wrong: list[str], *, away: bool) -> None:
    if message.type == "error" and not (away and any(text in message.text for text in EXPECTED)):
        wrong.append(f"{page.url}: {message.text}")


@pytest.fixture
def picture() -> Callable[[Any, str], None]:
    """Keeps a picture of a page where `INTERLOCK_PICTURES` names a folder: those of the docs are made so."""
    folder = os.environ.get("INTERLOCK_PICTURES")

    def keep(page: Any, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled", caret="hide")

    return keep
