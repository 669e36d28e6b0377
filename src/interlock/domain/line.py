"""A sorted line: keys in order, found, added and taken away in logarithmic time, walked without being changed.

In pieces, so that a million keys can lose their first one without moving the rest. Keys are tuples that end in an id,
so that no two are equal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=tuple[Any, ...])
PIECE = 512
"""Keys in a piece, about; one of twice the size is cut in two."""


class Line(Generic[K]):
    """Keys in order. Each key stands in it once."""

    __slots__ = ("_lasts", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[list[K]] = []
        self._lasts: list[K] = []
        self.size = 0
        """How many keys: as `len` says, for those who ask often."""

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[K]:
        for piece in self._pieces:
            yield from piece

    def first(self) -> K | None:
        """The first key, `None` in an empty line."""
        return self._pieces[0][0] if self._pieces else None

    def add(self, key: K) -> None:
        """Put a key in its place."""
        self.size += 1
        if not self._pieces:
            self._pieces.append([key])
            self._lasts.append(key)
            return
        n = min(bisect_left(self._lasts, key), len(self._lasts) - 1)
        piece = self._pieces[n]
        insort(piece, key)
        self._lasts[n] = piece[-1]
        if len(piece) > 2 * PIECE:
            self._pieces[n : n + 1] = [piece[:PIECE], piece[PIECE:]]
            self._lasts[n : n + 1] = [piece[PIECE - 1], piece[-1]]

    def remove(self, key: K) -> None:
        """Take a key out; raises `KeyError` if it does not stand here."""
        n = bisect_left(self._lasts, key)
        piece = self._pieces[n] if n < len(self._pieces) else []
        at = bisect_left(piece, key)
        if at == len(piece) or piece[at] != key:
            raise KeyError(key)
        del piece[at]
        self.size -= 1
        if piece:
            self._lasts[n] = piece[-1]
        else:
            del self._pieces[n], self._lasts[n]

    def after(self, key: K) -> Iterator[K]:
        """The keys behind this one, in order; the key itself need not stand here."""
        n = bisect_right(self._lasts, key)
        if n == len(self._pieces):
            return
        piece = self._pieces[n]
        yield from piece[bisect_right(piece, key) :]
        for piece in self._pieces[n + 1 :]:
            yield from piece

    def before(self, key: K) -> int:
        """How many keys stand before this one."""
        n = bisect_left(self._lasts, key)
        ahead = sum(map(len, self._pieces[:n]))
        return ahead + (bisect_left(self._pieces[n], key) if n < len(self._pieces) else 0)
