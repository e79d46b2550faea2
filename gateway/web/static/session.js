// Two minutes before a session ends while a form is open, the page says so, with a button that lengthens it.
"use strict";
document.getElementById("faults")?.focus();

const MARGIN = 150; // two minutes, and the half minute in which a second use is not noted
const ending = document.getElementById("ending");
let before = null;
const show = (name) => ending.replaceChildren(document.getElementById(name).content.cloneNode(true));
const wait = (left) => setTimeout(warn, (left - MARGIN) * 1000);
const warn = () => {
  show("ending-soon");
  ending.querySelector("button").addEventListener("click", lengthen);
};
const lengthen = async () => {
  const answer = await fetch("/session").catch(() => null);
  if (!answer) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const left = Number(page.getElementById("ending")?.dataset.left ?? 0);
  if (left <= MARGIN) return show("ending-over");
  ending.replaceChildren();
  before?.focus();
  wait(left);
};
ending.addEventListener("focusin", ({ relatedTarget }) => {
  before = relatedTarget ?? before;
});
if (document.querySelector("main form[method=post]")) wait(Number(ending.dataset.left));
