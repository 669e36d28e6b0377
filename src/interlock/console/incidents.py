"""Incidents: what the rules found in the own log, one entry for each kind."""

from __future__ import annotations

from interlock.console.asked import Asked, Page
from interlock.console.route import page


@page("/incidents", "listIncidents")
async def incidents(asked: Asked) -> Page:
    """Every kind, the gravest first."""
    told = (await asked.api.get("/v1/incidents"))["data"]
    order = ("high", "medium", "low")
    rows = sorted((i["attributes"] for i in told), key=lambda i: (order.index(i["severity"]), -i["count"]))
    return Page(template="incidents.html", data={"incidents": rows}, more={"topics": "incidents"})


ROUTES = (incidents,)
