"""Templates, and the few filters they need: times, distances, ids, numbers. Escaping is on, everywhere."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from interlock import __version__
from interlock.console.asked import Asked, Done, Headers, Page, Sent, go
from interlock.console.statics import Statics

RAIL: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/queues", "Queues", "queues", ("getOverview",)),
    ("/inbox", "Inbox", "inbox", ("updateCurrentWorkSession", "listReservations")),
    ("/conversations", "Conversations", "conversations", ("listConversations",)),
    ("/incidents", "Incidents", "incidents", ("listIncidents",)),
    ("/investigate", "Investigate", "investigate", ("createInvestigation",)),
    ("/rules", "Rules", "rules", ("listQueueRules",)),
    ("/settings", "Settings", "settings", ("getOrgSettings",)),
    ("/proof", "Proof", "proof", ("getOverview",)),
    ("/system", "System", "system", ("getOverview",)),
)
"""Address, words, picture, and the operations that must be open, of each entry of the rail."""


INTO_NOTICE: Headers = [(b"hx-retarget", b"#notice"), (b"hx-reswap", b"innerHTML")]


def milliseconds(text: str | None) -> int:
    """RFC 3339 as milliseconds since 1970; 0 for none."""
    if not text:
        return 0
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def clock(text: str | None, part: str = "ms") -> str:
    """The time of day in UTC; `part`: `ms`, `s` or `day` (with the date)."""
    if not text:
        return "–"
    at = datetime.fromisoformat(text).astimezone(UTC)
    day = at.strftime("%Y-%m-%d ") if part == "day" else ""
    return day + at.strftime("%H:%M:%S") + (f".{at.microsecond // 1000:03d}" if part == "ms" else "")


def lasting(ms: float | None) -> str:
    """A duration for people: `9 s`, `2:05`, `1:02:09`; under a second in milliseconds."""
    if ms is None:
        return "–"
    if 0 < ms < 1000:
        return f"{round(ms)} ms"
    seconds = int(ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def short(id: str | None) -> str:
    """A long id, cut in its middle."""
    text = id or ""
    return f"{text[:4]}…{text[-4:]}" if len(text) >= 16 and text.isalnum() else text


def several(n: int, one: str, many: str = "") -> str:
    """`1 item`, `2 items`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def bars(series: list[list[int]], which: int) -> str:
    """The bars of a sparkline as one path in a box of 120 by 20: `which` 0 for all taken, 1 for those in time."""
    most = max((minute[0] for minute in series), default=0) or 1
    drawn = ((n * 2 + 1, round(18 * minute[which] / most)) for n, minute in enumerate(series) if minute[which])
    return "".join(f"M{x} 20v-{max(1, high)}" for x, high in drawn)


def most(series: list[list[int]]) -> int:
    """The most that were taken in one minute."""
    return max((minute[0] for minute in series), default=0)


class Rendering:
    """Every template of the console."""

    def __init__(self, statics: Statics, environment: str) -> None:
        self._environment = environment
        self.build = statics.build
        self._jinja = Environment(
            loader=PackageLoader("interlock.console", "templates"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._jinja.globals.update(static=statics.url, once=lambda: secrets.token_hex(12), several=several)
        self._jinja.filters.update(ms=milliseconds, clock=clock, lasting=lasting, short=short, bars=bars, most=most)

    def page(self, asked: Asked, page: Page) -> bytes:
        """A page, or the part of it that was asked for."""
        name = page.template
        if asked.region:
            name = f"{name.removesuffix('.html')}/{asked.region}.html"
            if name not in self._jinja.list_templates():
                return self.trouble(asked, 404, "There is no such part of this page", "").body
        return self._jinja.get_template(name).render({**self._everywhere(asked), **page.data, **page.more}).encode()

    def part(self, asked: Asked, template: str, **data: Any) -> bytes:
        """Some markup of its own."""
        return self._jinja.get_template(template).render({**self._everywhere(asked), **data}).encode()

    def _everywhere(self, asked: Asked) -> dict[str, Any]:
        who = asked.who
        return {
            "asked": asked,
            "who": who,
            "rail": [entry for entry in RAIL if _opens(asked, entry)],
            "environment": self._environment,
            "build": self.build,
            "version": __version__,
            "position": 0,
            "topics": "",
            "wall": False,
        }

    def trouble(
        self, asked: Asked, status: int, title: str, detail: str, *, code: str = "", sign_in: bool = False
    ) -> Sent:
        """What went wrong, in words: as a page, as a note inside one, or as JSON."""
        told = {"title": title, "detail": detail, "code": code, "status": status, "sign_in": sign_in}
        if asked.twin:
            return Sent(status=status, body=msgspec.json.encode(told), media="application/json")
        if asked.by_script:
            body = self.part(asked, "notice.html", **told, good=False)
            return Sent(status=status, body=body, headers=[*INTO_NOTICE])
        return Sent(status=status, body=self.part(asked, "trouble.html", **told))

    def done(self, asked: Asked, done: Done) -> Sent:
        """What was done, in words: a note inside the page, or the page to go back to."""
        if not asked.by_script:
            return go(done.back)
        told = {"title": done.title, "detail": done.detail, "code": "", "sign_in": False, "status": 200}
        body = self.part(asked, "notice.html", **told, good=True)
        heard = ", ".join(f"{topic}-changed" for topic in done.changed)
        more: Headers = [(b"hx-trigger", heard.encode())] if heard else []
        return Sent(body=body, headers=[*INTO_NOTICE, *more])


def _opens(asked: Asked, entry: tuple[str, str, str, tuple[str, ...]]) -> bool:
    if entry[0] == "/inbox" and not asked.who.user:
        return False
    return all(asked.who.may(operation) for operation in entry[3])
