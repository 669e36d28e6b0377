// Rows: nothing moves under the pointer or the focus, j and k go from row to row.
const held = new Map();

function rowsIn(root) { return [...root.querySelectorAll("tbody > tr[id]")].map(row => row.id).join(); }

document.addEventListener("htmx:before:swap", event => {
  const region = event.target.closest?.("[data-hold]");
  const text = event.detail?.ctx?.text;
  if (!region || !text) return;
  const inside = region.matches(":hover") || region.contains(document.activeElement);
  if (!inside) return;
  const after = new DOMParser().parseFromString(text, "text/html");
  const now = rowsIn(region), then = rowsIn(after);
  const kept = now.split(",").filter(id => then.includes(id));
  const same = then.split(",").filter(id => now.includes(id)).join() === kept.join();
  if (same || now === then) return;
  event.preventDefault();
  hold(region);
});

function hold(region) {
  if (held.has(region)) return;
  const chip = document.createElement("button");
  chip.className = "chip";
  chip.type = "button";
  chip.textContent = "Order changed: apply";
  const apply = () => {
    chip.remove();
    held.delete(region);
    region.removeEventListener("mouseleave", later);
    window.htmx.ajax("GET", region.getAttribute("hx-get"), { target: region, swap: "innerMorph" });
  };
  const later = () => { if (!region.contains(document.activeElement)) apply(); };
  held.set(region, chip);
  region.before(chip);
  chip.addEventListener("click", apply);
  region.addEventListener("mouseleave", later);
}

export function step(by) {
  const rows = [...document.querySelectorAll("[data-row], .rows tbody > tr[id]")].filter(row => row.offsetParent !== null);
  if (!rows.length) return;
  const at = rows.findIndex(row => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  const focus = next.matches("[tabindex]") ? next : next.querySelector("a, button, [tabindex]");
  focus?.focus();
  next.scrollIntoView({ block: "nearest" });
}
