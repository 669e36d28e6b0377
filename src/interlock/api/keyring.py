"""Who is calling: from the Authorization header to a key, through a small cache that looks again before long."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from interlock.api.problems import RateLimited, Unauthenticated
from interlock.domain.access import ApiKey
from interlock.ports import World
from interlock.service import orgs

SCHEME = b"bearer "
HOW = "Send the header Authorization: Bearer ilk_… with a key of this server."


class _Kept(NamedTuple):
    key: ApiKey
    at: int


class Keyring:
    """Keys that were used lately, each looked up again `ttl_ms` after it was last seen in the store."""

    def __init__(self, world: World, *, ttl_ms: int = 1_000, size: int = 4_096) -> None:
        self._world = world
        self._ttl_ms = ttl_ms
        self._size = size
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    async def key_of(self, authorization: bytes | None) -> ApiKey:
        """The key behind a header; raises `Unauthenticated`."""
        if not authorization:
            raise Unauthenticated(HOW, header="Authorization")
        now = self._world.clock.now()
        kept = self._kept.get(authorization)
        if kept is not None and now - kept.at < self._ttl_ms:
            return kept.key
        key = await self._look(authorization)
        if key is None:
            self._kept.pop(authorization, None)
            raise Unauthenticated(f"This key opens nothing here. {HOW}", header="Authorization")
        self._kept[authorization] = _Kept(key, now)
        self._kept.move_to_end(authorization)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return key

    async def _look(self, authorization: bytes) -> ApiKey | None:
        if authorization[:7].lower() != SCHEME:
            return None
        try:
            secret = authorization[7:].strip().decode("ascii")
        except UnicodeDecodeError:
            return None
        return await orgs.key_of(self._world, secret) if secret else None

    def forget(self, key: str) -> None:
        """A key was changed here: its next request looks it up again."""
        for header in [h for h, kept in self._kept.items() if kept.key.id == key]:
            del self._kept[header]


Headers = list[tuple[bytes, bytes]]


class Limits:
    """So many requests in windows of one minute, counted under names. `per_minute=0`: no limit. `whose`: in words."""

    WINDOW_MS = 60_000
    SIGNED_IN_TIMES = 20
    """How often the limit a person's browser has: a page that lives asks for its parts whenever they change."""

    def __init__(self, per_minute: int, whose: str = "this key", *, size: int = 10_000) -> None:
        self.per_minute = per_minute
        self._whose = whose
        self._size = size
        self._counts: dict[str, tuple[int, int]] = {}
        self._swept = 0

    def count(self, key: str, now: int, *, times: int = 1) -> tuple[int, Headers]:
        """Count one request against so many times the limit: how many are left, and the header fields that say so.

        Raises `RateLimited`.
        """
        if not self.per_minute:
            return UNLIMITED, []
        most = self.per_minute * times
        window = now // self.WINDOW_MS
        began, used = self._counts.get(key, (window, 0))
        used = used + 1 if began == window else 1
        if len(self._counts) >= self._size and self._swept != window:
            self._counts = {k: v for k, v in self._counts.items() if v[0] == window}
            self._swept = window
        self._counts[key] = (window, used)
        left, ends = max(0, most - used), (window + 1) * self.WINDOW_MS
        wait = max(1, -(-(ends - now) // 1000))
        fields = self._fields(most, left, wait, ends // 1000)
        if used > most:
            raise TooFast(fields, f"Wait {wait} s; {self._whose} has {most} requests a minute.", wait)
        return left, fields

    def _fields(self, most: int, left: int, wait: int, reset: int) -> Headers:
        values = {
            "ratelimit-policy": f'"default";q={most};w=60',
            "ratelimit": f'"default";r={left};t={wait}',
            "x-ratelimit-limit": str(most),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(reset),
        }
        return [(name.encode(), value.encode()) for name, value in values.items()]


UNLIMITED = 2**53


class TooFast(RateLimited):
    """This key has used up its requests of this minute."""

    CODE = "RATE_LIMITED"

    def __init__(self, fields: list[tuple[bytes, bytes]], detail: str, wait: int) -> None:
        super().__init__(detail, retryAfter=wait)
        self.fields = fields
