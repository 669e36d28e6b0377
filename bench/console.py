"""The console in a real Chromium: from a commit to the changed cell, bytes of the first load, and how much jumps.

    python bench/console.py

One server on a SQLite file, fifty queues, one page. The priority of one queue is changed over the API, from 2 to 99.
Counted is the time from the stamp of the commit (the record's `updatedAt`, by this machine's clock) to the moment in
which the cell has changed in the page. Changes are so far apart that the stream's 250 ms hold none of them back.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.console.conftest import FLAGS
from tests.console.server import Server

QUEUES, TIMES, APART_MS = 50, 98, 320
WATCH = """id => {
  window.changed = {};
  const cell = () => document.querySelector(`#q-${id} th .dim`).textContent;
  const note = () => { window.changed[cell()] ??= Date.now(); };
  new MutationObserver(note).observe(document.getElementById("queue-table"),
    { subtree: true, childList: true, characterData: true });
  window.shift = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shift += entry.value; })
    .observe({ type: "layout-shift", buffered: true });
}"""
SIZES = """() => ["resource", "navigation"].flatMap(kind => performance.getEntriesByType(kind))
  .filter(entry => !entry.name.includes("/live")).map(entry => entry.encodedBodySize)"""


def main() -> None:
    """Print the figures as JSON."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("INTERLOCK_CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("no Chromium here; INTERLOCK_CHROMIUM names one")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            print(json.dumps(measured(server, browser.new_page(viewport={"width": 1440, "height": 900})), indent=1))
        finally:
            browser.close()
            server.stop()


def measured(server: Server, page: Any) -> dict[str, Any]:
    """Everything, on one page."""
    floors = [server.floor(f"Queue {n:02d}") for n in range(QUEUES)]
    page.goto(server.link("supervisor", "Bench"))
    page.locator("#fresh[data-state=live]").wait_for()
    sizes = page.evaluate(SIZES)
    queue = floors[QUEUES // 2].queue
    page.evaluate(WATCH, queue)
    stamps: dict[str, int] = {}
    for n in range(TIMES):
        priority = 2 + n
        told = server.send("PUT", f"/v1/routing/queues/{queue}", {"priority": priority})
        stamps[f"priority {priority}"] = _ms(told["data"]["attributes"]["updatedAt"])
        page.wait_for_timeout(APART_MS)
    seen: dict[str, int] = page.evaluate("() => window.changed")
    waits = sorted(seen[words] - at for words, at in stamps.items() if words in seen)
    return {
        "changes": len(stamps),
        "seen": len(waits),
        "commit_to_cell_ms": {
            "median": statistics.median(waits),
            "p95": waits[len(waits) * 95 // 100],
            "worst": waits[-1],
        },
        "first_load": {"bytes": sum(sizes), "requests": len(sizes)},
        "layout_shift": page.evaluate("() => window.shift"),
    }


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


if __name__ == "__main__":
    main()
