"""`interlock investigate` as it is typed: exit codes, outputs, files, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from bench.generate_logs import generate_day

from interlock.cli import following
from interlock.cli.main import run
from interlock.investigation.report import json as contract

INCIDENT = Path(__file__).parents[2] / "examples" / "incident.md"


def test_the_incident_ends_with_3_and_json_by_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["investigate", str(INCIDENT), "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, contract.schema())
    assert document["verdict"] == "broken"
    assert document["findings"][0]["id"] == "R1"


def test_people_get_a_verdict_a_timeline_and_what_to_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["investigate", str(INCIDENT)]) == 3
    out = capsys.readouterr().out
    assert out.startswith("Broken: stale overwrite, proven")
    assert "[should not have applied] reverse sync" in out
    assert not any(line != line.rstrip() for line in out.splitlines())


def test_a_log_without_harm_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "one.log"
    log.write_text(
        '{"body":{"id":"1","name":"x.conversation.create","body":{"id":"2","name":"x.conversation.create","org":"o",'
        '"data":{"type":"conversation","id":"c","attributes":{"rev":1,"status":"open"},"relationships":{}},'
        '"createdAt":"2026-03-02T09:00:00.000Z"}}}\n',
        "utf-8",
    )
    assert run(["investigate", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "nothing to investigate"),
        (["no-such-file.log"], 1, "no such file"),
        ([str(INCIDENT), "--format", "morse"], 2, "no format"),
        ([str(INCIDENT), "--report", "report.pdf"], 2, ".html"),
        ([str(INCIDENT), "--memory", "lots"], 2, "--memory 128M"),
        ([str(INCIDENT), "--map", "no-such-map.yaml"], 2, "map"),
        (["-", "--follow"], 2, "followed"),
        ([str(INCIDENT), "--report", "no-such-folder/r.html"], 1, "cannot be written"),
        ([str(INCIDENT), "--jsno"], 2, "Unknown option: --jsno"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["investigate", *words]) == code
    assert says in capsys.readouterr().err


def test_something_unreadable_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert run(["investigate", str(tmp_path / "empty")]) == 1
    assert "it is empty" in capsys.readouterr().err


def test_every_file_that_is_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {name: tmp_path / name for name in ("r.html", "r.md", "r.sarif", "r.trace")}
    run(["investigate", str(INCIDENT), "--report", str(wanted["r.html"]), "--sarif", str(wanted["r.sarif"])])
    run(["investigate", str(INCIDENT), "--report", str(wanted["r.md"]), "--perfetto", str(wanted["r.trace"])])
    run(["investigate", str(INCIDENT), "--emit-test", str(tmp_path / "tests")])
    capsys.readouterr()
    assert wanted["r.html"].read_text("utf-8").startswith("<!doctype html>")
    assert wanted["r.md"].read_text("utf-8").startswith("# Broken")
    assert json.loads(wanted["r.sarif"].read_text("utf-8"))["version"] == "2.1.0"
    assert json.loads(wanted["r.trace"].read_text("utf-8"))["traceEvents"]
    assert len(list((tmp_path / "tests").iterdir())) == 2


def test_redaction_changes_every_id_and_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["investigate", str(INCIDENT), "--json"])
    plain = json.loads(capsys.readouterr().out)
    assert run(["investigate", str(INCIDENT), "--json", "--redacted", str(tmp_path / "shared")]) == 3
    redacted = json.loads(capsys.readouterr().out)
    told = [[(f["id"], f["certainty"], f["rev"], f["intervals_ms"]) for f in d["findings"]] for d in (plain, redacted)]
    assert told[0] == told[1]
    assert not {r["id"] for r in plain["records"]} & {r["id"] for r in redacted["records"]}
    copy = (tmp_path / "shared" / "incident.md").read_text("utf-8")
    assert len(copy) == len(INCIDENT.read_text("utf-8"))


def test_standard_input_is_read() -> None:
    words = [sys.executable, "-m", "interlock.cli.main", "investigate", "-", "--json"]
    ran = subprocess.run(words, input=INCIDENT.read_bytes(), capture_output=True, timeout=60, check=False)
    assert ran.returncode == 3, ran.stderr
    assert json.loads(ran.stdout)["inputs"][0]["name"] == "-"


def test_both_engines_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "day.log"
    generate_day(log, 3, seed=5)
    said = []
    for engine in ("memory", "files"):
        assert run(["investigate", str(log), "--json", "--engine", engine]) == 3
        findings = json.loads(capsys.readouterr().out)["findings"]
        said.append(sorted((f["id"], f["record"]["id"], f["rev"]) for f in findings if f["severity"] != "low"))
    assert said[0] == said[1]


def test_following_prints_each_finding_on_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "day.log"
    generate_day(log, 1, seed=5)

    def interrupted(seconds: float) -> None:
        assert seconds <= 1
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    assert following.follow((str(log),), as_json=True) == 3
    lines = capsys.readouterr().out.splitlines()
    assert "R1" in {json.loads(line)["id"] for line in lines}


def test_heavy_imports_wait_until_they_are_needed() -> None:
    """What the incident's verdict does not need is not loaded: no pages, no processes, no YAML, no server."""
    words = (
        "import sys\nfrom interlock.cli.main import run\n"
        f"run(['investigate', {str(INCIDENT)!r}, '--json'])\n"
        "print(*[m for m in ('rich.progress', 'multiprocessing', 'numpy', 'yaml', 'litestar', 'uvicorn', 'asyncio',"
        "'interlock.investigation.report.html', 'interlock.investigation.big') if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr.strip() == ""
