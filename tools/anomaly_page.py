"""Writes docs/reference/anomalies.md from the catalogue, the detectors' own definitions and the witness histories.

`python tools/anomaly_page.py` writes the page; a test refuses one that is stale.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from interlock.investigation.anomalies import CATALOGUE, NEVER_ALONE, Anomaly
from interlock.investigation.detectors.capacity import over_capacity
from interlock.investigation.detectors.table import DETECTORS
from interlock.investigation.finding import Limits

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "reference" / "anomalies.md"
HISTORIES = PROJECT / "tests" / "histories"


def head() -> str:
    """What holds for all of them."""
    limits = Limits()
    alone = ", ".join(sorted(NEVER_ALONE, key=lambda r: int(r[1:])))
    rows = "\n".join(
        f"| [{a.id}](#{a.id.lower()}-{a.name}) | {a.name} | {_severity(a)} | {a.definition} |"
        for a in CATALOGUE.values()
    )
    return f"""# Anomalies

What `interlock investigate` looks for, and `interlock serve` in its own log. The ids and names are an interface:
reports, metrics and exit codes use them. This page is written by `tools/anomaly_page.py` from the catalogue and the
detectors.

**Severity.** *high*: intent or data lost. *medium*: wrong, or visible to users. *low*: evidence or hygiene.

**Certainty.** *proven*: it follows from what the log says. *inferred*: it rests on clocks, crosses versions that
the log does not show, or rests on a guessed value; the finding says which. *possible*: a version that the log does
not show may explain it otherwise. A proven medium ranks over an inferred high.

**Verdict.** *broken*: at least one finding of high or medium that is proven or inferred, not counting {alone},
which say that evidence is missing or a value moved. *unknown*: none, but something was in the way: holes that a
decision spans, guessed or refused entries, or nothing that could be held against anything. *sound*: neither.

**Windows.** Revert {_s(limits.revert_ms)}, flapping {_s(limits.flapping_ms)}, at rest {_s(limits.rest_ms)} (15 s in
the running service), lease {_s(limits.lease_ms)}.

**Big logs.** A log that does not fit into memory is screened first, from small rows: a conversation that the screen
calls boring has no finding of high or medium, gaps (R5) apart, which are reported from the rows. A conversation
that changed fields beyond users, queue and status is always looked at in full. Low findings of boring conversations
are counted, not listed; R15 and R18 are not counted in them. R26 is a second pass, by user.

| | name | severity | |
|---|---|---|---|
{rows}
"""


def _s(ms: int) -> str:
    return f"{ms // 1000} s" if ms < 120_000 else f"{ms // 60_000} min"


def _severity(a: Anomaly) -> str:
    return f"{a.severity}, or {a.lesser}" if a.lesser else a.severity


def section(a: Anomaly) -> str:
    """One rule."""
    detect = DETECTORS.get(a.id, over_capacity)
    told = inspect.cleandoc(detect.__doc__ or "")
    return (
        f"\n## {a.id} {a.name}\n\n**{_severity(a)}.** {a.definition}\n\n{told}\n\n"
        f"Not to be fooled by: {a.fooled_by}.\n\n"
        "Smallest witness (the notation is that of `tests/histories/README.md`):\n\n"
        f"```\n{witness(a.id)}\n```\n"
    )


def witness(rule: str) -> str:
    """The first line of the rule's file, one entry a line."""
    file = HISTORIES / f"R{int(rule[1:]):02d}.hist"
    line = next(x for x in file.read_text(encoding="utf-8").splitlines() if x and not x.startswith("#"))
    told, _, expected = line.partition("::")[2].rpartition("=>")
    return "\n".join(e.strip() for e in told.split(" | ")) + f"\n=> {expected.strip()}"


def page() -> str:
    """The whole page."""
    return head() + "".join(section(a) for a in CATALOGUE.values())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
