/* Tables inside [data-sortable]: pressing a heading sorts by its column, pressing it again turns the order round. */
(function () {
  "use strict";

  function value(cell) {
    const holder = cell.querySelector("[data-value]");
    const text = holder ? holder.dataset.value : cell.textContent.trim();
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  function compare(a, b) {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;  // what is not there comes last either way
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function sort(head) {
    const table = head.closest("table");
    const place = Array.from(head.parentElement.children).indexOf(head);
    // figures are wanted from the best down, names from A on
    const falling = head.getAttribute("aria-sort") === null ? head.classList.contains("number") : head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort(function (a, b) {
      const x = value(a.cells[place]);
      const y = value(b.cells[place]);
      if (x === "" || y === "") return compare(x, y);
      return falling ? compare(y, x) : compare(x, y);
    });
    table.tBodies[0].append(...rows);
  }

  function headOf(event) {
    const head = event.target.closest("[data-sortable] th");
    return head || null;
  }

  document.addEventListener("click", function (event) {
    const head = headOf(event);
    if (head) sort(head);
  });

  document.addEventListener("keydown", function (event) {
    const head = headOf(event);
    if (head && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); sort(head); }
  });

  // React makes the headings; they become buttons for the keyboard here
  new MutationObserver(function () {
    for (const head of document.querySelectorAll("[data-sortable] th:not([tabindex])")) head.tabIndex = 0;
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
