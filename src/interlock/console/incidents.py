"""Incidents: what the rules found in the own log, one entry for each kind, and how far somebody is with it."""

from __future__ import annotations

from interlock.console.asked import Asked, Done, Missing, Page
from interlock.console.door import Json
from interlock.console.route import act, page

STATES = ("open", "acknowledged", "closed")
ACTS = {"acknowledge": "acknowledged", "close": "closed", "reopen": "open"}
SEVERITIES = ("high", "medium", "low")


@page("/incidents", "listIncidents")
async def incidents(asked: Asked) -> Page:
    """Every kind in one state, the gravest first; without a state those that are not closed."""
    told = [{"id": i["id"], **i["attributes"]} for i in (await asked.api.get("/v1/incidents"))["data"]]
    told.sort(key=lambda i: (STATES.index(i["state"]), SEVERITIES.index(i["severity"] or "low"), -i["count"]))
    wanted = asked.query.get("state", "")
    wanted = wanted if wanted in STATES else ""
    shown = [i for i in told if (i["state"] == wanted if wanted else i["state"] != "closed")]
    counts = {s: sum(i["state"] == s for i in told) for s in STATES}
    data = {"incidents": shown, "state": wanted, "counts": counts}
    return Page(template="incidents.html", data=data, more={"topics": "incidents"})


@act("/incidents/{id}/{act}", "updateIncident")
async def say(asked: Asked) -> Done:
    """Acknowledge it, close it with a reason, open it again; refused if somebody said something else meanwhile."""
    state = ACTS.get(asked.params["act"])
    if state is None:
        raise Missing
    rev = asked.form.get("rev", "0")
    body: Json = {"state": state, "reason": asked.form.get("reason", "")}
    if rev.isdigit() and len(rev) < 16 and int(rev):
        body["rev"] = int(rev)
    await asked.api.send("PUT", f"/v1/incidents/{asked.params['id']}", body, once=asked.form.get("once", ""))
    said = {"open": "It is open again.", "closed": "Closed.", "acknowledged": "Acknowledged: it is yours."}[state]
    detail = "If it is found again, it opens by itself." if state == "closed" else ""
    return Done(title=said, detail=detail, changed=("incidents",), back="/incidents")


ROUTES = (incidents, say)
