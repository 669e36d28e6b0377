"""Static files under names that hold a hash of their content: they may be kept for a year, and never be stale."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_IMPORT = re.compile(r'((?:from|import)\s+"\./)([a-z-]+\.js)(")')


class File(msgspec.Struct, frozen=True):
    """One file as it is sent."""

    body: bytes
    packed: bytes
    media: str


class Statics:
    """Every static file, read once. Modules import each other by their hashed names, too."""

    PREFIX = "/static/"

    def __init__(self) -> None:
        found = dict(_walk(files("interlock.console").joinpath("static"), ""))
        self._named: dict[str, str] = {}
        self._served: dict[str, File] = {}
        for name in found:
            self._add(name, found)

    def _add(self, name: str, found: dict[str, bytes]) -> str:
        """The hashed name of a file; the modules that it imports come first, for their names go into its hash."""
        if name in self._named:
            return self._named[name]
        body = found[name]
        if name.endswith(".js") and "/" not in name:
            text = _IMPORT.sub(lambda m: m[1] + self._add(m[2], found) + m[3], body.decode())
            body = text.encode()
        stem, _, ending = name.rpartition(".")
        hashed = f"{stem}.{hashlib.sha256(body).hexdigest()[:10]}.{ending}"
        self._named[name] = hashed
        self._served[hashed] = File(body, gzip.compress(body, 9, mtime=0), MEDIA[ending])
        return hashed

    def url(self, name: str) -> str:
        """The address of a file, by its plain name."""
        return self.PREFIX + self._named[name]

    @property
    def build(self) -> str:
        """One short word for all of them together: a page of another build is out of date."""
        return hashlib.sha256("".join(sorted(self._served)).encode()).hexdigest()[:10]

    def get(self, path: str) -> File | None:
        """The file behind an address."""
        return self._served.get(path.removeprefix(self.PREFIX))

    @property
    def names(self) -> list[str]:
        """Every plain name."""
        return sorted(self._named)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    out: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            out += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA:
            out.append((prefix + entry.name, entry.read_bytes()))
    return out
