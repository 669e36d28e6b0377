"""Inputs before they are shared out: which can be read by two workers at once, and where their plain bytes are.

Packed JSON lines and standard input are first laid out as plain files: only those have places that can be read again,
and a plain file is read so much faster that the detour is no loss.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from interlock.investigation.big.parse import KNOWN_NAMES
from interlock.investigation.mapping import Mapping
from interlock.investigation.readers import Reading, open_inputs
from interlock.investigation.readers.detect import detect
from interlock.investigation.readers.source import Stream
from interlock.investigation.vocabulary import CANONICAL

COPY_BYTES = 1 << 20


class LaidOut(msgspec.Struct):
    """The inputs.

    paths     of each, where it can be opened            fast      those that are plain JSON lines there
    trouble   by input: why no more of it was unpacked   partial   an interrupt ended the unpacking
    """

    reading: Reading
    paths: list[str]
    fast: set[int] = set()
    trouble: dict[int, str] = {}
    partial: bool = False


def lay_out(paths: Sequence[str | Path], folder: Path, format: str | None, mapping: Mapping | Path | None) -> LaidOut:
    """The inputs that the paths name; what has to be unpacked is, into the folder."""
    stdin = folder / "stdin"
    interrupted = False
    if "-" in map(str, paths):
        # A worker's own standard input is closed when it is forked, and a pipe cannot be read again.
        with stdin.open("wb") as file:
            interrupted = not _copied(sys.stdin.buffer, file)
    source = stdin.open("rb") if stdin.exists() else None
    reading = open_inputs(paths, format=format, mapping=mapping, stdin=source)
    names = [i.name for i in reading.inputs]
    laid = LaidOut(reading, [str(stdin) if name == "-" else name for name in names], partial=interrupted)
    if mapping is None and format in (None, "json-lines"):
        for n, path in enumerate(laid.paths):
            if Path(path).is_file():
                _lay(laid, n, Path(path), folder / f"input-{n}", format)
    return laid


def _lay(laid: LaidOut, n: int, path: Path, plain: Path, format: str | None) -> None:
    """Looks at one file, and unpacks it if it is packed JSON lines in which every unit field has a known name."""
    with path.open("rb") as packed:
        stream = Stream(packed)
        found, _ = detect(stream.head, path.name, format)
        if found is None or found.container != "json-lines" or _other_names(stream.head):
            return
        if not stream.packing and not stream.trouble:
            laid.fast.add(n)
            return
        if laid.partial:
            return
        with plain.open("wb") as file:
            laid.partial = not _copied(io.BufferedReader(stream, COPY_BYTES), file)
        laid.paths[n] = str(plain)
        laid.fast.add(n)
        if stream.trouble:
            laid.trouble[n] = stream.trouble


def _copied(source: BinaryIO | io.BufferedIOBase, target: BinaryIO) -> bool:
    """Copies until the end, or until an interrupt: then it is false."""
    try:
        shutil.copyfileobj(source, target, COPY_BYTES)
    except KeyboardInterrupt:
        return False
    return True


def _other_names(head: bytes) -> bool:
    """Whether the beginning shows a name of users, queue or status that the parser would pass over."""
    others = [name for name in CANONICAL if name not in KNOWN_NAMES and name != "state"]
    return any(b'"%s":' % name.encode() in head for name in others)
