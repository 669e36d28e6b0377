"""What moved between two versions of a record, where the log shows versions only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from msgspec import UNSET

from interlock.investigation.observation import Moved
from interlock.investigation.readers.shape import Json

REMEMBERED_MAX = 50_000
"""Records whose last version is remembered; of one not seen for longer, the next version shows no changes."""


def moved_between(before: Any, after: Any, *, skip: Collection[str] = ()) -> dict[str, Moved]:
    """The fields that differ; absent stays `UNSET`, null stays null."""
    old: Json = before if isinstance(before, dict) else {}
    new: Json = after if isinstance(after, dict) else {}
    moved: dict[str, Moved] = {}
    for name in [*old, *(n for n in new if n not in old)]:
        was, now = old.get(name, UNSET), new.get(name, UNSET)
        if name in skip or (was is not UNSET and now is not UNSET and was == now and type(was) is type(now)):
            continue
        empty_before, empty_after = was in (None, UNSET), now in (None, UNSET)
        moved[name] = Moved("add" if empty_before else "remove" if empty_after else "replace", was, now)
    return moved


class Versions:
    """The last version of each record, as many as are bearable."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._most = most
        self._last: OrderedDict[str, Any] = OrderedDict()

    def swap(self, key: str, version: Any) -> Any:
        """Remembers a version; gives the one before it, `None` if there is none or it was forgotten."""
        before = self._last.pop(key, None)
        self._last[key] = version
        if len(self._last) > self._most:
            self._last.popitem(last=False)
        return before
