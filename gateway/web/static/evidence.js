// A signed form becomes its commitment here, in the browser: the form goes nowhere, its nonce is kept with it at school.
// The commitment proves nothing without its nonce, so it is filled in only together with the download of that nonce.
"use strict";
const hexadecimal = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
for (const box of document.querySelectorAll("[data-evidence]")) {
  box.hidden = !globalThis.crypto?.subtle;
  const field = document.getElementById(box.dataset.evidence);
  const kept = box.querySelector("[data-kept]");
  const keep = kept.querySelector("a");
  box.querySelector("input").addEventListener("change", async ({ target }) => {
    field.value = "";
    kept.hidden = true;
    target.toggleAttribute("data-empty", !target.files.length);
    if (!target.files.length) return;
    const nonce = crypto.getRandomValues(new Uint8Array(32));
    const form = new Uint8Array(await target.files[0].arrayBuffer());
    const both = new Uint8Array(nonce.length + form.length);
    both.set(nonce);
    both.set(form, nonce.length);
    const commitment = hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-256", both)));
    const key = `nonce ${hexadecimal(nonce)}\nsha256(nonce + form) ${commitment}\n`;
    keep.href = URL.createObjectURL(new Blob([key], { type: "text/plain" }));
    keep.click();
    field.value = commitment;
    kept.hidden = false;
  });
}
