"""Where bytes come from: files, folders, globs, stdin; plain, gzip, zstd. In constant memory, whatever the input is.

A stream never raises for what is wrong with the data: it ends early and says so in `trouble`, so that everything
before the damage is read.
"""

from __future__ import annotations

import glob
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

LINE_BYTES_MAX = 16 << 20
"""The longest line that is read; the rest of a longer one is passed over."""

HEAD_BYTES = 64 << 10
"""So much of an input tells its format, if its first line ends in it."""

HEAD_BYTES_MAX = 4 << 20
"""So much is looked at where the first line is an object that does not."""

"""How much of an input is looked at to tell its format."""

CHUNK_BYTES = 256 << 10
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BOM = b"\xef\xbb\xbf"
_GLOB = frozenset("*?[")


class Line(NamedTuple):
    """A line without its end. `number` from 1, `offset` in bytes; `over`: bytes that were too many for one line."""

    number: int
    offset: int
    data: bytes
    over: int = 0


class Named(NamedTuple):
    """An input before it is opened. `why` is set where it cannot be: it is refused with these words."""

    name: str
    open: Callable[[], BinaryIO] | None
    why: str = ""


def named_inputs(paths: Sequence[str | Path], stdin: BinaryIO) -> list[Named]:
    """Every input that the paths name, in order: `-` is stdin, folders are walked, globs matched."""
    found: list[Named] = []
    for path in paths:
        if str(path) == "-":
            found.append(Named("-", lambda: stdin))
            continue
        here = Path(path)
        if here.exists() or not _GLOB & set(str(path)):
            found += _below(here)
            continue
        matched = sorted(glob.glob(str(path), recursive=True))
        if not matched:
            found.append(Named(str(path), None, "no file matches"))
        for name in matched:
            found += _below(Path(name))
    return found


def _below(path: Path) -> list[Named]:
    if not path.exists():
        return [Named(str(path), None, "there is no such file")]
    if not path.is_dir():
        return [Named(str(path), lambda: path.open("rb"))]
    inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not inside:
        return [Named(str(path), None, "the folder has no files")]
    return [Named(str(p), lambda p=p: p.open("rb")) for p in inside]


class Stream(io.RawIOBase):
    """The plain bytes of an input: unpacked, counted (`taken`), without a byte order mark; `head` is its beginning."""

    def __init__(self, packed: BinaryIO) -> None:
        self.trouble = ""
        self.taken = 0
        self.packing = ""
        self._packed = packed
        self._unpack: Callable[[bytes, int], bytes] | None = None
        self._pending = b""
        self._ended = False
        self._begin()
        self.head = self._begun()
        self._ahead = memoryview(self.head)
        if self.head.startswith(BOM):
            self._ahead = self._ahead[len(BOM) :]
            self.head = self.head[len(BOM) :]
            self.taken = len(BOM)

    def _begin(self) -> None:
        self._pending = self._take()
        if self._pending.startswith(GZIP_MAGIC):
            self.packing, self._unpack = "gzip", _Members(lambda: zlib.decompressobj(31), zlib.error).unpack
        elif self._pending.startswith(ZSTD_MAGIC):
            maker, error = zstd()
            self.packing, self._unpack = "zstd", _Members(maker, error).unpack

    def _begun(self) -> bytes:
        """The beginning; where a long object is its first line, with what follows that line."""
        head = self._fill(HEAD_BYTES)
        if b"\n" in head or not head.removeprefix(BOM).lstrip().startswith(b"{"):
            return head
        parts, size = [head], len(head)
        while b"\n" not in parts[-1] and size < HEAD_BYTES_MAX and (more := self._fill(HEAD_BYTES)):
            parts.append(more)
            size += len(more)
        return b"".join((*parts, self._fill(HEAD_BYTES)))

    def _take(self) -> bytes:
        try:
            return self._packed.read(CHUNK_BYTES) or b""
        except OSError as error:
            self.trouble = f"it cannot be read further: {error.strerror or error}"
            return b""

    def _fill(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            part = self._next(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _next(self, size: int) -> bytes:
        """Up to `size` plain bytes; none at the end, or where the packing is damaged."""
        if self._unpack is None:
            self._pending = self._pending or self._take()
            part, self._pending = self._pending[:size], self._pending[size:]
            return part
        while not self._ended:
            try:
                part = self._unpack(self._pending, size)
            except Damaged as damage:
                self.trouble, self._ended = f"the {self.packing} data is damaged: {damage}", True
                break
            self._pending = b""
            if part:
                return part
            self._pending = self._take()
            if not self._pending:
                self._ended = True
                if not self._whole():
                    self.trouble = f"the {self.packing} data ends early"
        return b""

    def _whole(self) -> bool:
        members: Any = getattr(self._unpack, "__self__", None)
        return members is None or members.whole

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Plain bytes; 0 at the end."""
        if self._ahead:
            part = bytes(self._ahead[: len(buffer)])
            self._ahead = self._ahead[len(part) :]
        else:
            part = self._next(len(buffer))
        buffer[: len(part)] = part
        self.taken += len(part)
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
        super().close()


class Damaged(Exception):
    """Packed data that cannot be unpacked further."""


class _Members:
    """Several packed members one after the other, each unpacked in bounded steps."""

    def __init__(self, maker: Callable[[], Any], error: type[Exception]) -> None:
        self._maker, self._error = maker, error
        self._member: Any = maker()
        self._rest = b""
        self._begun = False

    @property
    def whole(self) -> bool:
        """Whether the data so far ends where a member ends."""
        return not self._begun or bool(self._member.eof)

    def unpack(self, data: bytes, size: int) -> bytes:
        """Up to `size` bytes from what is left and the new data; nothing means that more data is needed."""
        self._rest = self._rest + data if self._rest else data
        while True:
            if self._member.eof:
                self._rest = (self._member.unused_data or self._rest).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._member, self._begun = self._maker(), False
            try:
                out = self._step(size)
            except (self._error, EOFError) as error:
                raise Damaged(str(error)) from error
            if out or (not self._rest and not self._member.eof):
                return out

    def _step(self, size: int) -> bytes:
        member, data = self._member, self._rest
        self._begun = self._begun or bool(data)
        out = member.decompress(data, size)
        tail = getattr(member, "unconsumed_tail", b"")
        self._rest = b"" if member.eof else tail
        return out


def zstd() -> tuple[Callable[[], Any], type[Exception]]:
    """The maker of zstd unpackers and their error; from the standard library where it has one."""
    try:
        from compression.zstd import ZstdDecompressor, ZstdError  # type: ignore[import-not-found]
    except ImportError:
        from backports.zstd import ZstdDecompressor, ZstdError
    return ZstdDecompressor, ZstdError


def lines_of(stream: io.BufferedIOBase, *, line_bytes_max: int = LINE_BYTES_MAX) -> Iterator[Line]:
    """The lines of a stream. Memory is bounded by the longest line allowed; a longer one comes cut, with `over` set."""
    number = offset = 0
    while True:
        data = stream.readline(line_bytes_max + 1)
        if not data:
            return
        number += 1
        start, over = offset, 0
        offset += len(data)
        if len(data) > line_bytes_max and not data.endswith(b"\n"):
            over = 1
            data = data[:line_bytes_max]
            while rest := stream.readline(CHUNK_BYTES):
                offset += len(rest)
                over += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield Line(number, start, data.rstrip(b"\r\n"), over)
