"""The incident document, read to the last value: four blocks proven by their length, the audit repaired without one."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from tests.investigation.damage import compact, leaves, stripped
from tests.investigation.shared_cases import shared

from interlock.investigation.observation import Audit, Moved, Observation, ReadMark, RecordRef
from interlock.investigation.readers import Reading, document, open_inputs
from interlock.investigation.readers.shape import Item
from interlock.investigation.readers.source import lines_of

USER = "61a6a83fdf1e2d21501a77c1"
ORG = "5c093c1abd6d1c00124a36b2"
CONVERSATION = RecordRef("conversation", "621fc1d36a39b4aa389cb72b", ORG)
LENGTHS = {40: 2743, 244: 1158, 334: 2933, 530: 3001}


@pytest.fixture(scope="module")
def path() -> Path:
    return shared("incident/reverse-sync-of-dequeue.md")


@pytest.fixture(scope="module")
def reading(path: Path) -> Reading:
    return open_inputs(path)


@pytest.fixture(scope="module")
def entries(reading: Reading) -> list[Observation | Audit]:
    return list(reading)


def test_every_block_is_read(reading: Reading, entries: list[Observation | Audit]) -> None:
    report = reading.inputs[0]
    assert report.format == "incident-document"
    assert (report.entries, report.observations, report.audits, report.refused) == (5, 4, 1, [])
    assert len(entries) == 5


def test_every_defect_is_named(reading: Reading, entries: list[Observation | Audit]) -> None:
    repairs = reading.inputs[0].repairs
    kinds = Counter(r.kind for r in repairs)
    assert kinds == {"EMPTY_SLOT": 56, "STRIPPED_LIST": 5, "KEYLESS_VALUE": 1, "MISSING_CLOSE": 1}
    assert Counter((r.kind, r.proof) for r in repairs if r.proof != "proven") == {("MISSING_CLOSE", "none"): 1}
    assert all(r.assumed and r.place.line for r in repairs)
    assert {r.path.rpartition("data.attributes.")[2] for r in repairs if r.kind == "STRIPPED_LIST"} == {
        "channels", "assignedUsers", "body.body.changes.attributes.assignedUsers.before",
        "body.body.changes.attributes.assignedUsers.after",
    }  # fmt: skip


def test_every_value_is_right(path: Path) -> None:
    """Serialised and stripped again, each block is the document's own text; and there are 384 values in the five."""
    text = path.read_text(encoding="utf-8")
    shown = [
        re.sub(r"\s+(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", "", b) for b in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    ]
    with path.open("rb") as file:
        items = [i for i in document.items_of(lines_of(file), 0) if isinstance(i, Item)]
    assert sum(len(leaves(i.value)) for i in items) == 384
    assert compact(items[0].value) == shown[0] + "}"
    for item, block in zip(items[1:], shown[1:], strict=True):
        assert stripped(compact(item.value)) == block
        assert len(compact(item.value["body"])) == item.value["fullBodyLength"] == LENGTHS[item.place.line]
        assert item.grade == "A"
    assert items[0].grade == "B"


def test_lines_of_repairs_are_the_documents(path: Path, reading: Reading, entries: list[Observation | Audit]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for repair in reading.inputs[0].repairs:
        before = lines[repair.place.line - 1][: repair.column - 1]
        if repair.kind in ("EMPTY_SLOT", "STRIPPED_LIST"):
            previous = before.strip() or lines[repair.place.line - 2].strip()
            assert json.dumps(repair.path.rpartition(".")[2]) in previous


def test_the_overwrite(entries: list[Observation | Audit]) -> None:
    seven = next(e for e in entries if isinstance(e, Observation) and e.rev == 7)
    assert seven.record == CONVERSATION
    assert (seven.before_rev, seven.client, seven.is_sync, seven.grade) == (6, "routing-worker", True, "A")
    assert seven.changes["assignedUsers"] == Moved("replace", [USER], [])
    assert seven.times.commit == 1646248406486
    assert seven.times.log == seven.times.publish == seven.times.event == 1646248406490
    assert seven.snapshot is not None
    assert seven.snapshot["assignedUsers"] == []
    assert seven.snapshot["→queue"] == "5dea5f45c6a646001a621475"


def test_the_lost_write(entries: list[Observation | Audit]) -> None:
    six = next(e for e in entries if isinstance(e, Observation) and e.rev == 6)
    assert (six.client, six.source_type, six.source_id) == ("workflow", "workflow", "60ff0f884538c70019739bb5")
    assert six.changes["assignedUsers"] == Moved("replace", [], [USER])


def test_the_stale_read(entries: list[Observation | Audit]) -> None:
    two = next(e for e in entries if isinstance(e, Observation) and e.rev == 2)
    assert two.record.type == "work_item"
    assert two.group == CONVERSATION.id
    assert two.marks == (ReadMark(CONVERSATION, 4, "resourceRev"), ReadMark(CONVERSATION, 4, "conversationRev"))
    assert two.changes["lastRevision"].before is None
    assert two.snapshot is not None
    assert two.snapshot["→lastRevision"] == "621fc1d5cb4ca8a1e75aa936"
    assert isinstance(two.snapshot["lastRevision"], dict)


def test_the_audit(entries: list[Observation | Audit]) -> None:
    audit = next(e for e in entries if isinstance(e, Audit))
    assert (audit.guard, audit.patch, audit.at) == (6, {"assignedUsers": []}, 1646248406510)
    assert audit.item == RecordRef("work_item", "621fc1d5cb4ca800935aa935")
    assert (audit.group, audit.grade, audit.trace) == (CONVERSATION.id, "B", "728527378439499336")
