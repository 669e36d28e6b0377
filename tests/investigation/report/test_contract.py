"""The contracts of the machine-readable reports: JSON by its schema, SARIF and Perfetto by their structure."""

from __future__ import annotations

import io
import json

import jsonschema
import pytest
from tests.investigation.report.investigated import hostile, investigated

from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.observation import RecordRef
from interlock.investigation.report import json as contract
from interlock.investigation.report import perfetto, sarif

SAID, HISTORIES = investigated()


def the_document() -> dict:
    return json.loads(contract.text(SAID, explain))


def test_the_incident_is_told_by_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(contract.schema())
    jsonschema.validate(the_document(), contract.schema())


def test_the_document_has_the_members_of_the_contract_and_no_others() -> None:
    document = the_document()
    assert list(document) == ["schema", "verdict", "inputs", "records", "findings", "holes", "ask_for"]
    assert document["schema"] == "interlock.investigation/1"
    first = document["findings"][0]
    assert list(first) == [
        "id", "anomaly", "severity", "certainty", "record", "field", "rev", "at", "client", "guard", "grade", "lost",
        "basis", "intervals_ms", "evidence", "explanation",
    ]  # fmt: skip
    assert (first["id"], first["anomaly"], first["certainty"]) == ("R1", "stale-overwrite", "proven")
    assert first["evidence"][0]["input"] == "incident.md"


@pytest.mark.parametrize("member", ["verdict", "findings", "holes"])
def test_the_schema_refuses_a_document_without_a_member(member: str) -> None:
    document = the_document()
    del document[member]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, contract.schema())


def test_values_that_json_has_not_are_written_as_text() -> None:
    assert contract.plain(["\ud800", 2**70, {"a": "\ud800"}]) == ["\\ud800", str(2**70), {"a": "\\ud800"}]


def test_sarif_locates_the_overwrite_and_relates_what_led_to_it() -> None:
    seen = {(o.place.input, o.place.line): o for h in HISTORIES for o in h.observations}
    log = sarif.document(SAID, explain, "1", seen)
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == [f"R{n}" for n in range(1, 28)]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "R1"
    at = result["locations"][0]["physicalLocation"]
    assert seen[0, at["region"]["startLine"]].rev == SAID.findings[0].rev
    assert at["artifactLocation"]["uri"] == run["artifacts"][at["artifactLocation"]["index"]]["location"]["uri"]
    told = [r["message"]["text"] for r in result["relatedLocations"]]
    assert any("lost" in t for t in told)
    assert any("stale read" in t for t in told)
    flows = result["codeFlows"][0]["threadFlows"]
    assert len(flows) == 2
    assert result["properties"]["grade"] == SAID.findings[0].grade


def test_a_fingerprint_depends_on_rule_record_and_revs_and_not_on_the_place() -> None:
    f = Finding(rule="R1", severity="high", certainty="proven", record=RecordRef("a", "b"), rev=2)
    elsewhere = Finding(rule="R1", severity="high", certainty="inferred", record=RecordRef("a", "b"), rev=2, at=5)
    later = Finding(rule="R1", severity="high", certainty="proven", record=RecordRef("a", "b"), rev=3)
    assert sarif.fingerprint(f) == sarif.fingerprint(elsewhere) != sarif.fingerprint(later)


def test_the_trace_is_json_with_a_duration_for_each_rev_and_an_arrow_from_what_was_lost() -> None:
    page = io.StringIO()
    count = perfetto.write(page, HISTORIES, SAID.findings)
    events = json.loads(page.getvalue())["traceEvents"]
    assert len(events) == count
    revs = [e for e in events if e["ph"] == "X"]
    assert len(revs) == sum(len(h.observations) for h in HISTORIES)
    assert all(e["dur"] > 0 for e in revs)
    starts, ends = ([e["ts"] for e in events if e["ph"] == ph] for ph in "sf")
    assert starts
    assert min(ends) > min(starts)


def test_hostile_text_stays_text_in_json() -> None:
    said, _ = hostile()
    document = json.loads(contract.text(said, explain))
    jsonschema.validate(document, contract.schema())
