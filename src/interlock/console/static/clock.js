// Times on the page: distances that grow or run down, bars towards a target, and clock times in UTC or the reader's zone.
// The time is the server's: what this machine's clock is off by is learnt from the stream's beat.
let offset = 0;
export const serverNow = () => Date.now() + offset;
export function learn(at) { offset = Date.parse(at) - Date.now(); }

export function lasting(ms) {
  if (ms > 0 && ms < 1000) return "0 s";
  const s = Math.max(0, Math.floor(ms / 1000)), two = n => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

function put(node, text) { if (node.textContent !== text) node.textContent = text; }

export function tick() {
  const now = serverNow();
  for (const t of document.querySelectorAll("[data-since]")) {
    const waited = now - t.dataset.since;
    put(t, lasting(waited));
    if (t.dataset.target) t.closest("tr")?.classList.toggle("late", waited > +t.dataset.target);
  }
  for (const bar of document.querySelectorAll("[data-bar]")) {
    const share = Math.max(0, Math.min(100, 100 * (now - bar.dataset.bar) / (+bar.dataset.target || 1)));
    bar.querySelector(".fill").setAttribute("width", share.toFixed(1));
    bar.classList.toggle("over", share >= 100);
    bar.classList.toggle("near", share >= 75 && share < 100);
  }
}

const zoned = new Map();
function local(at, part) {
  const key = part;
  if (!zoned.has(key)) {
    const form = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (part === "ms") form.fractionalSecondDigits = 3;
    if (part === "day") Object.assign(form, { year: "numeric", month: "2-digit", day: "2-digit" });
    zoned.set(key, new Intl.DateTimeFormat("sv-SE", form));
  }
  return zoned.get(key).format(at).replace(",", ".");
}
function utc(at, part) {
  const text = at.toISOString(), time = text.slice(11, part === "ms" ? 23 : 19);
  return part === "day" ? `${text.slice(0, 10)} ${time}` : time;
}
export function zones() {
  const here = stored("zone") === "local";
  const button = document.getElementById("zone");
  if (button) {
    button.textContent = here ? "Local time" : "UTC";
    button.setAttribute("aria-pressed", String(here));
  }
  for (const t of document.querySelectorAll("time[data-clock]")) {
    const at = new Date(t.getAttribute("datetime"));
    if (!Number.isNaN(at.getTime())) put(t, (here ? local : utc)(at, t.dataset.clock));
  }
}
export function stored(name) { try { return localStorage.getItem(`interlock-${name}`); } catch { return null; } }
export function store(name, value) { try { localStorage.setItem(`interlock-${name}`, value); } catch { /* for this page only */ } }

tick();
zones();
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
document.addEventListener("htmx:after:swap", () => { tick(); zones(); });
document.getElementById("zone")?.addEventListener("click", () => {
  store("zone", stored("zone") === "local" ? "utc" : "local");
  zones();
});
