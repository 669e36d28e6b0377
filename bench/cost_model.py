"""The cost model: from measured figures to lines, a picture and the sizes of an installation. No clock, no server.

python bench/cost_model.py                 what docs/reference/cost.json says, and the sizes of the example
python bench/cost_model.py --orgs 500 --per-day 2e6      of another installation
python bench/cost_model.py --write         draw docs/pictures/cost.svg and fill the figures into the sizing page
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIGURES = DOCS / "reference" / "cost.json"
PICTURE = DOCS / "pictures" / "cost.svg"
PAGE = DOCS / "how-to" / "size-an-installation.md"
BEGIN, END = "<!-- figures: python bench/cost_model.py --write -->", "<!-- end of figures -->"
PEAK = 3.0
"""The busiest second beside the mean of the day: most conversations come in some eight hours."""
FULL = 0.6
"""How much of a core is planned to be busy at the peak."""
KEPT_DAYS = 3
"""How long the stream keeps rows (`nats_link`)."""
CORES = 16
"""Of one machine of the example."""
STEEP = 2.0
"""A cost that is more than so many times as large over three decades is not taken for logarithmic."""


class Fit(NamedTuple):
    """cost (s) = a + b · log10 n."""

    a: float
    b: float
    worst: float
    """The largest ratio of a point to the line."""
    grown: float
    """The last point beside the first."""

    def at(self, n: float) -> float:
        """The cost at a size (s)."""
        return self.a + self.b * math.log10(max(1.0, n))

    @property
    def logarithmic(self) -> bool:
        """Whether the line holds: no point far beyond it, and no growth that a power would have."""
        return self.worst < 1.3 and self.grown < STEEP


def costs_of(points: Sequence[Mapping[str, Any]]) -> list[float]:
    """Processor seconds of each point, as if the machine had been as fast at each as it was at the fastest."""
    fastest = min(p["unit_s"] for p in points)
    return [p["routed_s"] * fastest / p["unit_s"] for p in points]


def fit(sizes: Sequence[float], costs: Sequence[float]) -> Fit:
    """The line through the points, by least squares over log10 n."""
    x = [math.log10(n) for n in sizes]
    line = statistics.linear_regression(x, list(costs))
    worst = max(c / (line.intercept + line.slope * v) for v, c in zip(x, costs, strict=True))
    return Fit(line.intercept, line.slope, worst, costs[-1] / costs[0])


def fits(document: Mapping[str, Any]) -> dict[str, Fit]:
    """The line of each dimension."""
    return {d: fit([p["n"] for p in points], costs_of(points)) for d, points in document["points"].items()}


def told(document: Mapping[str, Any]) -> str:
    """The points and lines as a table."""
    lines = ["| beside | n | ms per routed conversation | the line | cadences, of one core |", "|---|---|---|---|---|"]
    for dimension, line in fits(document).items():
        points = document["points"][dimension]
        for p, cost in zip(points, costs_of(points), strict=True):
            clock = f"{100 * p['cadences_core']:.1f} %" if p["cadences"] else "not measured"
            lines.append(f"| {dimension} | {p['n']:,} | {1000 * cost:.2f} | {1000 * line.at(p['n']):.2f} | {clock} |")
    lines += ["", "| beside | model, ms | of the first point, the last is |", "|---|---|---|"]
    for dimension, line in fits(document).items():
        lines.append(f"| {dimension} | {1000 * line.a:.2f} + {1000 * line.b:.2f} · log10 n | {line.grown:.2f} × |")
    return "\n".join(lines)


class Size(NamedTuple):
    """One line of the sizing table."""

    what: str
    arithmetic: str
    result: str


def sizes(document: Mapping[str, Any], orgs: int, per_day: float) -> list[Size]:
    """What an installation needs, with the arithmetic."""
    b, apart = document["bytes"], document["apart"]["processor_ms"]
    mean = per_day / 86_400
    peak = mean * PEAK
    rows = b["log_rows"]
    own = sum(ms for name, ms in apart.items() if name not in ("all", "load", "postgres", "nats"))
    line = fits(document)["orgs"]
    growth = max(1.0, line.at(orgs) / line.at(1_000))  # a line that falls is noise, and spares nobody a machine
    routing = next(ms for name, ms in apart.items() if name.startswith("routing"))
    cores = peak * own * growth / 1000 / FULL
    pg = peak * apart["postgres"] / 1000 / FULL
    cells = math.ceil(peak / min(limits(document).values()))
    batches = peak * rows / 64
    nats = peak * rows * b["nats_bytes_per_row"]
    return [
        Size("conversations a second, mean", f"{per_day:,.0f} / 86,400 s", f"{mean:,.0f}"),
        Size("conversations a second, peak", f"{mean:,.0f} × {PEAK:g}", f"{peak:,.0f}"),
        Size("rows of the log a second, peak", f"{peak:,.0f} × {rows:.1f} rows", f"{peak * rows:,.0f}"),
        Size("cores for Interlock's roles and API", f"{peak:,.0f} × {own:.1f} ms × {growth:.2f} (orgs) / {FULL:g}",
             f"{cores:,.0f}: {math.ceil(cores / CORES):,} machines of {CORES}"),
        Size("of these for routing: its shares", f"{peak:,.0f} × {routing:.1f} ms × {growth:.2f} / {FULL:g}",
             f"{math.ceil(peak * routing * growth / 1000 / FULL):,}"),
        Size("cores for PostgreSQL", f"{peak:,.0f} × {apart['postgres']:.1f} ms / {FULL:g}",
             f"{pg:,.0f}: at least {math.ceil(pg / CORES):,} primaries of {CORES}"),
        Size("commits a second through one order of positions", f"{peak * rows:,.0f} rows / 64 in a batch",
             f"{batches:,.0f}"),
        Size("log a day", f"{per_day:,.0f} × {b['log_bytes'] / 1024:.1f} KiB", _bytes(per_day * b["log_bytes"])),
        Size("records a day, before what is old is taken out",
             f"{per_day:,.0f} × {b['record_bytes'] / 1024:.1f} KiB", _bytes(per_day * b["record_bytes"])),
        Size("PostgreSQL's write-ahead log a day", f"{per_day:,.0f} × {b['wal_bytes'] / 1024:.1f} KiB",
             _bytes(per_day * b["wal_bytes"])),
        Size("and a second, peak", f"{peak:,.0f} × {b['wal_bytes'] / 1024:.1f} KiB", _bytes(peak * b["wal_bytes"])),
        Size("NATS a second, peak, into each replica",
             f"{peak * rows:,.0f} rows × {b['nats_bytes_per_row'] / 1024:.2f} KiB", _bytes(nats)),
        Size("NATS on disk, each replica", f"{KEPT_DAYS} days × {rows:.1f} rows × {per_day:,.0f}",
             _bytes(KEPT_DAYS * per_day * rows * b["nats_bytes_per_row"])),
        *(
            Size(f"one {name} carries", f"{FULL:g} of {_cores(name)}, divided by its ms", f"{limit:,.0f} a second")
            for name, limit in limits(document).items()
        ),
        Size(
            "cells: stores and streams, each with whole orgs",
            f"{peak:,.0f} / {min(limits(document).values()):,.0f}",
            f"{cells:,}, of {math.ceil(orgs / cells):,} orgs each; one stream of R3 with 64 buckets in each",
        ),
    ]  # fmt: skip


def _bytes(n: float) -> str:
    for word in ("B", "KiB", "MiB", "GiB", "TiB"):
        if n < 1024 or word == "TiB":
            return f"{n:,.1f} {word}"
        n /= 1024
    raise AssertionError


def limits(document: Mapping[str, Any]) -> dict[str, float]:
    """Conversations a second that each part carries of which a cell has one, as busy as is planned at the peak."""
    b, apart = document["bytes"], document["apart"]["processor_ms"]
    return {
        "PostgreSQL primary": CORES * FULL * 1000 / apart["postgres"],
        "relay": FULL * 1000 / (b["relay_ms_per_row"] * b["log_rows"]),
    }


def _cores(name: str) -> str:
    return f"{CORES} cores" if name == "PostgreSQL primary" else "one core"


def bottleneck(document: Mapping[str, Any], per_day: float) -> str:
    """In a few sentences, from the same figures."""
    b, apart = document["bytes"], document["apart"]["processor_ms"]
    own = sum(ms for name, ms in apart.items() if name not in ("all", "load", "postgres", "nats"))
    routing = next(ms for name, ms in apart.items() if name.startswith("routing"))
    peak = per_day / 86_400 * PEAK
    name, limit = min(limits(document).items(), key=lambda item: item[1])
    other, beyond = max(limits(document).items(), key=lambda item: item[1])
    lane = 1000 * FULL / routing
    return (
        f"**The bottleneck is the {name}**: a cell has one, and it carries {limit:,.0f} conversations a second; "
        f"the {other} would carry {beyond:,.0f}. The peak is {peak:,.0f}, so the installation is "
        f"{math.ceil(peak / limit):,} cells. Interlock's own processes cost {own:.1f} ms a conversation, but are added "
        f"without a limit. Routing, {routing:.1f} ms on one core for each share, limits one org to {lane:,.0f} "
        f"conversations a second for each of its lanes, of which there are 16 at most. Each conversation writes "
        f"{b['log_rows']:.1f} rows of the log ({b['log_bytes'] / 1024:.0f} KiB) and {b['wal_bytes'] / 1024:.0f} KiB of "
        f"write-ahead log."
    )


def figures(document: Mapping[str, Any], orgs: int, per_day: float) -> str:
    """The generated part of the sizing page."""
    table = ["| what | arithmetic | comes to |", "|---|---|---|"]
    table += [f"| {s.what} | {s.arithmetic} | {s.result} |" for s in sizes(document, orgs, per_day)]
    apart = document["apart"]["processor_ms"]
    spent = ", ".join(f"{name} {ms:.1f}" for name, ms in sorted(apart.items(), key=lambda f: -f[1]) if name != "all")
    return "\n".join(
        [told(document), "", f"Processor time of one conversation with the roles apart, ms: {spent}.", "",
         f"### {orgs:,} orgs and {per_day:,.0f} conversations a day", "", *table, "", bottleneck(document, per_day)]
    )  # fmt: skip


STYLE = """
    .axis { stroke: #57606a; stroke-width: 1 } .grid { stroke: #d0d7de; stroke-width: 1 }
    text { fill: #1f2328; font-size: 13px }
    .dim { fill: #57606a; font-size: 12px } .head { font-weight: 600; font-size: 15px }
    .waiting { stroke: #0969da; fill: #0969da }
    .agents { stroke: #1a7f37; fill: #1a7f37 }
    .orgs { stroke: #9a6700; fill: #9a6700 }
    text.waiting, text.agents, text.orgs { stroke: none } path { fill: none !important; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      .axis { stroke: #8b949e } .grid { stroke: #30363d }
      text { fill: #e6edf3 } .dim { fill: #9da7b1 }
      .waiting { stroke: #58a6ff; fill: #58a6ff }
      .agents { stroke: #3fb950; fill: #3fb950 }
      .orgs { stroke: #d29922; fill: #d29922 }
    }
  """
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 370" role="img" aria-labelledby="t d" '
    'font-family="system-ui, sans-serif">'
)
LEFT, TOP, WIDTH, HEIGHT = 60, 56, 620, 260


def picture(document: Mapping[str, Any]) -> str:
    """Points and lines over log n, as an SVG that is readable on light and dark."""
    lines = fits(document)
    every = [c for points in document["points"].values() for c in costs_of(points)]
    top = math.ceil(max(every) * 1000 * 1.1)
    decades = [math.log10(p["n"]) for points in document["points"].values() for p in points]
    low, high = min(decades), max(decades)

    def x(log: float) -> float:
        return LEFT + WIDTH * (log - low) / (high - low)

    def y(ms: float) -> float:
        return TOP + HEIGHT * (1 - ms / top)

    out = [
        HEAD,
        '  <title id="t">Processor time of one routed conversation, by what there is beside it</title>',
        '  <desc id="d">' + "; ".join(
            f"{d}: {1000 * f.at(10 ** low):.1f} ms at {10 ** low:,.0f}, {1000 * f.at(10 ** high):.1f} ms at "
            f"{10 ** high:,.0f}"
            for d, f in lines.items()) + "</desc>",
        f"  <style>{STYLE}</style>",
        f'  <text class="head" x="{LEFT}" y="26">Processor time of one routed conversation, ms</text>',
    ]  # fmt: skip
    for step in range(5):
        ms = top * step / 4
        out.append(f'  <line class="grid" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(ms):.1f}" y2="{y(ms):.1f}"/>')
        out.append(f'  <text class="dim" x="{LEFT - 8}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms:g}</text>')
    for decade in range(math.ceil(low), math.floor(high) + 1):
        place = f'x="{x(decade):.1f}" y="{TOP + HEIGHT + 22}" text-anchor="middle"'
        out.append(f'  <text class="dim" {place}>{10**decade:,}</text>')
    out.append(f'  <line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{TOP + HEIGHT}" y2="{TOP + HEIGHT}"/>')
    for dimension, line in lines.items():
        points = document["points"][dimension]
        for p, cost in zip(points, costs_of(points), strict=True):
            out.append(
                f'  <circle class="{dimension}" cx="{x(math.log10(p["n"])):.1f}" cy="{y(1000 * cost):.1f}" r="4"/>'
            )
        first, last = 1000 * line.at(10**low), 1000 * line.at(10**high)
        out.append(f'  <path class="{dimension}" d="M{x(low):.1f} {y(first):.1f} L{x(high):.1f} {y(last):.1f}"/>')
    ends = sorted((y(1000 * line.at(10**high)), d) for d, line in lines.items())
    below = 0.0
    for end, dimension in ends:
        below = max(end + 5, below + 18)  # no label on another
        place = f'x="{LEFT + WIDTH + 14}" y="{below:.1f}"'
        out.append(f'  <text class="{dimension}" {place}>{NAMES[dimension]}</text>')
    out += [
        f'  <text class="dim" x="{LEFT}" y="{TOP + HEIGHT + 46}">points: medians; lines: a + b · log n</text>',
        "</svg>",
        "",
    ]
    return "\n".join(out)


NAMES = {"waiting": "waiting items", "agents": "agents signed in", "orgs": "orgs"}


def page_with(page: str, text: str) -> str:
    """A page with the text between the two marks."""
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page, flags=re.DOTALL
    )


def main() -> None:
    """Tell, or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orgs", type=int, default=10_000)
    parser.add_argument("--per-day", type=float, default=100e6, help="conversations a day")
    parser.add_argument("--write", action="store_true", help="fill in the picture and the page")
    given = parser.parse_args()
    document = json.loads(FIGURES.read_text(encoding="utf-8"))
    text = figures(document, given.orgs, given.per_day)
    if given.write:
        PICTURE.write_text(picture(document), encoding="utf-8")
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
