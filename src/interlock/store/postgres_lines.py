"""The way to a PostgreSQL server: its address, a few connections, and what a broken one means.

No session state is kept on a connection but prepared statements, so PgBouncer may stand between, in any mode. A pool of
PgBouncer before 1.21 knows no prepared statements: `?statement_cache_size=0` at the end of the URL does without.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from interlock.domain.errors import Unavailable
from interlock.store.urls import shown

CONNECT_S = 5.0
COMMAND_S = 30.0
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")

HEAD = "_head"
"""Ends the name of a statement without `OFFSET`, for whoever begins with the first row. With a number of rows to pass
over that it does not know, PostgreSQL finds one plan for all calls dear and plans each anew, which takes longer than
its answer."""
_OFFSET = " OFFSET :offset"

BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    TimeoutError,
)
"""What says that the connection is gone, or never came about; the server may be there again in a moment."""


class Place:
    """Where the database is, and how it is to be spoken to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            self.statement_cache = int(options.pop("statement_cache_size", "100"))
            self.listens = options.pop("listen", "1") not in ("0", "no", "off")
        except ValueError:
            raise Unavailable("statement_cache_size in the URL of the store is a number.") from None
        self.dsn = urlunsplit(parts._replace(query=urlencode(options)))
        self.name = shown(url)

    def options(self) -> dict[str, Any]:
        """What asyncpg is told for each connection."""
        return {"timeout": CONNECT_S, "command_timeout": COMMAND_S, "statement_cache_size": self.statement_cache}


class Lines:
    """Up to `most` connections, opened when they are needed. A broken one is replaced by the next use."""

    def __init__(self, place: Place, most: int) -> None:
        self._place = place
        self._most = most
        self._pool: Any = None
        self._making = asyncio.Lock()

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """The rows of one statement that may be asked twice: after a failover every connection is found broken, once.

        Raises `Unavailable` if the server cannot be reached or cannot answer.
        """
        for tries_left in range(self._most, -1, -1):
            try:
                return await self.try_to_fetch(sql, *arguments)
            except TimeoutError as slow:
                raise self.away(slow) from slow
            except BROKEN as broken:
                if isinstance(broken, ValueError):
                    raise  # the driver's word for an argument that does not fit
                if isinstance(broken, OSError) or not tries_left:
                    raise self.away(broken) from broken
            except asyncpg.PostgresError as error:
                raise Unavailable(f"PostgreSQL could not answer ({error}).") from error
        raise AssertionError

    async def try_to_fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """As `fetch`, raising what the driver raises."""
        pool = self._pool or await self._made()
        async with pool.acquire() as connection:
            try:
                return await connection.fetch(sql, *arguments)
            except asyncpg.InternalClientError:
                connection.terminate()  # it was ended under the driver's hands, which no longer knows where it stands
                raise

    async def _made(self) -> Any:
        async with self._making:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._place.dsn, min_size=0, max_size=self._most, reset=_as_it_is, **self._place.options()
                )
            return self._pool

    async def close(self) -> None:
        """Let go of all connections. Those in use are waited for."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    def away(self, why: BaseException) -> Unavailable:
        """The outage in words."""
        said = str(why) or type(why).__name__
        return Unavailable(f"PostgreSQL does not answer at {self._place.name} ({said}).")


async def _as_it_is(_: Any) -> None:
    """Connections are given back as they are: nothing here leaves anything on one, and to clean costs a round trip."""


class Statement:
    """One named statement with its parameters in the order in which the driver wants them."""

    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        self.sql = _PARAMETER.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        if found[1] not in self.names:
            self.names.append(found[1])
        return f"${self.names.index(found[1]) + 1}"

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in that order."""
        return [values[name] for name in self.names]


def statements_of(texts: dict[str, str]) -> dict[str, Statement]:
    """All statements of a file; those that can begin further on also without that, as `HEAD`."""
    heads = {f"{name}{HEAD}": text.replace(_OFFSET, "") for name, text in texts.items() if _OFFSET in text}
    return {name: Statement(text) for name, text in {**texts, **heads}.items()}
