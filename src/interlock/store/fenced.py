"""A store as the holder of a lease sees it: whatever it commits counts only while the lease is still its own."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.domain.log import Row
from interlock.ports import Commit, Fence, Store


class FencedStore:
    """The port over another store. Reading is free; each commit carries the fence, and the store itself checks it in
    the transaction.
    """

    def __init__(self, store: Store, fence: Fence) -> None:
        self._store = store
        self.fence = fence

    async def commit(self, commit: Commit) -> Row | None:
        """As the store does. Raises `Fenced` once the lease has passed on."""
        return await self._store.commit(msgspec.structs.replace(commit, fence=self.fence))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
