"""W3C trace context: taken over from the caller or begun here, and stored with everything that is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


class Trace(NamedTuple):
    """The trace of one request and this server's span in it."""

    id: str
    span: str

    @property
    def header(self) -> bytes:
        """What is given back as `traceparent`."""
        return f"00-{self.id}-{self.span}-01".encode()


def trace_of(traceparent: bytes | None, fresh: Callable[[], str]) -> Trace:
    """The caller's trace with a span of ours; a new trace if there is none or it is not well formed."""
    span = fresh()[8:]
    found = _FORM.fullmatch(traceparent) if traceparent else None
    if (
        found is None
        or found[1] == b"ff"
        or found[2] == _NO_TRACE
        or found[3] == _NO_SPAN
        or (found[1] == b"00" and found[5])
    ):
        return Trace(fresh()[8:] + span, span)
    return Trace(found[2].decode(), span)
