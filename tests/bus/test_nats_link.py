"""What is done otherwise than by the client library must come to the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from interlock.bus.nats import _nth
from interlock.bus.nats_link import _Client

PIECES = st.sampled_from([b"Nats-Msg-Id", b"a b", b" ", b"\t", b":", b"\r\n", b"\xc3\xa9", b"\xff", b"17", b"", b"\r"])


@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_headers_are_read_as_the_library_reads_them(raw: bytes) -> None:
    assert _Client._parse_header_lines(raw) == Client._parse_header_lines(raw)


def test_the_place_of_a_message_among_its_consumers_is_read_as_the_library_reads_it() -> None:
    for reply in ("$JS.ACK.log.sync--1.1.205.17.1700000000000000000.3",
                  "$JS.ACK._.acc.log.sync--1.1.205.17.1700000000000000000.3.tok"):  # fmt: skip
        message = Msg(_client=None, subject="s", reply=reply)  # type: ignore[arg-type]
        assert _nth(message) == message.metadata.sequence.consumer == 17
