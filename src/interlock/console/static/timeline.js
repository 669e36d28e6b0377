// The timeline: step through time, copy a link, say politely what was appended. State, never an animation.
const rows = () => [...document.querySelectorAll("tr[data-row]")];

document.addEventListener("input", event => {
  const slider = event.target.closest?.("[data-travel]");
  if (!slider) return;
  const url = new URL(location.href);
  url.searchParams.set("at", slider.value);
  history.replaceState(history.state, "", url);
  document.getElementById("travel-at").textContent = slider.value;
  for (const row of rows()) row.classList.toggle("stepped", row.id === `r-${slider.value}`);
  clearTimeout(slider.wait);
  slider.wait = setTimeout(() => show(url), 60);
});
async function show(url) {
  const part = new URL(url);
  part.searchParams.set("region", "top");
  const answer = await fetch(part, { headers: { "hx-request": "true" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("heads"), here = document.getElementById("heads");
  if (!now || !here) return;
  for (const [n, head] of [...here.querySelectorAll(".recordhead")].entries()) {
    head.replaceWith(now.querySelectorAll(".recordhead")[n].cloneNode(true));
  }
  const words = here.querySelector(".travel label"), then = now.querySelector(".travel label");
  if (words && then) words.innerHTML = then.innerHTML;
  document.dispatchEvent(new Event("htmx:after:swap"));
}

document.addEventListener("click", async event => {
  const copy = event.target.closest?.("[data-copy-link], [data-copy]");
  if (!copy) return;
  const text = copy.dataset.copy ? document.getElementById(copy.dataset.copy).textContent : location.href;
  const words = copy.textContent;
  try {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  } catch {
    copy.textContent = "Your browser does not let pages copy here";
  }
  setTimeout(() => { copy.textContent = words; }, 2500);
});

let before = rows().length;
document.addEventListener("htmx:after:swap", () => {
  const now = rows().length;
  const said = document.getElementById("said");
  if (before && now > before && said) said.textContent = `${now - before} decision${now - before === 1 ? "" : "s"} appended`;
  before = now;
});
