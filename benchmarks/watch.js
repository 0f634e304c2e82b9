/* Runs in a page before its own scripts and notes, in Unix milliseconds, when each training point arrived and was drawn.

   Arrived: the stream's event is handled. Drawn: the first animation frame after the one in which the chart of the loss got the
   point, as its tail's last (ui/assets/chart_tail.js) or from Plotly. The frame before that showed it: this is late by one frame,
   16 ms, at worst. */
(function () {
  "use strict";

  const STEPS_AN_EPOCH = 100;
  const seen = (window.__seen = { arrived: {}, drawn: {}, firstDraw: null, lastDraw: null, longest: 0 });
  let newest = -1;

  function now() { return performance.timeOrigin + performance.now(); }

  window.EventSource = class extends window.EventSource {
    constructor(...rest) {
      super(...rest);
      this.addEventListener("point", function (event) {
        const point = JSON.parse(event.data).data;
        if (point.split === "train") seen.arrived[point.step] = now();
      });
    }
  };

  /* Notes the points up to a step, which are about to be shown. */
  function drawn(step) {
    if (!(step > newest)) return;
    const from = newest;
    newest = step;
    requestAnimationFrame(function () {
      const at = now();
      for (const each of Object.keys(seen.arrived)) if (each > from && each <= step) seen.drawn[each] = at;
      if (seen.firstDraw === null) seen.firstDraw = performance.now();
    });
  }

  function stepAt(epoch) { return Math.round(epoch * STEPS_AN_EPOCH); }

  /* The measured values of training are the chart's first trace; its tail ends where the newest point is. */
  function endOfTail(chart) {
    const tail = chart.querySelector("path.tail[data-trace='0']");
    return tail ? stepAt(chart._fullLayout.xaxis.p2d(Number(tail.getAttribute("d").split(/[ML]/).at(-1).split(",")[0]))) : -1;
  }

  const hooked = new WeakSet();
  new MutationObserver(function () {
    for (const chart of document.querySelectorAll(".chart.js-plotly-plot")) {
      if (chart.id === "chart-loss") drawn(endOfTail(chart));
      if (!chart.on || hooked.has(chart)) continue;
      hooked.add(chart);
      chart.on("plotly_afterplot", function () {
        if (chart.id === "chart-loss" && chart.data[0].x.length) drawn(stepAt(chart.data[0].x.at(-1)));
        if (chart.data.some(function (trace) { return trace.x.length; })) requestAnimationFrame(function () { seen.lastDraw = performance.now(); });
      });
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "d"] });

  new PerformanceObserver(function (list) {
    for (const task of list.getEntries()) seen.longest = Math.max(seen.longest, task.duration);
  }).observe({ type: "longtask", buffered: true });
})();
