"""The API in this process, over any world: files are applied to a simulation by the very code that applies them to a
server.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from interlock.cli.connection import Answer, Connection
from interlock.cli.failure import Failure
from interlock.domain.access import ApiKey
from interlock.domain.decision import Decision, Provenance, Why, birth
from interlock.ports import World
from interlock.service.orgs import ADMIN, digest
from interlock.service.transact import SYSTEM, Reading, transact

KEY = "ilk_inside"


class Inside(Connection):
    """Requests to an application in this process, as its administrator."""

    def __init__(self, world: World, org: str) -> None:
        from interlock.api.app import build

        self.url = "here"
        self._runner = asyncio.Runner()
        self._runner.run(_open_for(world, org))
        self._app: Any = build(world)

    def close(self) -> None:
        """Done with it."""
        self._runner.close()

    def get(self, path: str, *, missing_ok: bool = False, fails_ok: bool = False, **parameters: Any) -> Answer:
        """As a connection does."""
        target, _, query = path.partition("?")
        out = self._runner.run(self._call("GET", target, query or urlencode(parameters), None, {}))
        if out.status >= 400 and not (missing_ok or fails_ok):
            raise Failure(f"the simulation refused {path}", out.body.decode(errors="replace"))
        return out

    def send(
        self, method: str, path: str, body: Any = None, *, if_match: int | None = None, key: str = "",
        timeout_s: float = 60,
    ) -> Answer:  # fmt: skip
        """As a connection does."""
        headers = {"idempotency-key": key} if key else {}
        if if_match is not None:
            headers["if-match"] = f'"{if_match}"'
        content = json.dumps(body).encode() if body is not None else None
        return self._runner.run(self._call(method, path, "", content, headers))

    async def _call(self, method: str, path: str, query: str, body: bytes | None, more: dict[str, str]) -> Answer:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **more}
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "root_path": "", "scheme": "http", "server": ("here", 80),
            "client": ("here", 0), "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }  # fmt: skip
        answer = Answer(0, {}, b"")

        async def receive() -> Any:
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
            else:
                answer.body += message.get("body", b"")

        await self._app(scope, receive, send)
        return answer


async def _open_for(world: World, org: str) -> None:
    """A key of an administrator."""
    by = Provenance(org, SYSTEM, "simulation")

    async def decide(reading: Reading) -> Decision:
        made = ApiKey(
            id=reading.moment.fresh(), org=org, name="simulation", digest=digest(KEY), roles=ADMIN, person=True
        )
        return Decision(partition=made.id, why=Why(direction="system", kind="change"), writes=(birth(made),))

    await transact(world, by, decide)
