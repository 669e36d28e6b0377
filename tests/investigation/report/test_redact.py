"""Redaction: nothing personal is left, every length is kept, and the verdict is the same."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.investigation.report.investigated import INCIDENT, investigated

from interlock.investigation.report.redact import Redactor

KEY = b"k" * 32


def test_the_redacted_incident_gives_the_same_verdict(tmp_path: Path) -> None:
    text = INCIDENT.read_text("utf-8")
    copy = tmp_path / "incident.md"
    copy.write_text(Redactor(KEY).text(text), "utf-8")
    plain, redacted = investigated()[0], investigated(copy)[0]

    def told(said):
        return [
            (f.rule, f.severity, f.certainty, f.grade, f.rev, f.guard, f.intervals_ms, [e.place for e in f.evidence])
            for f in said.findings
        ]

    assert told(redacted) == told(plain)
    assert redacted.verdict == plain.verdict
    proofs = [[(r.place, r.kind, r.proof) for i in said.inputs for r in i.repairs] for said in (plain, redacted)]
    assert proofs[0] == proofs[1]
    ids = {f.record.id for f in plain.findings}
    assert not any(id in copy.read_text("utf-8") for id in ids)


def test_no_id_of_the_incident_is_left_but_for_its_second() -> None:
    text = INCIDENT.read_text("utf-8")
    out = Redactor(KEY).text(text)
    ids = set(re.findall(r"\b[0-9a-f]{24}\b", text))
    assert len(ids) > 10
    assert [id for id in ids if id in out] == []
    assert {id[:8] for id in ids} <= {id[:8] for id in re.findall(r"\b[0-9a-f]{24}\b", out)}


@pytest.mark.parametrize(
    "personal",
    [
        '{"displayName":"Ada Lovelace"}', '{"email":"ada.lovelace@example.org"}', '{"x":"call +13035550107"}',
        '{"x":"(303) 555-0107"}', '{"subject":"Wo bleibt Käthe Müllers Paket?"}', '{"preview":"Zo\\u00eb rang"}',
        '{"message":"{\\"name\\":\\"Ada Lovelace\\"}"}', '{"id":"5c093c1abd6d1c00124a36b2"}',
        '{"id":"0190b1d2-5a3c-7def-8123-456789abcdef"}', '{"trace_id":"728527378439499336"}',
    ],
)  # fmt: skip
def test_what_is_personal_is_gone(personal: str) -> None:
    out = Redactor(KEY).text(personal)
    assert out != personal
    assert len(out) == len(personal)
    assert len(out.encode()) == len(personal.encode())
    assert not re.search(r"Lovelace|lovelace|5550107|555-0107|Käthe|Müller|bd6d1c00124a36b2|456789abcdef|9499336", out)
    assert "Zo\\u00eb" not in out
    msgspec.json.decode(out)


@pytest.mark.parametrize(
    "kept",
    [
        '{"name":"kustomer.conversation.update"}', '{"name":"routing-worker","msg":"CONVERSATION_SYNC_AUDIT"}',
        '{"time":1646248406490}', '{"ts_ns":1646248406490123456}', '{"updatedAt":"2022-03-02T19:13:26.486Z","rev":7}',
        '{"status":"queued","isSync":true,"before":null,"after":[]}', "plain words with 42 and 3.14159",
    ],
)  # fmt: skip
def test_what_evidence_needs_is_kept(kept: str) -> None:
    assert Redactor(KEY).text(kept) == kept


def test_the_same_is_the_same_everywhere_and_another_key_gives_others() -> None:
    redactor = Redactor(KEY)
    a = redactor.text('{"id":"5c093c1abd6d1c00124a36b2"}')[7:31]
    assert redactor.text(f"see {'5c093c1abd6d1c00124a36b2'} and /v1/orgs/5c093c1abd6d1c00124a36b2") == (
        f"see {a} and /v1/orgs/{a}"
    )
    assert Redactor(b"x" * 32).value("5c093c1abd6d1c00124a36b2") != a
    assert redactor.value("+1 (303) 555-0107")[-8:] == redactor.value("303-555-0107")[-8:]


def test_a_name_that_the_prose_repeats_goes_with_it() -> None:
    out = Redactor(KEY).text('Ada Lovelace called.\n{"displayName":"Ada Lovelace"}')
    assert "Ada" not in out


@given(st.text(max_size=200))
def test_any_text_keeps_its_length(text: str) -> None:
    out = Redactor(KEY).text(text)
    assert len(out) == len(text)
    assert out.count("\n") == text.count("\n")


@given(st.dictionaries(st.sampled_from(["name", "text", "id", "rev"]), st.text(max_size=60) | st.integers(0, 10**18)))
def test_json_stays_json_of_the_same_length(value: dict[str, str | int]) -> None:
    line = msgspec.json.encode(value).decode()
    out = Redactor(KEY).line(line)
    assert len(out.encode()) == len(line.encode())
    assert list(msgspec.json.decode(out)) == list(value)
