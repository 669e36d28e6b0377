"""An investigation of an example, and a hostile one, for tests of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from interlock.investigation.finding import Evidence, Finding, History, Input, Lost, SeenBasis
from interlock.investigation.investigate import Report, examine, grouped, last_moment, report
from interlock.investigation.observation import Moved, Observation, Place, RecordRef, Times
from interlock.investigation.readers import open_inputs
from interlock.investigation.report.timeline import Timeline, timeline_of

INCIDENT = Path(__file__).parents[3] / "examples" / "incident.md"
HOSTILE = '</script><script>document.title="hacked"</script><img src=x onerror=alert(1)>\x1b[2J\u202e"\'&'


def investigated(path: Path = INCIDENT) -> tuple[Report, list[History]]:
    """The report on a file, and the histories behind it."""
    reading = open_inputs(path)
    entries = list(reading)
    histories = grouped(entries)
    end = last_moment(entries)
    inputs = [structs.replace(i, name=Path(i.name).name) for i in reading.inputs]
    return report((examine(h, end) for h in histories), inputs), histories


def timelines(said: Report, histories: Sequence[History]) -> list[Timeline]:
    """A timeline for each history."""
    repairs = [r for i in said.inputs for r in i.repairs]
    return [timeline_of(h.group, h.observations, h.audits, said.findings, repairs) for h in histories]


def hostile(events: int = 3) -> tuple[Report, list[Timeline]]:
    """A report in which every text of the log is hostile."""
    record = RecordRef(HOSTILE, HOSTILE, HOSTILE)
    seen = [
        Observation(
            place=Place(0, n + 1, n), record=record, group=record.id, rev=n + 1, before_rev=n or None, client=HOSTILE,
            source_id=HOSTILE, event_id=HOSTILE, times=Times(commit=1_772_442_000_000 + n),
            changes={HOSTILE: Moved("replace", HOSTILE, [HOSTILE])},
        )
        for n in range(events)
    ]  # fmt: skip
    finding = Finding(
        rule="R1", severity="high", certainty="proven", record=record, field=HOSTILE, rev=2, client=HOSTILE,
        lost=Lost(HOSTILE, 1, HOSTILE, HOSTILE, 1), basis=SeenBasis(record, 1, 0),
        evidence=(Evidence(Place(0, 2), HOSTILE),),
    )  # fmt: skip
    said = Report(
        verdict="broken", inputs=(Input(name=HOSTILE, entries=events),), findings=(finding,), ask_for=(HOSTILE,)
    )
    return said, [timeline_of(record.id, seen, [], said.findings)]
