"""One request to the console, who sent it, and what goes back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from interlock.api.app import operations
from interlock.console.door import Door
from interlock.domain.access import allowed

Headers = list[tuple[bytes, bytes]]
OPENS = {o.id: o.roles for o in operations()}
"""Which roles open each operation of the API: what a page offers is decided by nothing else."""


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """The signed-in person: name, roles, and the user that they are if they are an agent. Nobody: no roles."""

    name: str = ""
    roles: tuple[str, ...] = ()
    user: str = ""
    secret: str = ""
    ends: str = ""

    def may(self, operation: str) -> bool:
        """Whether an operation of the API is open to them."""
        roles = OPENS.get(operation)
        return bool(self.secret) and roles is not None and (not roles or allowed(self.roles, roles))

    @property
    def csrf(self) -> str:
        """What a form must bring along; whoever cannot read the session's secret cannot make it."""
        return hmac.new(self.secret.encode(), b"interlock console form", hashlib.sha256).hexdigest()[:32]

    @property
    def tag(self) -> str:
        """A name for this session's stream that tells nothing of its secret."""
        return hashlib.sha256(b"interlock live " + self.secret.encode()).hexdigest()[:12]


NOBODY = Who()


class Asked(msgspec.Struct, kw_only=True):
    """One request. `twin`: the JSON twin of the page was asked for; `region`: only this part of the page."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]
    cookie: str
    who: Who
    api: Door
    params: dict[str, str] = {}
    twin: bool = False

    @property
    def region(self) -> str:
        """The part of the page that is asked for; empty: all of it."""
        return self.query.get("region", "")

    @property
    def by_script(self) -> bool:
        """Whether htmx asks, which swaps what it gets into the page."""
        return "hx-request" in self.headers

    def url(self, **changes: Any) -> str:
        """The address of this view with some of its parameters changed; `None` takes one away."""
        kept = {k: v for k, v in {**self.query, **changes}.items() if v not in (None, "") and k != "region"}
        return self.path + (f"?{urlencode(kept)}" if kept else "")

    def region_url(self, name: str) -> str:
        """The address of one part of this view."""
        return self.path + "?" + urlencode({**{k: v for k, v in self.query.items() if k != "region"}, "region": name})


class Page(msgspec.Struct, kw_only=True):
    """A page: its template, its data (which is also its JSON twin), and what only the template needs."""

    template: str
    data: dict[str, Any]
    more: dict[str, Any] = {}
    status: int = 200
    headers: Headers = []


class Sent(msgspec.Struct, kw_only=True):
    """Any other answer."""

    status: int = 200
    body: bytes = b""
    media: str = "text/html; charset=utf-8"
    headers: Headers = []


class Done(msgspec.Struct, kw_only=True):
    """Something was done: in words, which regions of the page are to look again (by topic), and where to go back to."""

    title: str
    detail: str = ""
    changed: tuple[str, ...] = ()
    back: str = "/"


class Missing(Exception):
    """There is no such page, or none for this role: the two are not told apart."""


def go(to: str, status: int = 303) -> Sent:
    """Elsewhere."""
    return Sent(status=status, headers=[(b"location", to.encode("ascii", "ignore"))])


def pairs(text: str) -> dict[str, str]:
    """A query string or a form; of a name that comes twice the last value counts."""
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1_000))


def cookies(header: str) -> Mapping[str, str]:
    """The Cookie header as names and values."""
    out: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        out.setdefault(name, value)
    return out
