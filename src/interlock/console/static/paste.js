// A file goes the way of a pasted text: read here, sent as bytes with the form.
const file = document.querySelector("[data-file]");

file?.addEventListener("change", async () => {
  const chosen = file.files[0], said = document.getElementById("file-said");
  if (!chosen) return;
  if (chosen.size > 4000000) {
    said.textContent = `${chosen.name} has ${chosen.size.toLocaleString()} bytes; here at most 4,000,000 are read.`;
    return;
  }
  const bytes = new Uint8Array(await chosen.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  document.getElementById("packed").value = btoa(text);
  document.getElementById("packed-name").value = chosen.name;
  said.textContent = `${chosen.name}, ${chosen.size.toLocaleString()} bytes: investigating`;
  document.getElementById("paste").submit();
});
