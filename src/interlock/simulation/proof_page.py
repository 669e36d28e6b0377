"""The proof as one HTML page that needs nothing else: what holds, how far it was searched, and runs to step through."""

from __future__ import annotations

import html
from collections.abc import Iterable

import msgspec

from interlock.investigation import ledger
from interlock.simulation import counterexample
from interlock.simulation.counterexample import Counterexample
from interlock.simulation.prove import CORE, CORE_WORDS, Proof, files
from interlock.simulation.scenarios import named

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --dim: #5b6474; --line: #d9dde5; --good: #1a7f4b; --bad: #b3261e;
  --bg: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #9aa4b5; --line: #333a47; --good: #5bd08f;
  --bad: #ff8a80; --bg: #151922 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--bg); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } p, pre { max-width: 46rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; color: var(--dim) } td.n { text-align: right } .dim { color: var(--dim) }
.good { color: var(--good) } .bad { color: var(--bad) }
pre { white-space: pre-wrap; font: 13px/1.45 ui-monospace, monospace }
summary { cursor: pointer } ol.steps { font: 13px/1.5 ui-monospace, monospace } ol.steps li.now { font-weight: 700 }
ol.steps li.later { color: var(--dim) } button { font: inherit; padding: .1rem .7rem; margin-right: .4rem }
"""
_SCRIPT = """
for (const run of document.querySelectorAll("[data-run]")) {
  const steps = JSON.parse(run.querySelector("script").textContent);
  const list = run.querySelector("ol"), shown = run.querySelector("pre"), where = run.querySelector(".where");
  let at = 0;
  const draw = () => {
    [...list.children].forEach((li, n) => { li.className = n + 1 === at ? "now" : n + 1 > at ? "later" : ""; });
    shown.textContent = at ? steps[at - 1].records.join("\\n") : "before the first step";
    where.textContent = at + " of " + steps.length;
  };
  for (const s of steps) { const li = document.createElement("li"); li.textContent = s.text; list.append(li); }
  [...list.children].forEach((li, n) => li.addEventListener("click", () => { at = n + 1; draw(); }));
  run.querySelector(".back").addEventListener("click", () => { at = Math.max(0, at - 1); draw(); });
  run.querySelector(".on").addEventListener("click", () => { at = Math.min(steps.length, at + 1); draw(); });
  run.querySelector(".end").addEventListener("click", () => { at = steps.length; draw(); });
  draw();
}
"""


def page(proof: Proof) -> str:
    """The page."""
    verdict = (
        '<strong class="good">It holds.</strong>' if proof.holds else '<strong class="bad">Something broke.</strong>'
    )
    runs = sum(s.runs for s in proof.scenarios)
    scope = (
        f"<p>{verdict} {runs:,} runs of the production code in {len(proof.scenarios)} scenarios, "
        f"{proof.seconds:.0f} seconds. Small scope is evidence and no proof: what a scenario does not hold, its search "
        "cannot find. A search that was cut says so.</p>"
    )
    about = "<p>Known-bad variants of the production path. A green search says something only if it can be red.</p>"
    held = f"<h2>What each run is held to</h2><pre>{_text(_invariants())}</pre>"
    title = "<h1>Interlock: no assignment is ever lost</h1>"
    tables = ("<h2>Scenarios</h2>", _scenarios(proof), "<h2>Mutants</h2>", about, _mutants(proof))
    body = [title, scope, held, *tables, *_counterexamples(proof)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Interlock: the proof</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        + "\n".join(body) + f"<script>{_SCRIPT}</script></body></html>\n"
    )  # fmt: skip


def _invariants() -> str:
    told = (ledger.__doc__ or "").split("\n\n")
    return told[-1].strip("\n") if told else ""


def _scenarios(proof: Proof) -> str:
    rows = []
    for s in proof.scenarios:
        found = named(s.name)
        words = CORE_WORDS if s.name == CORE else found.words if found else ""
        title, _, rest = words.strip().partition("\n\n")
        far = "every interleaving" if s.complete else "cut"
        seeds = f"{s.drawn:,} from {proof.seed}" if s.drawn else "–"
        broke = ", ".join(f"{k}: {n}" for k, n in s.broken.items())
        verdict = f'<span class="bad">{_text(broke)}</span>' if s.violations else '<span class="good">holds</span>'
        rows.append(
            (f"<details><summary>{_text(s.name)}: {_text(title)}</summary><p>{_text(rest)}</p></details>", far,
             f"{s.runs:,}", f"{s.states:,}", f"{s.pruned:,}", seeds, f"{s.seconds:.1f} s", verdict)
        )  # fmt: skip
    return _table(("scenario", "searched", "runs", "states", "pruned", "drawn", "time", ""), rows)


def _mutants(proof: Proof) -> str:
    if not proof.mutants:
        return '<p class="dim">Not hunted this time: <code>interlock prove --mutants</code>.</p>'
    rows = []
    for m in proof.mutants:
        caught = f'<span class="good">{m.caught_by}</span>' if m.caught_by else '<span class="bad">got away</span>'
        steps = len(m.counterexample.schedule) if m.counterexample else 0
        link = f'<a href="#{m.name}">{steps} steps</a>' if steps else "–"
        rows.append((_text(m.name), _text(m.words), _text(m.scenario), caught, f"{m.runs_to_catch:,}", link))
    return _table(("mutant", "what it does", "scenario", "caught by", "after runs", "counterexample"), rows)


def _counterexamples(proof: Proof) -> Iterable[str]:
    for name, example in files(proof):
        yield _run(name.removesuffix(".json"), example)


def _run(name: str, example: Counterexample) -> str:
    played = counterexample.replay(example)
    steps = msgspec.json.encode(played.steps).decode().replace("</", "<\\/")
    broke = "".join(f"<li>{_text(n)}: {_text(words)}</li>" for n, words in played.broken)
    return (
        f'<h2 id="{name}">{_text(name)}</h2><p class="dim"><code>interlock replay {_text(name)}.json</code></p>'
        f'<ul class="bad">{broke}</ul><div data-run><p><button class="back">back</button>'
        '<button class="on">step</button><button class="end">to the end</button> <span class="where dim"></span></p>'
        f'<pre></pre><ol class="steps"></ol><script type="application/json">{steps}</script></div>'
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{h}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(words: str) -> str:
    return html.escape(words)
