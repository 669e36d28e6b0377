"""Signing in and out: with a one-time link, or with a key; from then on the browser holds a session in a cookie."""

from __future__ import annotations

from interlock.console.asked import Asked, Page, Sent, go
from interlock.console.door import Door, Refusal
from interlock.console.route import act, page
from interlock.service.sign_ins import LASTS_MS

UNSEEN_SITES = frozenset({"", "none", "same-origin"})


@page("/", open=True)
async def front(asked: Asked) -> Sent:
    """To where this person's work is."""
    who = asked.who
    if not who.secret:
        return go("/sign-in")
    return go("/inbox" if who.user and not who.may("updateQueue") else "/queues")


@page("/sign-in", open=True)
async def form(asked: Asked) -> Page | Sent:
    """The form; a link that somebody opened here signs in at once, one that another site leads to asks first."""
    code, to = asked.query.get("code", ""), _local(asked.query.get("next", ""))
    opened = asked.headers.get("sec-fetch-site", "") in UNSEEN_SITES and "sec-purpose" not in asked.headers
    if code and opened and asked.method == "GET":
        try:
            return await _signed_in(asked, code, to)
        except Refusal as no:
            return Page(template="sign_in.html", data={"said": no.title, "code": "", "next": to}, status=no.status)
    return Page(template="sign_in.html", data={"said": "", "code": code, "next": to})


@act("/sign-in", open=True)
async def sign_in(asked: Asked) -> Page | Sent:
    """A key or a code becomes a session."""
    given, to = asked.form.get("key", "").strip(), _local(asked.form.get("next", ""))
    try:
        return await _signed_in(asked, given, to)
    except Refusal as no:
        said = "This key opens nothing here." if no.status == 401 else no.title
        return Page(template="sign_in.html", data={"said": said, "code": "", "next": to}, status=no.status)


async def _signed_in(asked: Asked, secret: str, to: str) -> Sent:
    made = await asked.api.with_key(secret).send("POST", "/v1/sign-ins")
    return Sent(status=303, headers=[(b"location", (to or "/").encode()), _cookie(asked, made["meta"]["secret"])])


@act("/sign-out")
async def sign_out(asked: Asked) -> Sent:
    """The session ends, here and on the server."""
    door: Door = asked.api
    await door.ask("DELETE", "/v1/sign-ins/current")
    return Sent(status=303, headers=[(b"location", b"/sign-in"), _cookie(asked, "", 0)])


def _cookie(asked: Asked, secret: str, seconds: int = LASTS_MS // 1000) -> tuple[bytes, bytes]:
    """`Secure` wherever the browser came over TLS, also if a proxy ended it."""
    secure = "; Secure" if asked.headers.get("x-forwarded-proto", "").lower() == "https" else ""
    value = f"{asked.cookie}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", value.encode("latin-1")


def _local(path: str) -> str:
    """A path of this console, or nothing: a sign-in leads to no other site."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if fine else ""


@page("/live/check")
async def check(asked: Asked) -> Sent:
    """Whether the session still holds: a stream that broke cannot tell why."""
    return Sent(status=204)


ROUTES = (front, form, sign_in, sign_out, check)
