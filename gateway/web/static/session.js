// What every page of somebody who is logged in does with a script: the focus is on what is wrong, leaving the page loses
// nothing that was typed without a question, and before the session ends while a form is open the page says so.
"use strict";
document.getElementById("faults")?.focus();

const forms = [...document.querySelectorAll("main form[method=post]")];
const typed = ({ type, value, defaultValue, checked, defaultChecked }) =>
  type === "checkbox" || type === "radio" ? checked !== defaultChecked : value !== defaultValue;
const fields = () => forms.flatMap((form) => [...form.querySelectorAll("input:not([type=hidden]), textarea")]);
let sent = false;
for (const form of forms) form.addEventListener("submit", () => (sent = true));
window.addEventListener("beforeunload", (event) => {
  if (!sent && fields().some(typed)) event.preventDefault();
});
const speak = document.querySelector("button[name=speak]");
document.getElementById("other-language").addEventListener("click", (event) => {
  if (!speak) return;
  event.preventDefault();
  speak.click();
});

const MARGIN = 150; // two minutes, and the half minute in which a second use is not noted
const ending = document.getElementById("ending");
let before = null;
let ends, next, shown;
const show = (name) => {
  if (name === shown) return;
  shown = name;
  ending.replaceChildren(...(name ? [document.getElementById(name).content.cloneNode(true)] : []));
  ending.querySelector("button")?.addEventListener("click", lengthen);
};
// The clock is asked each time: a computer that slept wakes long after the moment it was to warn at.
const look = () => {
  clearTimeout(next);
  const left = (ends - Date.now()) / 1000;
  if (left <= 0) return show("ending-past");
  if (left <= MARGIN) show("ending-soon");
  next = setTimeout(look, 1000 * (left <= MARGIN ? left : left - MARGIN));
};
const wait = (left) => {
  ends = Date.now() + 1000 * left;
  look();
};
const lengthen = async () => {
  const answer = await fetch("/session").catch(() => null);
  if (!answer) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const left = Number(page.getElementById("ending")?.dataset.left ?? 0);
  if (left <= MARGIN) {
    clearTimeout(next);
    document.removeEventListener("visibilitychange", look);
    return show("ending-over");
  }
  show("");
  before?.focus();
  wait(left);
};
ending.addEventListener("focusin", ({ relatedTarget }) => {
  before = relatedTarget ?? before;
});
if (forms.length) {
  wait(Number(ending.dataset.left));
  document.addEventListener("visibilitychange", look);
}
