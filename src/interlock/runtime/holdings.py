"""Which shares of its roles a process holds: a lease for each, kept by renewing, divided evenly among the processes.

A lease that ran out may be taken by another process, with a higher epoch. From then on the store refuses whatever is
committed under the earlier one, so a process that was paused and comes back changes nothing, however late it notices.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog

from interlock.domain.errors import Fenced, Unavailable
from interlock.domain.share import Share
from interlock.ports import Fence, Store
from interlock.runtime.tasks import ended
from interlock.service.seats import leave, sit

_log = structlog.get_logger("interlock")

Work = Callable[[Share, Fence], Awaitable[None]]
"""What is done while a share is held: until cancelled; or raises `Fenced`, or `Unavailable` if it cannot go on here."""


class Holdings:
    """The shares that this process holds, and the work that goes on because of it.

    holder   of the leases: this process, unlike any other
    wanted   role → its shares, for the roles of this process
    lease_s  how long a lease lasts without being renewed: what a killed process held stands still for so long
    """

    def __init__(
        self, store: Store, holder: str, wanted: Mapping[str, Sequence[Share]], work: Work, *, lease_s: float,
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._store = store
        self._holder = holder
        self._wanted = wanted
        self._work = work
        self._lease_ms = round(lease_s * 1000)
        self._now = now
        self._seat = -1
        self._held: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._lost: set[str] = set()
        self._renewed_at = -self._lease_ms
        self._passed: dict[str, int] = {}
        """Shares that could not be worked on here, and until when (ms) others are left to try."""

    @property
    def held(self) -> list[str]:
        """The names of the shares that are held now."""
        return sorted(self._held)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part while the context is open; at its end everything is given back."""
        task = asyncio.create_task(self._run(), name="holdings")
        try:
            yield
        finally:
            await ended([task])
            await self._leave()

    async def _run(self) -> None:
        renewing = asyncio.create_task(self._renew_for_ever(), name="leases")
        try:
            while True:
                try:
                    settled = await self.run_once()
                except Unavailable as away:
                    _log.warning("leases_wait", why=str(away))
                    settled = True
                await asyncio.sleep(self._lease_ms / (4_000 if settled else 20_000))
        finally:
            renewing.cancel()

    async def _renew_for_ever(self) -> None:
        """Beside everything else: what takes long elsewhere must not cost a lease."""
        while True:
            await asyncio.sleep(self._lease_ms / 4_000)
            await self.renew()

    async def renew(self) -> None:
        """Keep every lease, all at once; stop at once what is not ours any more. An outage is waited out."""
        self._renewed_at = self._now()
        held = list(self._held.items())
        asked = (self._store.lease(_lease(name), self._holder, self._lease_ms) for name, _ in held)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for (name, (epoch, task)), answer in zip(held, answers, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Unavailable):
                    raise answer
            elif answer != epoch:
                self._lost.add(name)
                task.cancel()

    async def run_once(self) -> bool:
        """Renew what is held, give back what is too much, take what is missing. Whether nothing is left to take."""
        if self._now() - self._renewed_at >= self._lease_ms // 4:  # else the other task has just done so
            await self.renew()
        for name in [n for n, (_, task) in self._held.items() if task.done() or n in self._lost]:
            await self._let_go(name, give_back=name not in self._lost)
        until = self._now() + self._lease_ms
        seat = await sit(self._store, self._holder, self._able(), until)
        self._seat = seat.number
        settled = True
        for role, shares in self._wanted.items():
            settled &= await self._balance(shares, seat.part(role, len(shares)))
        return settled

    def _able(self) -> list[str]:
        """The roles that can be worked on here. Of one that could not just now, others get this process's part."""
        return [r for r, shares in self._wanted.items() if not any(self._is_passed(s.name) for s in shares)]

    def _is_passed(self, name: str) -> bool:
        return self._now() < self._passed.get(name, 0)

    async def _balance(self, shares: Sequence[Share], most: int) -> bool:
        mine = [s.name for s in shares if s.name in self._held]
        for name in mine[most:]:
            await self._let_go(name, give_back=True)
        for share in _from(shares, self._seat):
            if len(mine) >= most:
                break
            if share.name not in self._held and await self._take(share):
                mine.append(share.name)
        return len(mine) >= most

    async def _take(self, share: Share) -> bool:
        epoch = await self._store.lease(_lease(share.name), self._holder, self._lease_ms)
        if epoch is None:
            return False
        fence = Fence(_lease(share.name), epoch)
        self._lost.discard(share.name)
        task = asyncio.create_task(self._hold(share, fence), name=f"share:{share.name}")
        self._held[share.name] = epoch, task
        _log.info("share_taken", share=share.name, epoch=epoch)
        return True

    async def _hold(self, share: Share, fence: Fence) -> None:
        try:
            await self._work(share, fence)
        except Fenced:
            self._lost.add(share.name)
        except Unavailable as away:
            _log.warning("share_passed_on", share=share.name, why=str(away))
            self._passed[share.name] = self._now() + 2 * self._lease_ms

    async def _let_go(self, name: str, *, give_back: bool) -> None:
        """Stop the work of a share; what it was at is refused from then on, or done by then."""
        epoch, task = self._held.pop(name)
        await ended([task], Fenced, Unavailable)
        if give_back:
            await self._store.lease(_lease(name), self._holder, 0)
        _log.info("share_given_back" if give_back else "share_lost", share=name, epoch=epoch)

    async def _leave(self) -> None:
        with contextlib.suppress(Unavailable, Fenced):
            for name in list(self._held):
                await self._let_go(name, give_back=True)
            if self._seat >= 0:
                await leave(self._store, self._seat)
        for _, task in self._held.values():
            task.cancel()


def _lease(name: str) -> str:
    return f"share/{name}"


def _from(shares: Sequence[Share], seat: int) -> list[Share]:
    """Each process begins elsewhere, so that they do not all ask for the same ones first."""
    start = max(seat, 0) % len(shares) if shares else 0
    return [*shares[start:], *shares[:start]]
