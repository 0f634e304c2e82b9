/* Which mistakes of a model are shown: the surest of all, or those of a pair of classes that is chosen from the list above
   them or by a press on a cell of the confusion matrix. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  function show(option) {
    const card = document.getElementById("job-mistakes");
    const wanted = option.value === "" ? null : option.dataset;
    let shown = 0;
    for (const mark of card.querySelectorAll("td [data-truth]")) {
      const row = mark.closest("tr");
      const fits = !wanted || (mark.dataset.truth === wanted.truth && mark.dataset.predicted === wanted.predicted);
      row.classList.toggle("chosen", Boolean(wanted) && fits);
      row.classList.toggle("other", Boolean(wanted) && !fits);
      if (fits) shown += 1;
    }
    const count = wanted ? Number(wanted.count) : 0;
    triptych.setText("mistakes-note", !wanted || count === shown ? "" : shown
      ? "The model was surest of these " + shown + " of " + count + " rows; all are in validation_predictions.csv."
      : "None of these is among the rows that the report shows; all are in validation_predictions.csv.");
  }

  /* Called with the labels of a cell of the matrix. */
  triptych.showMistakes = function (truth, predicted) {
    const select = document.getElementById("mistakes-pair");
    if (!select) return;
    const option = Array.from(select.options).find(function (one) {
      return one.dataset.truth === truth && one.dataset.predicted === predicted;
    });
    select.selectedIndex = option ? option.index : 0;
    show(select.options[select.selectedIndex]);
    if (!option) triptych.setText("mistakes-note", truth === predicted ? "Those rows are right." : "No row is there.");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("job-mistakes").scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  };

  document.addEventListener("change", function (event) {
    if (event.target.id === "mistakes-pair") show(event.target.options[event.target.selectedIndex]);
  });
})(window.triptych);
