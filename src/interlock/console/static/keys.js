// The keyboard: what one letter does, outside of fields, unless it was switched off; and the list behind "?".
import { step } from "./table.js";
import { store, stored } from "./clock.js";

const PLACES = { q: "/queues", i: "/inbox", c: "/conversations", v: "/investigate", r: "/rules", t: "/settings", n: "/incidents", p: "/proof", s: "/system" };
const list = document.getElementById("key-list"), on = document.getElementById("keys-on");
const jump = document.getElementById("jump");
let going = 0;

const fields = node => node.closest?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]");
if (on) {
  on.checked = stored("keys") !== "off";
  on.addEventListener("change", () => store("keys", on.checked ? "on" : "off"));
}
document.getElementById("keys")?.addEventListener("click", () => list.showModal());
document.getElementById("theme")?.addEventListener("click", () => {
  const next = { "": "light", light: "dark", dark: "" }[document.documentElement.dataset.theme ?? ""];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  store("theme", next);
  theme();
});
function theme() {
  const button = document.getElementById("theme");
  if (button) button.textContent = `Theme: ${document.documentElement.dataset.theme ?? "auto"}`;
}
theme();

const DOES = {
  "?": () => list.showModal(),
  "/": () => { jump.focus(); jump.select(); },
  j: () => step(1),
  k: () => step(-1),
  e: () => document.activeElement.closest?.("[data-row], tr")?.querySelector("details > summary")?.click(),
  g: () => { going = Date.now(); },
};

document.addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && jump) {
    event.preventDefault();
    DOES["/"]();
    return;
  }
  if (event.key === "Escape") document.querySelector("[data-panel]")?.parentElement.replaceChildren();
  if (event.ctrlKey || event.metaKey || event.altKey || fields(event.target) || (on && !on.checked) || list?.open) return;
  if (Date.now() - going < 1500 && PLACES[event.key]) {
    going = 0;
    const link = document.querySelector(`.rail a[href="${PLACES[event.key]}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (button && button.offsetParent !== null) {
    event.preventDefault();
    button.click();
  } else if (DOES[event.key]) {
    event.preventDefault();
    DOES[event.key]();
  }
});
document.addEventListener("click", event => {
  const ask = event.target.closest?.("[data-ask]");
  if (ask && window.htmx && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button) {
    event.preventDefault();
    window.htmx.ajax("GET", `${ask.getAttribute("href")}?region=panel`, { target: "#panel", swap: "innerHTML" });
    return;
  }
  const close = event.target.closest?.("[data-close]");
  const panel = document.getElementById("panel");
  if (close && panel?.contains(close)) { event.preventDefault(); panel.replaceChildren(); }
});
document.addEventListener("htmx:after:swap", () => {
  const title = document.querySelector("#panel [data-panel]:not([data-shown]) h2");
  if (title) { title.closest("[data-panel]").dataset.shown = ""; title.focus(); }
});
document.addEventListener("htmx:after:request", event => {
  const panel = document.querySelector("#panel [data-panel]");
  if (panel && event.target.closest?.("[data-panel]") && event.detail?.ctx?.response?.status < 400) panel.remove();
});
