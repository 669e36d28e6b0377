"""What is done otherwise than by the client library must come to the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from interlock.bus.nats_link import POSITION, SINCE, Delivered
from interlock.bus.nats_tap import nth
from interlock.bus.nats_window import encoded

HEADERS = st.dictionaries(
    st.sampled_from(["Nats-Msg-Id", POSITION, SINCE, "Interlock"]),
    st.sampled_from(["17", "", "a b", f"x {POSITION}: 9", "\u00e4"]),
)


@given(HEADERS)
async def test_a_header_is_read_as_the_library_reads_it(headers: dict[str, str]) -> None:
    written = encoded("s", "", b"", headers)
    head = written.split(b"\r\n", 1)[1][:-2]
    message, read = Delivered("s", "", b"", head), await Client()._process_headers(head) or {}
    for name in (POSITION, SINCE):
        assert message.header(name.encode()).decode() == read.get(name, "")


def test_the_place_of_a_message_among_its_consumers_is_read_as_the_library_reads_it() -> None:
    for reply in ("$JS.ACK.log.sync--1.1.205.17.1700000000000000000.3",
                  "$JS.ACK._.acc.log.sync--1.1.205.17.1700000000000000000.3.tok"):  # fmt: skip
        message = Msg(_client=None, subject="s", reply=reply)  # type: ignore[arg-type]
        assert nth(reply) == message.metadata.sequence.consumer == 17


class _Written(Client):
    """The library's client, whose commands go nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    async def _send_command(self, cmd: bytes, priority: bool = False) -> None:
        self.written += cmd


WORDS = st.from_regex(r"[!-~]([ -~\u00e4]{0,20}[!-~])?", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True)


@given(st.binary(max_size=40), st.dictionaries(NAMES, WORDS, max_size=4), st.sampled_from(["", "_INBOX.a.1.2"]))
async def test_messages_are_written_as_the_library_writes_them(
    body: bytes, headers: dict[str, str], reply: str
) -> None:
    library = _Written()
    await library._send_publish("a.b", reply, body, len(body), headers)
    assert encoded("a.b", reply, body, headers) == library.written


def test_a_header_of_several_lines_is_refused() -> None:
    for value in ("a\nb", "a\r", "a\r\nNats-Msg-Id: b"):
        with pytest.raises(ValueError, match="one line"):
            encoded("a.b", "", b"", {"Nats-Msg-Id": value})
