/* The page that compares jobs: their curves in one chart each; parallel.js draws a line through settings and figures for each job.
   Curves are fetched from the API by the browser, thinned, job by job; those of jobs that run go on by their streams. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const KEYS = ["loss", "accuracy", "macro_f1"];
  const POINTS = 1000;  // of each split
  const ENDED = ["succeeded", "failed", "cancelled", "timed_out"];
  const MOST_POINTS = 4000;  // of a job; then every second one of training goes
  const EVERY = 2000;  // ms between drawings of what came; each costs Plotly the whole of three charts
  const SETTLES = 600;  // ms after which the API's record is asked for, which follows the stream through the queue
  // Okabe and Ito's colours, which colour-blind people can tell apart, in an order that reads on light and dark ground
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bd9", "#7f8c8d", "#b8a000", "#c0392b", "#16a085", "#a0522d"];

  let active = null;

  triptych.colourOf = function (place) { return COLOURS[place % COLOURS.length]; };

  /* Gives the points of a job's latest attempt, its number, and the number of the last item. */
  async function fetchPoints(job) {
    const past = await triptych.fetchCurves(job.id, POINTS);
    const attempt = past.items.reduce(function (latest, item) { return Math.max(latest, item.attempt); }, 0);
    const own = past.items.filter(function (item) { return item.kind === "point" && item.attempt === attempt; });
    return { attempt: attempt, last: past.last, points: own.map(function (item) { return item.data; }) };
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
        line: { color: triptych.colourOf(place), width: val ? 2 : 1, dash: val ? "solid" : "dot" }, opacity: val ? 1 : 0.8,
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
      const every = page.jobs.flatMap(function (job, place) { return traces(job, place, page.pasts[place].points, key); });
      const layout = triptych.chartLayout();  // there is one legend for all
      page.plotly.react(element, every, { ...layout, margin: { ...layout.margin, t: 26 }, hovermode: "closest", showlegend: false }, triptych.chartOptions);
    }
    for (const place of page.jobs.keys()) tellSoFar(page.jobs[place], page.pasts[place].points);
  }

  /* Writes the figures of a running job's last validation pass where its own will stand. */
  function tellSoFar(job, points) {
    const last = points.findLast(function (point) { return point.split === "val"; });
    const runs = last && !ENDED.includes(job.state);
    triptych.setText("compare-epoch-" + job.id, runs ? "epoch " + triptych.number(last.epoch) + " so far" : "");
    if (!runs) return;
    for (const key of KEYS) {
      const cell = document.getElementById("compare-" + key + "-" + job.id);
      const value = last.values[key];
      if (!cell || value === undefined) continue;
      cell.dataset.value = value;  // to sort by
      triptych.setText(cell.id, key === "loss" ? triptych.number(value) : (100 * value).toFixed(1) + "\u202f%");
    }
  }

  /* Draws what needs no curves. */
  function drawAtOnce(page) {
    for (const swatch of document.querySelectorAll("#compare-page .swatch")) swatch.style.background = triptych.colourOf(Number(swatch.dataset.place));
    const element = document.getElementById("compare-parallel");
    if (element) triptych.drawParallel(element, page.jobs, page.axes);
  }

  /* Goes on with a job where its past ends. */
  function follow(page, job, past) {
    function heard(state) {
      if (state !== job.state && !page.asking) page.asking = setTimeout(function () {
        window.dash_clientside.set_props("compare-changed", { data: job.id + " " + state + " " + Date.now() });
      }, SETTLES);
    }
    page.streams.push(triptych.openStream(job.id, past.last, {
      item: function (item) {
        if (item.kind === "state") heard(item.data.state);
        if (item.attempt > past.attempt) Object.assign(past, { attempt: item.attempt, points: [] });
        if (item.kind !== "point" || item.attempt < past.attempt || item.data.split === "system") return;
        past.points.push(item.data);
        if (past.points.length > MOST_POINTS) past.points = past.points.filter(function (point, n) { return point.split === "val" || n % 2; });
        page.drawing = page.drawing || setTimeout(function () {
          page.drawing = null;
          draw(page);
        }, EVERY);
      },
      heartbeat: function () { heard("running"); },
      connection: function (state) { if (state === "ended") heard("ended"); },
    }));
  }

  function close() {
    if (!active) return;
    clearTimeout(active.drawing);
    clearTimeout(active.asking);
    for (const stream of active.streams) stream.close();
    active = null;
  }

  /* Called by Dash with {jobs, axes: of their lines}. */
  triptych.mountCompare = async function (drawn) {
    close();
    const page = { jobs: drawn.jobs, axes: drawn.axes, pasts: [], streams: [], drawing: null, asking: null };
    active = page;
    const ids = page.jobs.map(function (job) { return encodeURIComponent(job.id); }).join(",");
    history.replaceState(history.state, "", "/jobs/compare" + (ids ? "?jobs=" + ids : ""));  // the choice, without a new page
    if (!page.jobs.length) return;
    drawAtOnce(page);
    try {
      page.plotly = await triptych.loadPlotly();
      page.pasts = await Promise.all(page.jobs.map(fetchPoints));
    } catch (error) {
      const first = document.getElementById("compare-" + KEYS[0]);
      if (active === page && first) first.textContent = error.message;
      return;
    }
    if (active !== page || !document.getElementById("compare-page")) return;  // another choice was made meanwhile
    draw(page);
    const open = Array.from(page.jobs.keys()).filter(function (place) { return page.jobs[place].follow; });
    for (const place of open) follow(page, page.jobs[place], page.pasts[place]);
  };

  // React takes the page away without telling
  new MutationObserver(function () {
    if (active && !document.getElementById("compare-page")) close();
  }).observe(document.documentElement, { childList: true, subtree: true });

  new MutationObserver(function () {
    if (active && active.pasts.length && document.getElementById("compare-page")) draw(active);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
})(window.triptych);
