"""`interlock prove`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli import output
from interlock.cli.failure import DONE, FOUND, USAGE, Failure
from interlock.cli.output import Json

if TYPE_CHECKING:
    from interlock.simulation.prove import Caught, Proof, Proven

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def prove(
    *, scenario: str = "", budget: str = "60s", random: int = 0, seed: int = 0, mutants: bool = False,
    report: Path | None = None, json: Json = False,
) -> int:  # fmt: skip
    """Explore the interleavings of the sync on the production code, and say how far. Exit 3 if anything broke.

    Example: interlock prove --budget 30s --mutants --report proof

    Parameters
    ----------
    scenario
        Only this one; an unknown name lists them all.
    budget
        Wall clock for the scenarios: 30s, 5m, 1h, or none. What was cut by it is said to be cut.
    random
        So many random runs of each scenario beside the exhaustive search.
    seed
        The first seed of the random runs.
    mutants
        Also play the known-bad variants: each has to be caught by its invariant.
    report
        Write the proof page and a file for every counterexample into this folder.
    """
    from interlock.simulation import prove as proving
    from interlock.simulation.scenarios import SCENARIOS

    seconds = _seconds(budget)
    try:
        proof = proving.prove(
            scenario, budget_s=seconds, random=random, seed=seed, mutants=mutants, told=_quiet if json else _tell
        )
    except KeyError:
        names = ", ".join([proving.CORE, *(s.name for s in SCENARIOS)])
        raise Failure(f"there is no scenario {scenario}", f"there are {names}", "interlock prove", code=USAGE) from None
    if report is not None:
        _write(proof, report)
    if json:
        import msgspec

        output.document(msgspec.to_builtins(proof))
    else:
        _sum_up(proof, report)
    return DONE if proof.holds else FOUND


def _seconds(budget: str) -> float | None:
    if budget == "none":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", budget)
    if found is None:
        raise Failure(f"{budget!r} is no budget", "it is a number with s, m or h, or none", "--budget 60s", code=USAGE)
    return float(found[1]) * _UNITS[found[2]]


def _quiet(_: Proven | Caught) -> None:
    """Nothing is said before the document."""


def _tell(one: Proven | Caught) -> None:
    from interlock.simulation.prove import Proven

    if isinstance(one, Proven):
        far = "every interleaving" if one.complete else "cut"
        broke = ", ".join(f"{k} in {n}" for k, n in one.broken.items()) or "holds"
        drawn = f", {one.drawn:,} drawn" if one.drawn else ""
        output.line(f"{one.name:<18} {broke}: {one.runs:,} runs, {far}{drawn} ({one.seconds:.1f} s)")
    else:
        how = f"caught by {one.caught_by} after {one.runs_to_catch:,} runs" if one.caught_by else "GOT AWAY"
        steps = f", {len(one.counterexample.schedule)} steps" if one.counterexample else ""
        output.line(f"{one.name:<18} {how}{steps}: {one.words}")


def _sum_up(proof: Proof, report: Path | None) -> None:
    cut = [s.name for s in proof.scenarios if not s.complete]
    if cut:
        output.hint(f"cut by the budget, so not every interleaving was seen: {', '.join(cut)}")
    if report is not None:
        output.hint(f"the page: {report / 'index.html'}")
    output.line("it holds" if proof.holds else "something broke")


def _write(proof: Proof, folder: Path) -> None:
    from interlock.simulation import counterexample, proof_page
    from interlock.simulation.prove import files

    folder.mkdir(parents=True, exist_ok=True)
    for name, example in files(proof):
        (folder / name).write_bytes(counterexample.encode(example))
    (folder / "index.html").write_text(proof_page.page(proof), encoding="utf-8")
