"""JSON:API documents: one record, or a page of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from interlock.domain.record import Record
from interlock.domain.resource import Json, resource, self_of

encode = msgspec.json.Encoder().encode


def document(record: Record, *, included: Sequence[Record] = (), meta: Json | None = None) -> bytes:
    """One record."""
    out: Json = {"data": resource(record)}
    if included:
        out["included"] = [resource(r) for r in included]
    if meta:
        out["meta"] = meta
    at = self_of(record.TYPE, record.id)
    if at:
        out["links"] = {"self": at}
    return encode(out)


def etag_of(record: Record) -> str:
    """The strong tag of one record: its rev."""
    return f'"{record.rev}"'


def listing(records: Sequence[Record], meta: Json, links: Json) -> tuple[bytes, str]:
    """A page of records, and its tag over ids and revs."""
    body = encode({"data": [resource(r) for r in records], "meta": meta, "links": links})
    return body, tag_of(records, links)


def tag_of(records: Sequence[Record], links: Json) -> str:
    """The tag of a list: it covers the ids, the revs and the page."""
    said = "|".join([str(links.get("self")), str(links.get("next")), *(f"{r.id}.{r.rev}" for r in records)])
    return tag_of_bytes(said.encode())


def tag_of_bytes(said: bytes) -> str:
    """The tag of what is neither one record nor a list of them."""
    return f'"{hashlib.blake2b(said, digest_size=8).hexdigest()}"'


def rows(data: list[Any], meta: Json, links: Json) -> bytes:
    """A page of what is no record."""
    return encode({"data": data, "meta": meta, "links": links})
