// Live updates. The stream says where to look, never what to show: a topic becomes an event on <body>, and whatever region
// listens to it asks for itself. One tab of a browser streams (whoever holds the lock); the others hear it from that one.
import { learn } from "./clock.js";

const body = document.body, mark = document.getElementById("fresh");
const session = body.dataset.live, build = body.dataset.build, lockName = `interlock-live-${session}`;
const tab = Math.random().toString(36).slice(2);
const SILENT_MS = 40000, LOST_MS = 3000, POLL_MS = 5000, HELLO_MS = 10000, WAIT_MAX_MS = 8000;
const FAMILIES = ["queues", "queue", "agents", "agent", "conversation", "incidents", "rules", "system"];

let position = Number(body.dataset.position) || 0;
let source = null, streaming = new Set(), leads = false, over = false;
let wait = 500, heard = Date.now(), healthy = false;
const others = new Map();
const channel = "BroadcastChannel" in window ? new BroadcastChannel(lockName) : null;
const own = () => new Set(body.dataset.topics.split(",").filter(Boolean));

function say(state, text) {
  if (!mark || mark.dataset.text === text) return;
  mark.dataset.state = state;
  mark.dataset.text = text;
  mark.querySelector("span").textContent = text;
}
function fire(family, topic) { body.dispatchEvent(new CustomEvent(`${family}-changed`, { detail: { topic } })); }
function everything() { for (const family of FAMILIES) fire(family, ""); }

function live() {
  const healed = !healthy && heard && mark?.dataset.state === "lost";
  healthy = true;
  heard = Date.now();
  say("live", "Live");
  if (healed) everything();
}
function lost() {
  if (over) return;
  if (healthy || mark?.dataset.state === "starting") {
    say("lost", `No connection: data as of ${new Date(heard).toLocaleTimeString("sv-SE")}`);
  }
  healthy = false;
}
function ended() {
  over = true;
  leads = false;
  source?.close();
  healthy = true;
  say("lost", "Signed out");
  const notice = document.getElementById("notice");
  if (notice) notice.innerHTML = "<div class='note bad'><p><strong>You are signed out.</strong> <a href='/sign-in'>Sign in</a></p></div>";
}

function take(message) {
  live();
  if (message.kind === "beat") {
    learn(message.at);
    if (message.build !== build) say("behind", "New version: reload the page");
  } else if (message.kind === "reset") {
    everything();
  } else if (message.kind === "change" && own().has(message.topic)) {
    fire(message.topic.split(":")[0], message.topic);
  }
}

function open() {
  source?.close();
  streaming = own();
  for (const [name, wanted] of others) {
    if (Date.now() - wanted.at > 9 * HELLO_MS) others.delete(name);
    else for (const topic of wanted.topics) streaming.add(topic);
  }
  if (!streaming.size) streaming.add("system");
  const stream = source = new EventSource(`/live?after=${position}&topics=${encodeURIComponent([...streaming].join(","))}`);
  for (const kind of ["change", "beat", "reset"]) {
    stream.addEventListener(kind, event => {
      if (stream !== source) return;
      wait = 500;
      position = Math.max(position, Number(event.lastEventId) || 0);
      const message = { ...JSON.parse(event.data || "{}"), kind, id: position };
      take(message);
      channel?.postMessage(message);
    });
  }
  stream.onerror = () => { if (stream === source) broken(); };
}
// A browser gives up for good after one answer that is not 200: so it is opened anew here, more slowly each time.
async function broken() {
  source.close();
  source = null;
  setTimeout(() => { if (leads && !source) open(); }, wait);
  wait = Math.min(wait * 2, WAIT_MAX_MS);
  setTimeout(() => { if (leads && Date.now() - heard >= LOST_MS) lost(); }, LOST_MS);
  try {
    const answer = await fetch("/live/check", { headers: { "hx-request": "true" } });
    if (answer.status === 401) ended();
  } catch { /* the server is away: the next try will tell */ }
}

function lead(steal) {
  navigator.locks.request(lockName, { steal }, () => {
    if (over) return undefined;
    leads = true;
    open();
    return new Promise(done => addEventListener("pagehide", () => { leads = false; source?.close(); done(); }, { once: true }));
  }).catch(() => {
    // Another tab took the lock from this one, which had fallen silent: this one follows, and queues for it again.
    leads = false;
    source?.close();
    source = null;
    if (!over) lead(false);
  });
}
function hello() { if (!over) channel?.postMessage({ kind: "hello", tab, topics: [...own()], position }); }

function onChannel({ data }) {
  if (data.kind !== "hello") {
    if (data.to && data.to !== tab) return;
    if (leads) return;
    position = Math.max(position, data.id || 0);
    take(data);
    if (data.kind === "behind") everything();
  } else if (leads) {
    others.set(data.tab, { topics: data.topics, at: Date.now() });
    if (data.topics.some(topic => !streaming.has(topic))) open();
    const behind = data.position < position;
    channel.postMessage({ kind: behind ? "behind" : "here", to: data.tab, id: position });
  }
}

export const leading = () => leads;
export function check(now) {
  const silent = now - heard;
  if (over || silent < SILENT_MS) return;
  lost();
  heard = now;
  if (leads) open();
  else if (navigator.locks) lead(true);
}

if (session) {
  if (channel) channel.onmessage = onChannel;
  if (navigator.locks && channel) {
    lead(false);
    hello();
  } else {
    // No secure context: each tab streams for itself. `interlock doctor` names TLS as the way out.
    leads = true;
    open();
  }
  setInterval(() => { hello(); check(Date.now()); }, HELLO_MS);
  setInterval(() => { if (!healthy) everything(); }, POLL_MS);
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
  addEventListener("online", () => { everything(); if (leads) open(); });
}
