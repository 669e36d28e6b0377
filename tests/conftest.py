"""What every test session shares: `--skips-fail`, with which CI turns a skipped test into a failed one, and no limit of
time for long runs.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
import structlog
from hypothesis import settings

pytest_plugins = ["tests.nats_node", "tests.orgs", "tests.postgres"]

# On the build server every run draws the same cases, so that what lands is what was tried; elsewhere each run looks
# further. How long a case takes is the machine's affair and fails nothing.
settings.register_profile("build", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("build" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def log_as_it_was() -> Generator[None]:
    """A command under test sets up the process's log on the stream of its own test, which is closed after it."""
    yield
    structlog.reset_defaults()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that CI gives: whatever could not run there counts as broken, unless it is marked `optional`."""
    parser.addoption("--skips-fail", action="store_true", help="a skipped test is a failure, unless marked optional")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long runs end by their own clock."""
    for item in items:
        if item.get_closest_marker("soak") is not None:
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the report of a skipped test into one of a failed test."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("optional") is not None
    if report.skipped and not expected and item.config.getoption("--skips-fail"):
        fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that was skipped while it was read."""
    report = yield
    if report.skipped and collector.config.getoption("--skips-fail"):
        fail(report)
    return report


def fail(report: Any) -> None:
    """Make a skip a failure that says why it was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome, report.longrepr = "failed", f"counts as a failure here: {reason}"
