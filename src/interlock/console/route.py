"""A page as a value: where it answers, what does it, and which operations of the API must be open to see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from interlock.console.asked import Asked, Done, Page, Sent

Do = Callable[[Asked], Awaitable[Page | Sent | Done]]


class Route(msgspec.Struct, frozen=True):
    """One page or act. `needs`: operations of the API by name; `open`: for people who are not signed in, too."""

    method: str
    path: str
    do: Do
    needs: tuple[str, ...] = ()
    open: bool = False


def page(path: str, *needs: str, open: bool = False) -> Callable[[Do], Route]:
    """Something to look at."""
    return lambda do: Route("GET", path, do, needs, open)


def act(path: str, *needs: str, open: bool = False) -> Callable[[Do], Route]:
    """Something to do: a form that was sent."""
    return lambda do: Route("POST", path, do, needs, open)
