"""Names for ids, so that a sentence says Ana and not a number; asked for once per page, a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.console.door import Door
from interlock.console.rendering import short

PLACES = {
    "user": "/v1/users/{}",
    "queue": "/v1/routing/queues/{}",
    "queue-rule": "/v1/routing/queue-rules/{}",
    "workflow": "/v1/workflows/{}",
    "team": "/v1/teams/{}",
    "api_key": "/v1/api-keys/{}/name",
}
LOOKED_UP_MAX = 80


class Names:
    """What is known so far. Given names come from elsewhere: a replay has its own people."""

    def __init__(self, api: Door | None, given: dict[str, str] | None = None) -> None:
        self._api = api
        self._known: dict[str, str] = dict(given or {})
        self._left = LOOKED_UP_MAX

    async def learn(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Look up (type, id); what is not there, or not for this role, keeps its id."""
        for type, id in wanted:
            if not id or id in self._known or type not in PLACES or self._api is None or self._left <= 0:
                continue
            self._left -= 1
            told = await self._api.maybe(PLACES[type].format(id))
            about = told["data"]["attributes"] if told else {}
            key = type == "api_key" and about and not about["signedIn"]
            self._known[id] = f"{about['name']} (key)" if key else str(about.get("name", ""))

    def of(self, id: str | None) -> str:
        """The name, or the id cut short; of none: nobody."""
        if not id:
            return "nobody"
        return self._known.get(id) or short(id)

    def actor(self, actor: dict[str, Any]) -> str:
        """Who decided, in words."""
        type, id = actor.get("type", ""), actor.get("id", "")
        match type:
            case "sync":
                return f"{id} sync"
            case "rules" | "queue-rules":
                return "the queue rules"
            case "routing":
                return "routing"
            case "system":
                return "Interlock itself"
            case "workflow":
                return f"workflow {self.of(id)}"
            case "api_key":
                return self._known.get(id) or "an API key"
            case _:
                return "the queue rules" if actor.get("class") == "rule" else self.of(id)
