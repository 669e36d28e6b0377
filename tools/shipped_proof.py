"""What `interlock prove --mutants --json` says, cut down to what the console shows: `src/interlock/console/proof.json`.

    interlock prove --budget 60s --random 40 --seed 1 --mutants --json | python tools/shipped_proof.py

A test holds it to the scenarios and mutants that there are, so that a release cannot ship an old one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from interlock.simulation.mutants import MUTANTS
from interlock.simulation.scenarios import SCENARIOS

PLACE = Path(__file__).parents[1] / "src" / "interlock" / "console" / "proof.json"


def shown(proof: dict[str, Any]) -> dict[str, Any]:
    """The proof as the page needs it: with words, without the counterexamples."""
    words = {s.name: s.words.strip().partition("\n")[0] for s in SCENARIOS}
    what = {m.name: m.words for m in MUTANTS}
    kept = ("name", "complete", "runs", "states", "violations", "drawn")
    return {
        "seed": proof["seed"],
        "seconds": proof["seconds"],
        "scenarios": [
            {**{k: s[k] for k in kept}, "words": words.get(s["name"], "The whole state space of the rule itself.")}
            for s in proof["scenarios"]
        ],
        "mutants": [
            {
                "name": m["name"],
                "caughtBy": m["caught_by"],
                "runs": m["runs_to_catch"],
                "words": what[m["name"]],
                "steps": len((m.get("counterexample") or {}).get("schedule", [])),
            }
            for m in proof["mutants"]
        ],
    }


if __name__ == "__main__":
    PLACE.write_text(json.dumps(shown(json.load(sys.stdin)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
