// Draws the timelines of an investigation's report. Every text of the log is set as text, never as markup.
"use strict";
(() => {
  const BATCH = 150;
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const make = (tag, kind, text) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  let story = null, shown = [], drawn = 0, from = null, until = null, full = [0, 1];

  const MARKS = { "repaired": "✎ repaired", "inferred": "? inferred", "not seen in this log": "? not seen in this log" };

  function cell(c, kind) {
    const box = make("div", kind);
    if (!c) return box;
    if (c.rev !== null) box.append(make("span", "rev", "rev " + c.rev), " ");
    for (const tag of c.tags) box.append(make("span", "tag q", MARKS[tag] || tag));
    box.append(c.head);
    for (const [name, before, after] of c.moves) {
      box.append(make("br"), name + " ");
      if (before) box.append(make("del", "", before), " → ");
      box.append(make("ins", "", after));
    }
    for (const note of c.notes) box.append(make("br"), make("span", "mut", note));
    return box;
  }

  function card(c, severity) {
    if (!c) return "";
    const wrong = c.outcome === "should not have applied", fine = c.outcome === "applied";
    const box = make("div", wrong || severity === "high" && !fine ? "dec bad" : "dec");
    box.append(make("span", "tag " + (wrong ? "b" : fine ? "o" : "q"), (wrong ? "✕ " : fine ? "✓ " : "? ") + c.outcome));
    box.append(c.title);
    if (c.facts.length) {
      const list = make("dl");
      for (const [name, text] of c.facts) list.append(make("dt", "", name), make("dd", "", text));
      box.append(list);
    }
    return box;
  }

  function row(line) {
    const tr = make("tr");
    const clock = make("td", "t m", line.clock);
    clock.append(make("br"), make("span", "mut", line.delta));
    if (line.place) clock.title = (data.inputs[line.place[0]] || "input " + line.place[0]) + ":" + line.place[1];
    tr.append(clock);
    const left = make("td"), middle = make("td"), right = make("td");
    if (line.left) left.append(cell(line.left, "c"));
    if (line.card) middle.append(card(line.card, line.severity));
    if (line.right) right.append(cell(line.right, "w"));
    tr.append(left, middle, right);
    return tr;
  }

  function more() {
    const some = document.createDocumentFragment();
    for (const end = Math.min(drawn + BATCH, shown.length); drawn < end; drawn++) some.append(row(shown[drawn]));
    at("rows").append(some);
    at("more").textContent = drawn < shown.length
      ? `${shown.length - drawn} more rows follow` : `${shown.length} of ${story.lines.length} rows`;
  }

  const textOf = (line) => line.text || (line.text = JSON.stringify([line.clock, line.left, line.card, line.right]).toLowerCase());

  function filter() {
    const wanted = at("filter").value.trim().toLowerCase(), only = at("only").checked;
    shown = story.lines.filter((line) =>
      (!only || line.findings.length) && (!wanted || textOf(line).includes(wanted)) &&
      (from === null || (line.at !== null && line.at >= from && line.at <= until)));
    if (at("order").value === "clock") shown = [...shown].sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
    drawn = 0;
    at("rows").replaceChildren();
    more();
    paint();
  }

  function choose(index) {
    story = data.timelines[index];
    at("left").textContent = story.left;
    at("right").textContent = story.right;
    const times = story.lines.map((l) => l.at).filter((t) => t !== null);
    full = times.length ? [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))] : [0, 1];
    from = until = null;
    at("caption").textContent = `${story.left}, ${story.right}, and the decisions between them` +
      (story.day ? `, ${story.day} (UTC)` : "") + (story.span_ms !== null ? `, ${story.span_ms} ms from first to last` : "");
    filter();
  }

  function paint() {
    const canvas = at("overview"), wide = canvas.clientWidth || 800, high = 74, scale = window.devicePixelRatio || 1;
    canvas.width = wide * scale; canvas.height = high * scale;
    const pen = canvas.getContext("2d"), colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const probe = make("span"); document.body.append(probe);
    const real = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
    const conv = real("--conv"), item = real("--wi"), bad = real("--bad"), mut = real("--mut");
    probe.remove();
    pen.scale(scale, scale);
    const [low, top] = from === null ? full : [from, until], span = Math.max(1, top - low);
    const x = (t) => 12 + (t - low) / span * (wide - 24);
    pen.font = "11px system-ui, sans-serif"; pen.fillStyle = mut;
    pen.fillText("drag: zoom in · double click: whole · + and −", 12, 12);
    pen.fillText(span < 10000 ? span + " ms" : Math.round(span / 1000) + " s", wide - 70, 12);
    for (const line of story.lines) {
      if (line.at === null || line.at < low || line.at > top) continue;
      pen.fillStyle = line.severity === "high" ? bad : line.left ? conv : line.right ? item : mut;
      const size = line.severity === "high" ? 5 : 3;
      pen.fillRect(x(line.at) - size / 2, line.left ? 24 : line.right ? 54 : 40, size, 12);
    }
    canvas.low = low; canvas.span = span; canvas.wide = wide;
  }

  function zoom(factor) {
    const [low, top] = from === null ? full : [from, until], middle = (low + top) / 2, half = Math.max(1, (top - low) / 2 * factor);
    from = Math.max(full[0], middle - half); until = Math.min(full[1], middle + half);
    if (from <= full[0] && until >= full[1]) from = until = null;
    filter();
  }

  function start() {
    const list = at("conversation");
    data.timelines.forEach((t, n) => {
      const worst = t.lines.reduce((w, l) => l.severity === "high" || (l.severity === "medium" && w !== "high") ? l.severity : w, "");
      const option = make("option", "", t.left + (worst ? ` · ${worst}` : "") + ` · ${t.lines.length} rows`);
      option.value = String(n);
      list.append(option);
    });
    list.hidden = data.timelines.length < 2;
    list.onchange = () => choose(Number(list.value));
    at("filter").oninput = filter;
    at("only").onchange = filter;
    at("order").onchange = filter;
    at("in").onclick = () => zoom(0.5);
    at("out").onclick = () => zoom(2);
    const canvas = at("overview"), time = (event) => canvas.low + (event.offsetX - 12) / (canvas.wide - 24) * canvas.span;
    let began = null;
    canvas.onpointerdown = (event) => { began = time(event); };
    canvas.onpointerup = (event) => {
      const ended = time(event);
      if (began !== null && Math.abs(ended - began) > canvas.span / 100) {
        from = Math.min(began, ended); until = Math.max(began, ended);
        filter();
      }
      began = null;
    };
    canvas.ondblclick = () => { from = until = null; filter(); };
    document.onkeydown = (event) => {
      if (event.target.matches("input,select")) return;
      if (event.key === "+") zoom(0.5);
      if (event.key === "-") zoom(2);
    };
    for (const button of document.querySelectorAll("button[data-timeline]")) {
      button.onclick = () => {
        list.value = button.dataset.timeline;
        choose(Number(button.dataset.timeline));
        at("overview").scrollIntoView();
      };
    }
    window.onresize = paint;
    new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting) && drawn < shown.length) more(); },
      { rootMargin: "600px" }).observe(at("more"));
    if (data.timelines.length) choose(0); else at("story").hidden = true;
  }
  start();
})();
