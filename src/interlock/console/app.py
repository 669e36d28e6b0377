"""The console as an ASGI application in front of the API: it answers its own pages, and hands everything else on."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from interlock.console import pages
from interlock.console.asked import NOBODY, Asked, Done, Headers, Missing, Page, Sent, Who, cookies, go, pairs
from interlock.console.door import App, Door, Json, Receive, Refusal, Scope, Send
from interlock.console.rendering import Rendering
from interlock.console.route import Route
from interlock.console.statics import Statics

FORM_MAX = 12_000_000
"""Bytes of a form: a pasted log and its files; the API holds them to its own limit."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
EVERYWHERE: Headers = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
YEAR: Headers = [(b"cache-control", b"public, max-age=31536000, immutable"), (b"vary", b"accept-encoding")]
PASSING = frozenset({"at", "now", "position"})
"""What differs between two answers that show the same."""
OWN_SITE = frozenset({"", "same-origin", "none"})
_log = structlog.get_logger("interlock")


class TooLong(Exception):
    """The form has more bytes than are taken."""


class Console:
    """The console over an API. `environment`: a word in the head of each page that says which server this is."""

    def __init__(self, api: App, *, environment: str = "") -> None:
        self._api = api
        self.statics = Statics()
        self.rendering = Rendering(self.statics, environment)
        self._routes = [(r, _pattern(r.path)) for r in pages.ROUTES]
        self._first = {r.path.split("/")[1].split("{")[0] for r in pages.ROUTES} | {"static", "live"}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request. What is no page of the console's is the API's."""
        if scope["type"] != "http" or not self._is_ours(scope["path"]):
            await self._api(scope, receive, send)
            return
        if scope["path"].startswith(Statics.PREFIX):
            await _transmit(self._static(scope), scope, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        name = cookie_name(headers)
        secret = cookies(headers.get("cookie", "")).get(name, "")
        door = Door(self._api, secret, scope.get("client"))
        if scope["path"] == "/live":
            await self._live(door, headers, scope, receive, send)
            return
        try:
            body = await _form(scope, receive)
        except TooLong:
            await _transmit(Sent(status=413, body=b"Too long.", media="text/plain"), scope, send)
            return
        asked = Asked(
            method=scope["method"], path=scope["path"], query=pairs(scope["query_string"].decode("latin-1")),
            headers=headers, form=body, cookie=name, who=NOBODY, api=door,
        )  # fmt: skip
        await _transmit(await self._answer(asked), scope, send)

    def _is_ours(self, path: str) -> bool:
        return path.split("/", 2)[1].removesuffix(".json") in self._first and path != "/openapi.json"

    async def _live(self, door: Door, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        """The API's own stream of changes, with the session's key."""
        kept = {"accept": "text/event-stream"}
        if "last-event-id" in headers:
            kept["last-event-id"] = headers["last-event-id"]
        query = scope["query_string"].decode("latin-1")
        await self._api(door.scope("GET", "/v1/changes", query, kept), receive, send)

    def _static(self, scope: Scope) -> Sent:
        found = self.statics.get(scope["path"])
        if found is None or scope["method"] not in ("GET", "HEAD"):
            return Sent(status=404, body=b"There is no such file.", media="text/plain")
        packed = any(k == b"accept-encoding" and b"gzip" in v for k, v in scope["headers"])
        more: Headers = [(b"content-encoding", b"gzip")] if packed else []
        return Sent(body=found.packed if packed else found.body, media=found.media, headers=[*YEAR, *more])

    async def _answer(self, asked: Asked) -> Sent:
        route, params, twin = self._match(asked.method, asked.path)
        asked.params, asked.twin = params, twin
        if twin:
            asked.path = asked.path.removesuffix(".json")
        try:
            asked.who = await _who(asked.api)
            if route is None:
                raise Missing
            if not route.open:
                self._admit(asked, route)
            if asked.method == "POST":
                _same_site(asked)
            answer = await route.do(asked)
            if isinstance(answer, Done):
                return self.rendering.done(asked, answer)
            return answer if isinstance(answer, Sent) else await self._page(asked, answer)
        except Missing:
            return self.rendering.trouble(asked, 404, "There is no such page", "Or it is not for your role.")
        except Refusal as no:
            return self._refused(asked, no)
        except Exception as fault:  # noqa: BLE001 every fault of ours ends as one page that tells nothing of the inside
            _log.error("console_failed", path=asked.path, exc_info=fault)
            return self.rendering.trouble(asked, 500, "This is a fault of ours", "The server's log has it all.")

    def _match(self, method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
        method = "GET" if method == "HEAD" else method
        for twin in (False, True):
            if twin and not path.endswith(".json"):
                break
            for route, pattern in self._routes:
                found = pattern.fullmatch(path.removesuffix(".json") if twin else path)
                if found and route.method == method and (not twin or method == "GET"):
                    return route, found.groupdict(), twin
        return None, {}, False

    def _admit(self, asked: Asked, route: Route) -> None:
        if not asked.who.secret:
            raise Refusal(401, {"code": "UNAUTHENTICATED", "title": "Your session is over."})
        if not all(asked.who.may(needed) for needed in route.needs):
            raise Missing

    async def _page(self, asked: Asked, page: Page) -> Sent:
        if asked.twin:
            body = msgspec.json.encode(page.data, enc_hook=str)
            return Sent(status=page.status, body=body, media="application/json", headers=[*page.headers, *_tag(body)])
        if asked.region:
            return self._region(asked, page)
        if asked.who.secret and "position" not in page.data:
            told = await asked.api.maybe("/v1/changes")
            page.data["position"] = told["meta"]["position"] if told else 0
        body = self.rendering.page(asked, page)
        return Sent(status=page.status, body=body, headers=[*page.headers, *_tag(body)])

    def _region(self, asked: Asked, page: Page) -> Sent:
        """A part of a page. Its tag is made of the data, not of the markup: what is known already is not rendered.

        The time of the answer is no news: distances on a page are counted on by the page itself.
        """
        shown = {k: v for k, v in page.data.items() if k not in PASSING}
        said = [asked.url(), asked.region, asked.who.tag, self.rendering.build, shown, page.more]
        headers = [*page.headers, *_tag(msgspec.json.encode(said, enc_hook=str))]
        if page.status == 200 and _knows(asked.headers.get("if-none-match", ""), headers):
            return Sent(status=304, headers=headers)
        return Sent(status=page.status, body=self.rendering.page(asked, page), headers=headers)

    def _refused(self, asked: Asked, no: Refusal) -> Sent:
        if no.status == 401:
            if asked.by_script or asked.twin or asked.method == "POST":
                return self.rendering.trouble(asked, 401, "You are signed out", "Sign in again to go on.", sign_in=True)
            return go(f"/sign-in?next={quote(asked.url(), safe='')}" if asked.method == "GET" else "/sign-in")
        return self.rendering.trouble(asked, no.status, no.title, no.detail, code=no.code)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_-]{1,64})", path))


async def _who(api: Door) -> Who:
    """Whose session this is; nobody's if its key opens nothing any more."""
    if not api.signed_in:
        return NOBODY
    answer = await api.ask("GET", "/v1/sign-ins/current")
    if answer.status != 200:
        return NOBODY
    told: Json = answer.document["data"]["attributes"]
    return Who(
        name=told["name"], roles=tuple(told.get("roles", ())), user=told.get("user") or "", secret=api.secret,
        ends=told.get("expiresAt", ""),
    )  # fmt: skip


def _same_site(asked: Asked) -> None:
    """Raises for a form that another site sent: by what the browser says of it, and by the token it lacks."""
    site = asked.headers.get("sec-fetch-site", "")
    origin = asked.headers.get("origin", "")
    foreign = site not in OWN_SITE or (
        origin not in ("", "null") and urlsplit(origin).netloc != asked.headers.get("host")
    )
    token = asked.headers.get("x-csrf-token") or asked.form.pop("csrf", "")
    asked.form.pop("csrf", "")
    if foreign or (asked.who.secret and not hmac.compare_digest(token.encode(), asked.who.csrf.encode())):
        raise Refusal(403, {"code": "OTHER_SITE", "title": "This form was not sent from this console.",
                            "detail": "Reload the page and try again."})  # fmt: skip


def cookie_name(headers: dict[str, str]) -> str:
    """One name for each port: cookies do not tell the servers of one host apart."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"interlock_{port}" if port.isdigit() else "interlock"


async def _form(scope: Scope, receive: Receive) -> dict[str, str]:
    """The form of a POST, plain or with files; anything else has none."""
    if scope["method"] != "POST":
        return {}
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        if len(body) > FORM_MAX:
            raise TooLong
        if not message.get("more_body"):
            break
    return pairs(body.decode("utf-8", "replace"))


def _tag(body: bytes) -> Headers:
    tag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    return [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache"), (b"vary", b"cookie, hx-request")]


def _knows(given: str, headers: Headers) -> bool:
    """Whether If-None-Match names the tag that is about to be sent."""
    tag = dict(headers).get(b"etag", b"").decode("latin-1")
    return bool(tag) and tag in [t.strip() for t in given.split(",")]


async def _transmit(sent: Sent, scope: Scope, send: Send) -> None:
    headers: Headers = [*sent.headers, *EVERYWHERE]
    names = dict(sent.headers)
    given = next((v for k, v in scope["headers"] if k == b"if-none-match"), b"")
    known = _knows(given.decode("latin-1"), sent.headers)
    status, body = (304, b"") if known and sent.status == 200 else (sent.status, sent.body)
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    if status not in (204, 304):
        headers += [(b"content-type", sent.media.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    out: Any = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": out})
