// The form of counts adds up while it is filled in. Without this script the page does the same when it is sent.
"use strict";
for (const form of document.querySelectorAll("form.counts")) {
  for (const table of form.querySelectorAll("fieldset")) {
    const fields = [...table.querySelectorAll("input[data-kind]")];
    const sums = [...table.querySelectorAll("output[data-sum]")];
    const verdict = table.querySelector("[data-verdict]");
    const add = () => {
      const totals = sums.map((sum) => {
        const mine = fields.filter((field) => field.dataset.kind === sum.dataset.sum);
        const filled = mine.filter((field) => /^\d+$/.test(field.value.trim()));
        const total = filled.reduce((before, field) => before + Number(field.value), 0);
        sum.value = filled.length ? total : "–";
        return filled.length === mine.length ? total : null;
      });
      const complete = totals.every((total) => total !== null);
      const equal = complete && totals.every((total) => total === totals[0]);
      sums.forEach((sum, place) => {
        sum.classList.toggle("different", complete && totals[place] !== totals[0]);
      });
      verdict.textContent = !complete
        ? form.dataset.empty
        : (equal ? form.dataset.equal : form.dataset.different).replace("#", totals[0]);
      verdict.dataset.state = !complete ? "open" : equal ? "good" : "bad";
    };
    table.addEventListener("input", add);
    if (fields.some((field) => field.value)) add();
  }
}
