"use strict";
// A click on a figure enlarges it; another one, or Escape, closes it.
const large = document.getElementById("large");
for (const image of document.querySelectorAll("main img:not(.small)")) {
  image.addEventListener("click", () => { large.firstElementChild.src = image.src; large.firstElementChild.alt = image.alt; large.showModal(); });
}
large.addEventListener("click", () => large.close());

// A click on the heading of a table sorts by it: numbers by their value, missing ones last.
const number = text => { const found = text.replaceAll(",", "").match(/^[-+]?(\d+\.?\d*(e[-+]?\d+)?|\u221e)(?=$|[\s%(])/i); return found ? (found[1] === "\u221e" ? Infinity : parseFloat(found[0])) : NaN; };
const compare = (a, b) => {
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return Number.isNaN(x) ? a.localeCompare(b) : x - y;
};
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const cells = [...body.rows].map(row => row.cells[column]);
    if (cells.every(cell => /^[-+\d.,e\u00b1\u221e ]*$/.test(cell.textContent))) cells.forEach(cell => cell.classList.add("number"));
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = row => row.cells[column].textContent;
      const missing = row => Number.isNaN(number(text(row))) && text(row) === "-";
      const rows = [...body.rows].sort((a, b) => missing(a) - missing(b) || (down ? -1 : 1) * compare(text(a), text(b)));
      body.replaceChildren(...rows);
    });
  });
}
