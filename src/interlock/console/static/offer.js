// The offer strip: seconds by the server's clock, the signals that were asked for, and what is said aloud. Never a modal, never
// the focus. The deadline is the server's: a laptop that slept sees "missed", not nine seconds.
import { serverNow, store, stored } from "./clock.js";
import { leading } from "./live.js";

const strip = document.getElementById("offer"), title = document.title;
let known = "", warned = "", asked = "", beeping = 0, whole = 30000;

const on = name => (stored(`signal-${name}`) ?? (name === "title" ? "on" : "off")) === "on";
const call = text => { const node = document.getElementById("called"); if (node) node.textContent = text; };

function paint() {
  const offer = strip.querySelector("[data-offer]");
  if (!offer) {
    if (known) quiet();
    return;
  }
  const left = offer.dataset.until - serverNow(), id = `${offer.dataset.offer} ${offer.dataset.until}`;
  if (known.split(" ")[0] !== offer.dataset.offer) arrived(offer, left);
  known = id;
  const seconds = offer.querySelector(".seconds"), run = offer.querySelector(".run");
  const text = left > 0 ? `${Math.ceil(left / 1000)} s` : `missed at ${new Date(+offer.dataset.until).toISOString().slice(11, 19)} UTC`;
  if (seconds.textContent !== text) seconds.textContent = text;
  run?.setAttribute("stroke-dashoffset", String(100 - Math.max(0, Math.min(100, 100 * left / whole))));
  for (const button of offer.querySelectorAll("button")) button.disabled = left <= 0;
  if (left > 0 && left <= 10000 && warned !== id) {
    warned = id;
    call("10 seconds left to answer");
  }
  if (left <= 0) {
    silence();
    document.title = title;
    if (asked !== id) {
      asked = id;
      setTimeout(() => document.body.dispatchEvent(new CustomEvent("agent-changed")), 1500);
    }
  }
}
function arrived(offer, left) {
  whole = Math.max(left, 1000);
  call(`Offer: ${offer.dataset.from}. Press a to accept, d to decline.`);
  if (on("title")) document.title = `(1) Offer · ${title}`;
  if (on("sound") && leading()) beep(left);
  if (on("system") && leading() && "Notification" in window && Notification.permission === "granted") {
    const note = new Notification("Offer", { body: offer.dataset.from, tag: offer.dataset.offer });
    setTimeout(() => note.close(), left);
  }
}
function quiet() {
  known = "";
  silence();
  document.title = title;
}
function silence() { clearInterval(beeping); beeping = 0; }
function beep(left) {
  silence();
  const ends = serverNow() + left;
  const once = () => {
    if (serverNow() >= ends || !strip.querySelector("[data-offer]")) { silence(); return; }
    const audio = new AudioContext(), tone = audio.createOscillator(), volume = audio.createGain();
    volume.gain.value = 0.05;
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.15);
    tone.onended = () => audio.close();
  };
  once();
  beeping = setInterval(once, 2000);
}

if (strip) {
  for (const box of document.querySelectorAll("[data-signal]")) {
    box.checked = on(box.dataset.signal);
    box.addEventListener("change", () => {
      store(`signal-${box.dataset.signal}`, box.checked ? "on" : "off");
      if (box.dataset.signal === "system" && box.checked) Notification.requestPermission();
    });
  }
  paint();
  setInterval(paint, 250);
  document.addEventListener("htmx:after:swap", paint);
  document.addEventListener("visibilitychange", paint);
}
