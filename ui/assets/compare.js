/* The page that compares jobs: their curves in one chart each; parallel.js draws a line through settings and figures for each job.
   Curves are fetched from the API by the browser, thinned, job by job; running jobs are drawn as far as they are. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const KEYS = ["loss", "accuracy", "macro_f1"];
  const POINTS = 1000;  // of each split
  // Okabe and Ito's colours, which colour-blind people can tell apart, in an order that reads on light and dark ground
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bd9", "#7f8c8d", "#b8a000", "#c0392b", "#16a085", "#a0522d"];

  let active = null;

  triptych.colourOf = function (place) { return COLOURS[place % COLOURS.length]; };

  /* Gives the points of a job's latest attempt. */
  async function points(job) {
    const items = (await triptych.fetchCurves(job.id, POINTS)).items;
    const attempt = items.reduce(function (latest, item) { return Math.max(latest, item.attempt); }, 0);
    return items.filter(function (item) { return item.kind === "point" && item.attempt === attempt; }).map(function (item) { return item.data; });
  }

  function traces(job, place, found, key) {
    const drawn = [];
    for (const split of ["train", "val"]) {
      const own = found.filter(function (point) { return point.split === split && point.values[key] !== undefined; });
      if (!own.length) continue;
      const val = split === "val";
      drawn.push({
        name: job.name, legendgroup: job.id, showlegend: val, mode: val ? "lines+markers" : "lines", marker: { size: 4 },
        x: own.map(function (point) { return point.epoch; }), y: own.map(function (point) { return point.values[key]; }),
        line: { color: triptych.colourOf(place), width: val ? 2 : 1, dash: val ? "solid" : "dot" }, opacity: val ? 1 : 0.55,
        hovertemplate: "%{y:.4g}" + (val ? "" : " (train)"),
      });
    }
    return drawn;
  }

  function draw(page) {
    for (const key of KEYS) {
      const element = document.getElementById("compare-" + key);
      if (!element) continue;
      element.classList.remove("waiting");
      const every = page.jobs.flatMap(function (job, place) { return traces(job, place, page.points[place], key); });
      const layout = triptych.chartLayout();
      page.plotly.react(element, every, { ...layout, hovermode: "closest", showlegend: false }, triptych.chartOptions);
    }
  }

  /* Draws what needs no curves. */
  function drawAtOnce(page) {
    for (const swatch of document.querySelectorAll("#compare-page .swatch")) swatch.style.background = triptych.colourOf(Number(swatch.dataset.place));
    const element = document.getElementById("compare-parallel");
    if (element) triptych.drawParallel(element, page.jobs, page.axes);
  }

  /* Called by Dash with the jobs to be drawn, and the axes of their lines. */
  triptych.mountCompare = async function (drawn) {
    const page = { jobs: drawn.jobs, axes: drawn.axes, points: [] };
    active = page;
    const ids = page.jobs.map(function (job) { return encodeURIComponent(job.id); }).join(",");
    history.replaceState(history.state, "", "/jobs/compare" + (ids ? "?jobs=" + ids : ""));  // the choice, without a new page
    if (!page.jobs.length) return;
    drawAtOnce(page);
    try {
      page.plotly = await triptych.loadPlotly();
      page.points = await Promise.all(page.jobs.map(points));
    } catch (error) {
      const first = document.getElementById("compare-" + KEYS[0]);
      if (active === page && first) first.textContent = error.message;
      return;
    }
    if (active !== page || !document.getElementById("compare-page")) return;  // another choice was made meanwhile
    draw(page);
  };

  new MutationObserver(function () {
    if (active && active.plotly && document.getElementById("compare-page") && active.jobs.length) draw(active);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
})(window.triptych);
