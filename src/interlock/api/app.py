"""The application: every operation on its address, and the framework's own errors in the shape of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from litestar import Litestar, Request
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from interlock.api import (
    abilities,
    api_keys,
    audit,
    bulk,
    changes,
    conversations,
    customers,
    dry_runs,
    events,
    explain,
    health,
    incidents,
    investigations,
    messages,
    notes,
    openapi,
    org_settings,
    overview,
    queue_metrics,
    queue_rules,
    queues,
    reference,
    replays,
    reservations,
    schedules,
    search,
    sign_ins,
    skill_rules,
    skills,
    statuses,
    supervision,
    teams,
    users,
    webhooks,
    wording,
    work_items,
    work_sessions,
    workflows,
)
from interlock.api.answer import Answer
from interlock.api.dispatch import fault_answer, problem_answer, respond, transmit
from interlock.api.host import Checks, Host, News, Settings, no_checks
from interlock.api.operation import Door, Operation, door
from interlock.api.problems import MethodNotAllowed, NoSuchRoute
from interlock.api.trace import Trace, trace_of
from interlock.domain.errors import Malformed, Problem
from interlock.domain.log import Row
from interlock.ports import World

NOUNS = (
    conversations,
    bulk,
    messages,
    notes,
    search,
    customers,
    users,
    webhooks,
    teams,
    wording,
    queues,
    supervision,
    queue_metrics,
    queue_rules,
    dry_runs,
    statuses,
    org_settings,
    schedules,
    skills,
    skill_rules,
    abilities,
    work_sessions,
    work_items,
    reservations,
    workflows,
    events,
    audit,
    changes,
    explain,
    overview,
    api_keys,
    sign_ins,
    investigations,
    incidents,
    replays,
    health,
)


def operations() -> Iterator[Operation]:
    """Every operation there is, noun by noun."""
    for noun in NOUNS:
        yield from noun.OPERATIONS


class Description:
    """The API's own description, made when it is first asked for."""

    def __init__(self, of: Sequence[Operation]) -> None:
        self._of = of

    @cached_property
    def openapi(self) -> bytes:
        """For programs."""
        return openapi.describe(self._of)

    @cached_property
    def page(self) -> bytes:
        """For people."""
        return reference.page(openapi.document(self._of))


class Sent:
    """An answer in the form in which the framework sends it."""

    def __init__(self, host: Host, answer: Answer, trace: Trace, headers: dict[bytes, bytes]) -> None:
        self._host, self._answer, self._trace, self._headers = host, answer, trace, headers

    def to_asgi_response(self, *_: Any, **__: Any) -> Sent:
        """Itself."""
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._host.metrics.observe(scope["method"], "unmatched", self._answer.status, 0.0)
        await transmit(self._answer, self._trace, [], send, self._headers, receive, head=scope["method"] == "HEAD")


class Place:
    """One address with the operations that it knows, by method; and those that look a record up by another name."""

    __slots__ = ("_doors", "_host", "_lookups")

    def __init__(self, host: Host, of: Sequence[Operation]) -> None:
        self._host = host
        self._doors: dict[str, Door] = {o.method: door(o) for o in of if not _LOOKUP.search(o.path)}
        if "GET" in self._doors:
            self._doors["HEAD"] = self._doors["GET"]
        found = ((_LOOKUP.search(o.path), o) for o in of)
        self._lookups = {m[1]: (m[2], door(o)) for m, o in found if m}

    @property
    def methods(self) -> list[Any]:
        """The methods that it knows."""
        return list(self._doors)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._lookups and scope["method"] in ("GET", "HEAD"):
            name, equals, value = scope["path_params"]["id"].partition("=")
            if equals and name in self._lookups:
                parameter, way = self._lookups[name]
                await respond(self._host, way, {**scope, "path_params": {parameter: value}}, receive, send)
                return
        await respond(self._host, self._doors[scope["method"]], scope, receive, send)


_LOOKUP = re.compile(r"/(\w+)=\{(\w+):str\}$")
"""`/v1/customers/email={email:str}`: the framework knows whole segments only, so it is found behind `{id}`."""


def _handlers(host: Host, of: Sequence[Operation]) -> list[HTTPRouteHandler]:
    """One handler per address: the framework finds the place and refuses other methods."""
    by_path: dict[str, list[Operation]] = {}
    for o in of:
        by_path.setdefault(_LOOKUP.sub("/{id:str}", o.path), []).append(o)
    return [_handler(path, Place(host, there)) for path, there in by_path.items()]


def _handler(path: str, place: Place) -> HTTPRouteHandler:
    async def handle() -> ASGIApp:
        return place

    return HTTPRouteHandler(path, http_method=place.methods, status_code=200, include_in_schema=False)(handle)


def _on_error(host: Host) -> Callable[[Request[Any, Any, Any], Exception], Any]:
    """What the framework itself refuses: no such address, no such method, a broken request."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Any:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        trace = trace_of(headers.get(b"traceparent"), host.world.ids.fresh)
        problem = _problem_of(error)
        if problem is None:
            return Sent(host, fault_answer(error, trace, headers, "framework"), trace, headers)
        out = problem_answer(problem, trace, headers)
        if isinstance(error, MethodNotAllowedException) and error.headers:
            out.headers = [*out.headers, (b"allow", error.headers.get("allow", "").encode())]
        return Sent(host, out, trace, headers)

    return answer


def _problem_of(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed("See Allow for the methods that it knows.")
    if isinstance(error, NotFoundException):
        return NoSuchRoute("See /docs for the addresses that there are.")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return Malformed(str(error.detail))
    return None


def build(
    world: World,
    *,
    settings: Settings | None = None,
    ready: Checks = no_checks,
    live: Checks = no_checks,
    news: News | None = None,
) -> Litestar:
    """The application over a world.

    Its state has `host`; `heard(rows)`, to be called with the rows of each commit (streams wake, figures are counted);
    and `end_streams()`, to be called when the server begins to stop.
    """
    host = Host(world, settings or Settings(), ready=ready, live=live, news=news)
    all_of_them = list(operations())
    host.description = Description(all_of_them)
    app = Litestar(
        route_handlers=_handlers(host, all_of_them),
        openapi_config=None,
        exception_handlers={Exception: _on_error(host)},
        debug=False,
        pdb_on_exception=False,
        logging_config=None,
        on_shutdown=[host.news.close],
    )
    app.state.host = host
    app.state.end_streams = host.news.close
    app.state.heard = _listener(host)
    return app


def _listener(host: Host) -> Callable[[Sequence[Row]], None]:
    def heard(rows: Sequence[Row]) -> None:
        for row in rows:
            host.metrics.decided(row)
        host.news.tell()

    return heard
