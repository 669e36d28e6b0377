"""The server itself: its checks, its log, its version; and the proof that is shipped with it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import msgspec

from interlock import __version__
from interlock.console.asked import Asked, Page
from interlock.console.route import page

PROOF = "proof.json"
_CHECK = re.compile(r"\[([+-])\] (\S+) ?(.*?)(?: \(limit (.*)\))?")


@page("/system", "getOverview")
async def system(asked: Asked) -> Page:
    """Every check with its value and its limit."""
    answer = await asked.api.ask("GET", "/readyz", query={"verbose": "true"}, accept="text/plain")
    lines = answer.body.decode("utf-8", "replace").splitlines()
    found = [m for line in lines if (m := _CHECK.fullmatch(line))]
    checks = [{"ok": m[1] == "+", "name": m[2], "value": m[3], "limit": m[4] or ""} for m in found]
    now = (await asked.api.get("/v1/changes"))["meta"]
    data = {
        "ok": answer.status == 200,
        "checks": checks,
        "at": now["at"],
        "logPosition": now["position"],
        "build": now["build"],
    }
    return Page(template="system.html", data=data, more={"topics": "system"})


@page("/proof", "getOverview")
async def proof(asked: Asked) -> Page:
    """What is proven, how far it was searched, and what is not."""
    told: dict[str, Any] = msgspec.json.decode(files("interlock.console").joinpath(PROOF).read_bytes())
    scenarios, mutants = told["scenarios"], told["mutants"]
    data = {
        "version": __version__,
        "holds": not any(s["violations"] for s in scenarios) and all(m["caughtBy"] for m in mutants),
        "runs": sum(s["runs"] for s in scenarios),
        "seconds": told["seconds"],
        "seed": told["seed"],
        "scenarios": scenarios,
        "mutants": mutants,
    }
    return Page(template="proof.html", data=data)


ROUTES = (system, proof)
