"""In CI a skipped test is a failed one, and says why it was skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="no browser here")
def test_skipped(): pass

def test_skips_itself(): pytest.skip("no server here")

@pytest.mark.optional
def test_may_be_skipped(): pytest.skip("no second Python here")

@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""
MODULE = "import pytest\npytest.skip('no driver here', allow_module_level=True)\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A small suite that skips in every way, under our own conftest."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = optional: may be skipped\n")
    pytester.makepyfile(test_some=TESTS, test_module=MODULE)
    return pytester


def test_skips_are_skips_by_default(suite: pytest.Pytester) -> None:
    result = suite.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)


def test_skips_fail_where_asked(suite: pytest.Pytester) -> None:
    result = suite.runpytest("-p", "no:cacheprovider", "--skips-fail", "--continue-on-collection-errors")
    result.assert_outcomes(passed=1, failed=1, skipped=1, xfailed=1, errors=2)
    result.stdout.fnmatch_lines_random(["*no browser here*", "*no server here*", "*no driver here*"])
    assert result.ret != 0
