"""Investigate: paste a log, send a file, or take the incident of 2022; then its timeline, its verdict, a way on."""

from __future__ import annotations

from importlib.resources import files
from typing import Any
from urllib.parse import quote

from interlock.console import conversations, history, investigated, verdict
from interlock.console.asked import Asked, Page, Sent, go
from interlock.console.door import Json, Refusal
from interlock.console.names import Names
from interlock.console.route import act, page

SAMPLE = "incident.md"
FORMATS: tuple[tuple[str, str], ...] = (
    ("Incident document", "Markdown with blocks of JSON, as engineers write them"),
    ("JSON lines", "one event a line: CloudEvents, Debezium, Kubernetes audit, logs with a body"),
    ("JSON", "one document with a list of events"),
    ("Change streams", "CouchDB, MongoDB, Kafka dumps"),
    ("Tables", "CSV or TSV with id, rev, before and after"),
)


@page("/investigate", "createInvestigation")
async def form(asked: Asked) -> Page:
    """The paste box first, files second, the sample third."""
    return Page(template="investigate.html", data={"formats": FORMATS, "text": "", "said": ""})


@act("/investigate", "createInvestigation")
async def investigate(asked: Asked) -> Page | Sent:
    """What was pasted or sent, investigated."""
    text, sample = asked.form.get("text", ""), asked.form.get("sample", "")
    if sample:
        text = files("interlock.console").joinpath(SAMPLE).read_text("utf-8")
    body: Json = {"redact": asked.form.get("redact") == "on"}
    packed = asked.form.get("data", "")
    if packed:
        body["files"] = [{"name": asked.form.get("name", "file")[:200] or "file", "data": packed}]
    else:
        body["text"] = text
    try:
        made = await asked.api.send("POST", "/v1/investigations", body)
    except Refusal as no:
        if no.status not in (400, 413, 422):
            raise
        said = f"{no.title} {no.detail}"
        return Page(
            template="investigate.html", data={"formats": FORMATS, "text": text, "said": said}, status=no.status
        )
    return go(f"/investigate/{made['data']['id']}")


@page("/investigate/{id}", "getInvestigation")
async def result(asked: Asked) -> Page:
    """The result, conversation by conversation, the worst first."""
    id = asked.params["id"]
    told: Json = (await asked.api.get(f"/v1/investigations/{id}"))["data"]["attributes"]
    exports: Json = (await asked.api.get(f"/v1/investigations/{id}/exports"))["data"]["attributes"]
    timelines = told.pop("timelines")
    given = asked.query.get("of", "")
    which = min(int(given), len(timelines) - 1) if given.isdigit() and len(given) < 6 else 0
    chosen = timelines[which] if timelines else None
    every = investigated.rows_of(chosen, told["findings"]) if chosen else []
    data = {
        "id": id,
        "verdict": verdict.of_log(told),
        "told": told,
        "repairs": repairs_of(told),
        "others": [{"n": n, "left": t["left"]} for n, t in enumerate(timelines)],
        "which": which,
        "left": chosen["left"] if chosen else "",
        "right": chosen["right"] if chosen else "",
        "span": f"{chosen['span_ms']} ms" if chosen and chosen["span_ms"] is not None else "",
        "day": chosen["day"] if chosen else "",
        "markdown": exports["markdown"],
        "hasTest": exports["test"] is not None,
        "own": False,
        "step": 0,
        **conversations.view_of(asked, every),
    }
    return Page(template="investigation.html", data=data)


def repairs_of(told: Json) -> Json:
    """How many entries were repaired, how many of them provably, and each repair."""
    repairs = [{**r, "input": n, "name": i["name"]} for n, i in enumerate(told["inputs"]) for r in i["repairs"]]
    return {
        "all": repairs,
        "read": sum(i["entries"] for i in told["inputs"]),
        "proven": sum(r["proof"] == "proven" for r in repairs),
        "refused": [{**r, "name": i["name"]} for i in told["inputs"] for r in i["refused"]],
    }


@act("/investigate/{id}/again", "repeatInvestigation")
async def again(asked: Asked) -> Sent:
    """The same text with a repair taken back or given back, or redacted."""
    id = asked.params["id"]
    told: Json = (await asked.api.get(f"/v1/investigations/{id}"))["data"]["attributes"]
    undone = {(u["input"], u["line"]) for u in told["asked"]["undo"]}
    line, number = asked.form.get("line", ""), asked.form.get("input", "0")
    if line.isdigit() and number.isdigit():
        undone ^= {(int(number), int(line))}
    body = {"undo": [{"input": i, "line": n} for i, n in sorted(undone)], "redact": asked.form.get("redact") == "on"}
    made = await asked.api.send("POST", f"/v1/investigations/{id}/again", body)
    return go(f"/investigate/{made['data']['id']}#repairs")


@page("/investigate/{id}/{what}", "getInvestigationExports")
async def download(asked: Asked) -> Sent:
    """The report as Markdown, or the test or its history as a file."""
    told: Json = (await asked.api.get(f"/v1/investigations/{asked.params['id']}/exports"))["data"]["attributes"]
    test = told["test"] or {}
    offered: dict[str, tuple[str, str]] = {"report": ("incident.md", told["markdown"])}
    if test:
        offered |= {"test": (test["name"], test["text"]), "history": (test["historyName"], test["history"])}
    if asked.params["what"] not in offered:
        raise Refusal(404, {"title": "There is nothing to download under this name."})
    name, text = offered[asked.params["what"]]
    headers = [(b"content-disposition", f'attachment; filename="{quote(name)}"'.encode())]
    return Sent(body=text.encode(), media="text/plain; charset=utf-8", headers=headers)


@page("/replay", "replayIncident")
async def replay(asked: Asked) -> Page:
    """The incident played on the production code: with the guard, and without it, side by side."""
    runs: list[Json] = (await asked.api.get("/v1/replays/incident"))["data"]["attributes"]["runs"]
    shown: list[Json] = [_run(asked, run) for run in runs]
    return Page(template="replay.html", data={"runs": shown})


def _run(asked: Asked, run: Json) -> Json:
    names = Names(None, run["names"])
    every = history.rows_of(run["data"], run["included"], names)
    first = next((n for n, r in enumerate(every) if r["right"]), 0)
    states: Json = {"conversation": None, "work_item": None}
    for row in every:
        states |= row["state"]
    said: Any = run["findings"]
    grave = [f for f in said if f["severity"] != "low"]
    if grave:
        told = {"findings": said, "verdict": run["verdict"], "headline": run["headline"]}
        box = verdict.of_log(told)
    else:
        box = verdict.of_own({"findings": [], "verdict": "sound"}, every, states, names, every[-1]["at"])
    lost = next((f for f in grave if f["id"] == "R1"), None)
    if lost is not None:
        _mark(every, lost)
    for id, name in run["names"].items():
        box["sentence"] = box["sentence"].replace(id, name)
    view = conversations.view_of(asked, every[first:])
    return {"name": run["name"], "words": run["words"], "verdict": box, "broken": run["broken"],
            "heads": conversations.named_heads(states, names), **view}  # fmt: skip


def _mark(rows: list[Json], lost: Json) -> None:
    """The decision that a finding is about, with what its writer had seen set beside the check that let it pass."""
    for row in rows:
        if row["left"] is not None and row["left"]["rev"] == lost["rev"]:
            row["card"] |= {"tone": "bad", "mark": "✕", "outcome": "should not have applied"}
            row["card"]["facts"] += [
                {"label": "had seen", "text": f"conversation rev {lost['saw']}: {lost['unseen']} revisions unseen"},
                {"label": "sent rev", "text": f"{lost['guard']}, the newest: a version check alone lets it pass"},
            ]


ROUTES = (form, investigate, result, again, download, replay)
