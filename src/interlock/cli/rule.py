"""`interlock rule dry-run` and `interlock rule evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.failure import DONE, USAGE, Failure
from interlock.cli.output import Json

HERE = Server()
PATH = "/v1/routing/queue-rules"
Rules = Annotated[Path | None, Parameter(name=["--files", "-f"])]
PATIENCE_S = 300


def dry_run(
    *, files: Rules = None, conversation: str | None = None, last: int | None = None, from_: str | None = None,
    to: str | None = None, items: int = 20, server: Annotated[Server, Parameter(name="*")] = HERE, json: Json = False,
) -> int:  # fmt: skip
    """Try queue rules on what was: per queue before and after, which items change and why. Nothing is written.

    Example: interlock rule dry-run -f config --from 2026-03-02T00:00:00Z

    What the rules matched then is replayed exactly. Runs of which the log does not have what was seen are left out, and
    counted.

    Parameters
    ----------
    files
        The rules to try: a folder, a file or -, as for apply. Without it the rules that the server has.
    conversation
        Only this conversation.
    last
        Only the last so many runs; 1000 if nothing else is said.
    from_
        Only from this time on (RFC 3339).
    to
        Only before this time.
    items
        How many changed items to list.
    """
    connection = Connection(server)
    spans = {"conversation": conversation, "last": last, "from": from_, "to": to}
    body: dict[str, Any] = {k: v for k, v in spans.items() if v is not None} | {"items": items}
    told = _ask(connection, "dry-run", body | _drafts(connection, files), files)
    if json:
        output.document(told)
        return DONE
    rows = [(q["key"] or q["name"], q["before"], q["after"], q["in"], q["out"]) for q in told["queues"]]
    output.table(("queue", "before", "after", "in", "out"), rows)
    output.line(f"{told['changed']} of {told['runs']} would have gone elsewhere")
    for item in told["items"]:
        way = f"{_name(item['before'])} → {_name(item['after'])}"
        output.line(f"  {item['conversation']}  {way}: {item['because']}")
    left = told["leftOut"]
    if left["count"]:
        because = ", ".join(f"{n} × {why}" for why, n in left["because"].items())
        output.hint(f"{left['count']} left out, for their history was not recorded: {because}")
    output.hint(f"exact: {told['exact']}")
    return DONE


def evaluate(
    conversation: str, *, files: Rules = None, now: bool = False,
    server: Annotated[Server, Parameter(name="*")] = HERE, json: Json = False,
) -> int:  # fmt: skip
    """Each queue rule against one conversation, with the first condition that fails. Nothing is written.

    Example: interlock rule evaluate 621fc1d36a39b4aa389cb72b

    Parameters
    ----------
    conversation
        Its id. It is judged as the rules saw it when they last ran on it.
    files
        The rules to try: a folder, a file or -, as for apply. Without it the rules that the server has.
    now
        Judge it as it is now.
    """
    connection = Connection(server)
    body = {"conversation": conversation, "now": now} | _drafts(connection, files)
    told = _ask(connection, "evaluate", body, files)
    if json:
        output.document(told)
        return DONE
    when = "as it was at" if told["asItWas"] else "as it is at"
    output.line(f"conversation {conversation} rev {told['conversation']['rev']}, {when} {told['at']}")
    for r in told["rules"]:
        output.line(f"{'✓' if r['holds'] else '✗'} {r['position']}. {r['name']}{_why(r)}")
    output.line(f"→ {_name(told['queue'])}")
    return DONE


def _why(r: Mapping[str, Any]) -> str:
    failed = r["firstFailing"]
    if failed:
        fields = f"one of {', '.join(failed['oneOf'])}" if "oneOf" in failed else failed["field"]
        return f": {fields} {failed['operator']} {failed['wanted']!r} fails, it is {failed['found']!r}"
    if not r["enabled"]:
        return ": switched off"
    if r["passedOver"]:
        return ": passed over, its queue is not there"
    return ": chosen" if r["chosen"] else ": holds, but an earlier rule does too" if r["hiddenBy"] else ""


def _name(queue: Mapping[str, Any]) -> str:
    return str(queue["key"] or queue["name"] or queue["queue"])


def _drafts(connection: Connection, files: Path | None) -> dict[str, Any]:
    """The rules of these files as the API takes them; one that a stored rule is called like stands for that."""
    if files is None:
        return {}
    from interlock.cli.configuration.present import look
    from interlock.cli.configuration.reading import labelled, read

    wanted = read(files).get("queueRules")
    if wanted is None:
        raise Failure(f"{files} has no queueRules", next="interlock export shows what they look like", code=USAGE)
    present = look(connection, frozenset({"queues", "queueRules"}))
    drafts: list[dict[str, Any]] = []
    for label, entry in labelled(wanted):
        draft = {k: v for k, v in entry.values.items() if v is not None}
        queue = draft.pop("queue", None)
        if queue is not None:
            known = present.ids["queues"].get(queue)
            draft |= {"queue": known} if known else {"queueKey": queue}
        stored = present.ids["queueRules"].get(label)
        drafts.append(draft | ({"id": stored} if stored else {}))
    return {"rules": drafts}


def _ask(connection: Connection, what: str, body: Mapping[str, Any], files: Path | None) -> Any:
    answer = connection.send("POST", f"{PATH}/{what}", body, timeout_s=PATIENCE_S)
    if answer.status == 200:
        return answer.json()["data"]["attributes"]
    errors = answer.json()["errors"]
    told = [f"{e['code']}: {e['detail']} {_where(e)}".strip() for e in errors]
    code = USAGE if answer.status in (400, 422) else 1
    raise Failure(str(errors[0]["title"]), "\n        ".join(told), code=code)


def _where(error: Mapping[str, Any]) -> str:
    pointer = (error.get("source") or {}).get("pointer")
    return f"(at {pointer})" if pointer else ""
