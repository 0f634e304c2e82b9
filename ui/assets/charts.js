/* Live curves: what is new is drawn in the next frame as the chart's tail (chart_tail.js), and every few seconds given to Plotly by
   extendTraces, so that a zoom stays. Plotly comes from ui/early.js.

   A training curve is drawn faint as it was measured, and full as its running mean: that of one batch jumps. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const REMEMBERED = 0.9;  // of a running mean, at each point
  const FAINT = 0.35;
  const MARKED = 150;  // points with a mark each; every mark costs Plotly as much as 100 points of a line
  const QUIET = 2500;  // ms without a point, after which Plotly gets those that wait
  const LONGEST = 8000;  // ms that a point waits at most; both with half as much again, so that no two charts take the same frame
  const AHEAD = 12000;  // ms of growth that the epochs' axis has room for, so that a point seldom needs new axes
  const LEAST_MINUTES = 0.5;  // of the chart over time: a millionth of one would be written as 1µ

  function curves(key) {
    return [
      { split: "train", value: key, name: "train, each point", colour: "--chart-train", width: 1, quiet: true },
      { split: "val", value: key, name: "validation", colour: "--chart-val", width: 2, mode: "lines+markers" },
      { split: "train", value: key, name: "train", colour: "--chart-train", width: 2, smooth: true },
    ];
  }

  /* The series of each chart; x is the epoch, or minutes since the first sample. */
  const CHARTS = {
    loss: curves("loss"), accuracy: curves("accuracy"), macro_f1: curves("macro_f1"),
    learning_rate: [{ split: "train", value: "learning_rate", name: "learning rate", colour: "--chart-val", width: 2 }],
    machine: [
      { split: "system", value: "cpu_limit_percent", name: "CPU", colour: "--chart-val", width: 2, mode: "lines+markers" },
      { split: "system", value: "memory_limit_percent", name: "memory", colour: "--chart-train", width: 2, mode: "lines+markers" },
      { split: "system", value: "gpu_percent", name: "GPU", colour: "--chart-third", width: 2, mode: "lines+markers" },
    ],
  };
  const TIMED = "machine";

  // Safari has no idle callbacks
  const whenIdle = triptych.whenIdle = window.requestIdleCallback
    ? function (act) { window.requestIdleCallback(act, { timeout: 1000 }); }
    : function (act) { setTimeout(act, 50); };

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /* Fits a chart to its place when that changes: Plotly itself looks at the window only. Gives what to call to stop. */
  triptych.keepFitting = function (plotly, element) {
    const observer = new ResizeObserver(function () {
      if (element.isConnected && element.data && element.offsetWidth) plotly.Plots.resize(element);
    });
    observer.observe(element);
    return function () { observer.disconnect(); };
  };

  triptych.chartLayout = function () {
    const text = colour("--chart-text");
    // Margins are given: to find them, and which labels overlap the edge, Plotly would lay each chart out two or three times over
    const axis = { gridcolor: colour("--chart-grid"), zerolinecolor: colour("--chart-grid"), linecolor: colour("--chart-grid"), ticklabeloverflow: "allow" };
    return {
      autosize: true, height: 252, margin: { l: 52, r: 16, t: 40, b: 36, autoexpand: false },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 12, family: getComputedStyle(document.body).fontFamily },
      // to the left, because the bar of buttons comes up at the right
      showlegend: true, legend: { orientation: "h", xref: "container", x: 0, xanchor: "left", yref: "container", y: 1, yanchor: "top" },
      xaxis: { ...axis, title: { text: "epoch", standoff: 6 }, rangemode: "tozero" },
      yaxis: { ...axis, fixedrange: false },
      hovermode: "x unified", hoverlabel: { bgcolor: colour("--chart-hover"), font: { color: text } },
      modebar: { bgcolor: colour("--surface"), color: text, activecolor: colour("--accent") },
      uirevision: "kept",
    };
  };

  function traces(key) {
    return CHARTS[key].map(function (series) {
      return {
        name: series.name, x: [], y: [], mode: series.mode || "lines", marker: { size: 5 },
        line: { color: colour(series.colour), width: series.width }, opacity: series.quiet ? FAINT : 1, showlegend: !series.quiet,
        hoverinfo: series.quiet ? "skip" : undefined, hovertemplate: series.quiet ? undefined : "%{y:.4g}",
      };
    });
  }

  function layoutOf(key) {
    const layout = triptych.chartLayout();
    if (key === "learning_rate") layout.yaxis.rangemode = "tozero";
    if (key !== TIMED) return layout;
    layout.xaxis.title.text = "minutes";
    layout.yaxis.title = { text: "% of the limit" };
    layout.yaxis.rangemode = "tozero";
    return layout;
  }

  /* Plotly has a button that sends a chart to its maker's cloud. Ours stay here. Each button is a stop of the tab key: these three do what
     a drag with the pointer does. */
  const OPTIONS = triptych.chartOptions = {
    displaylogo: false, showSendToCloud: false, plotlyServerURL: "", modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };

  /* Gives {add(point, at), show(), end(), best(epoch), thinned(fetchMore), clear(), close()} over the elements chart-<key>. */
  triptych.openCharts = function (plotly) {
    const keys = Object.keys(CHARTS);
    let waiting = {};  // points that Plotly does not have yet
    let means = {};
    let bestEpoch = null;
    let begun = null;
    let over = false;
    const fresh = new Set();  // charts with points that are not drawn
    const timers = {};
    const growth = {};  // of each chart's x axis: {x, at, rate in its units a ms}
    let scheduled = false;
    let shown = false;
    let drawing = false;
    let closed = false;
    let hovering = false;
    let pointed = null;  // the chart under the pointer; to ask for :hover would have the browser lay the page out
    let more = null;
    const refining = {};
    const closers = [];

    function target(key) {
      return document.getElementById("chart-" + key);
    }

    function drawn(key) {
      const element = target(key);
      return element && element.data ? element : null;
    }

    /* A zoom into a thinned curve asks for the points there, and draws them between those to both sides. */
    async function refine(key) {
      const element = drawn(key);
      const range = element.layout.xaxis.range;
      const auto = element.layout.xaxis.autorange;
      if (!more || auto || key === TIMED) return;
      const asked = (refining[key] = range.join());
      let found;
      try {
        found = await more(range);
      } catch (error) {
        return;  // the coarse curve stays
      }
      if (refining[key] !== asked || drawn(key) !== element) return;
      const x = [];
      const y = [];
      means[key + "/zoom"] = null;
      CHARTS[key].forEach(function (series, i) {
        const points = found.items.map(function (item) { return item.data; }).filter(function (point) {
          return point.split === series.split && point.values[series.value] !== undefined;
        });
        const old = element.data[i].x.map(function (at, n) { return [at, element.data[i].y[n]]; });
        const before = old.filter(function (pair) { return pair[0] < range[0]; });
        const after = old.filter(function (pair) { return pair[0] > range[1]; });
        const fine = points.map(function (point) {
          const value = point.values[series.value];
          return [point.epoch, series.smooth ? smoothed(key + "/zoom", value) : value];
        });
        const every = before.concat(fine, after);
        x.push(every.map(function (pair) { return pair[0]; }));
        y.push(every.map(function (pair) { return pair[1]; }));
      });
      plotly.restyle(element, { x: x, y: y }, CHARTS[key].map(function (_, i) { return i; }));
    }

    function draw(key) {
      const element = target(key);
      const filled = traces(key);
      const layout = layoutOf(key);
      const batch = take(key, filled, layout);
      if (batch) {
        for (const i of Object.keys(batch.x)) Object.assign(filled[i], { x: batch.x[i], y: batch.y[i] });
        triptych.setText("chart-" + key + "-now", batch.now);
      }
      plotly.newPlot(element, filled, layout, OPTIONS);
      closers.push(triptych.keepFitting(plotly, element));
      if (key !== TIMED) hoverTogether(key);
      element.on("plotly_relayout", function (change) {
        if ("xaxis.range[0]" in change || "xaxis.range" in change) refine(key);
      });
      // new axes move what is drawn between them
      element.on("plotly_afterplot", function () {
        fresh.add(key);
        schedule();
      });
      // only what Plotly has is shown under the pointer
      element.addEventListener("pointerenter", function () {
        pointed = key;
        settle(key);
      });
      element.addEventListener("pointerleave", function () { pointed = null; });
      fresh.add(key);
      schedule();
    }

    /* Draws a chart that has its first points, and the next one in a pause: a frame shows only what a task has ended. One without
       points has no place to be drawn in. */
    function drawNext() {
      if (!shown || drawing || closed) return;
      const key = keys.find(function (each) { return waiting[each] && target(each) && !drawn(each); });
      if (!key) return;
      drawing = true;
      draw(key);
      whenIdle(function () {
        drawing = false;
        drawNext();
      });
    }

    /* What is under the pointer in one chart is shown in all that go by epochs. */
    function hoverTogether(key) {
      function others(act) {
        if (hovering) return;
        hovering = true;
        for (const other of keys) if (other !== key && other !== TIMED && drawn(other)) act(target(other));
        hovering = false;
      }
      target(key).on("plotly_hover", function (event) {
        const x = event.points[0].x;
        others(function (element) {
          const range = element._fullLayout.xaxis.range;  // of a zoom, that may leave the epoch out
          if (x >= range[0] && x <= range[1]) plotly.Fx.hover(element, { xval: x });
          else plotly.Fx.unhover(element);
        });
      });
      target(key).on("plotly_unhover", function () { others(function (element) { plotly.Fx.unhover(element); }); });
    }

    function flush() {
      scheduled = false;
      for (const key of fresh) {
        const element = drawn(key);
        if (!element || !waiting[key]) continue;  // it comes later
        triptych.setText("chart-" + key + "-now", waiting[key].now);
        if (key === pointed || !triptych.drawTail(element, waiting[key])) settle(key);
        else settleLater(key);
      }
      fresh.clear();
      drawNext();
      markBest();
    }

    function settleLater(key) {
      const timer = timers[key] || (timers[key] = { last: performance.now() + LONGEST * (1 + Math.random() / 2) });
      clearTimeout(timer.quiet);
      const quiet = QUIET * (1 + Math.random() / 2);
      timer.quiet = setTimeout(function () { settle(key); }, Math.max(0, Math.min(quiet, timer.last - performance.now())));
    }

    /* Takes the points that wait, and prepares traces and axes for them. */
    function take(key, data, layout) {
      if (timers[key]) clearTimeout(timers[key].quiet);
      delete timers[key];
      const batch = waiting[key];
      delete waiting[key];
      if (!batch) return null;
      target(key).classList.remove("waiting");
      const touched = Object.keys(batch.x);
      for (const i of touched) if (CHARTS[key][i].mode && data[i].x.length + batch.x[i].length > MARKED) data[i].mode = "lines";
      const room = roomFor(key, Math.max(...touched.map(function (i) { return batch.x[i].at(-1); })));
      layout.xaxis.autorangeoptions = { include: room };
      return batch;
    }

    /* Gives Plotly the points that wait. */
    function settle(key) {
      const element = drawn(key);
      const batch = element && take(key, element.data, element.layout);
      if (!batch) return;
      triptych.removeTail(element);
      const touched = Object.keys(batch.x).map(Number);
      plotly.extendTraces(
        element,
        { x: touched.map(function (i) { return batch.x[i]; }), y: touched.map(function (i) { return batch.y[i]; }) },
        touched,
      );
    }

    /* Gives how far an axis should reach whose last point is at x. */
    function roomFor(key, x) {
      const now = performance.now();
      const before = growth[key];
      const rate = before && x > before.x ? (x - before.x) / (now - before.at) : 0;
      growth[key] = { x: x, at: now };
      const room = over ? x : x + Math.min(x / 2, rate * AHEAD);
      return key === TIMED ? Math.max(room, LEAST_MINUTES) : room;
    }

    /* Gives the line at the best epoch, with its word above the plot, where no curve is. */
    function bestLine() {
      if (bestEpoch === null) return { shapes: [], annotations: [] };
      return {
        shapes: [{ type: "line", x0: bestEpoch, x1: bestEpoch, yref: "paper", y0: 0, y1: 1, line: { color: colour("--chart-text"), width: 1, dash: "dot" } }],
        annotations: [{
          text: "best", x: bestEpoch, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, borderpad: 0, font: { size: 11, color: colour("--chart-text") },
        }],
      };
    }

    function markBest() {
      for (const key of keys) {
        const line = bestLine();
        const element = key === TIMED ? null : drawn(key);
        if (!element || element.classList.contains("waiting")) continue;
        const shapes = element.layout.shapes || [];
        if (shapes.length === line.shapes.length && (!shapes.length || shapes[0].x0 === bestEpoch)) continue;
        plotly.relayout(element, line);
      }
    }

    function schedule() {
      if (scheduled) return;
      scheduled = true;
      // a tab in the background gets no frames, yet its points must not pile up
      if (document.hidden) setTimeout(flush, 1000);
      else requestAnimationFrame(flush);
    }

    function repaint() {
      for (const key of keys) {
        const element = drawn(key);
        if (!element) continue;
        settle(key);  // its tail has the old colours
        const layout = triptych.chartLayout();
        plotly.restyle(element, { "line.color": CHARTS[key].map(function (series) { return colour(series.colour); }) });
        plotly.relayout(element, {
          font: layout.font, hoverlabel: layout.hoverlabel, modebar: layout.modebar, shapes: [],
          "xaxis.gridcolor": layout.xaxis.gridcolor, "xaxis.zerolinecolor": layout.xaxis.gridcolor, "xaxis.linecolor": layout.xaxis.gridcolor,
          "yaxis.gridcolor": layout.yaxis.gridcolor, "yaxis.zerolinecolor": layout.yaxis.gridcolor, "yaxis.linecolor": layout.yaxis.gridcolor,
        });
      }
      markBest();
    }

    function smoothed(key, value) {
      const mean = means[key] || (means[key] = { sum: 0, weight: 0 });
      mean.sum = REMEMBERED * mean.sum + (1 - REMEMBERED) * value;
      mean.weight = REMEMBERED * mean.weight + (1 - REMEMBERED);
      return mean.sum / mean.weight;
    }

    function scale(event) {
      const button = event.target.closest("[data-log-scale]");
      const element = button && drawn(button.dataset.logScale);
      if (!element) return;
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      plotly.relayout(element, { "yaxis.type": log ? "log" : "linear", "yaxis.autorange": true });
    }

    const watcher = new MutationObserver(repaint);
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    closers.push(function () { watcher.disconnect(); });
    document.addEventListener("click", scale);
    closers.push(function () { document.removeEventListener("click", scale); });
    for (const key of keys) target(key).classList.add("waiting");

    return {
      add: function (point, at) {
        for (const key of keys) {
          CHARTS[key].forEach(function (series, i) {
            const value = series.split === point.split ? point.values[series.value] : undefined;
            if (value === undefined) return;
            begun = begun || Date.parse(at);
            const batch = waiting[key] || (waiting[key] = { x: {}, y: {}, now: "" });
            if (!batch.x[i]) { batch.x[i] = []; batch.y[i] = []; }
            batch.x[i].push(key === TIMED ? (Date.parse(at) - begun) / 60000 : point.epoch);
            batch.y[i].push(series.smooth ? smoothed(key, value) : value);
            if (key === TIMED) batch.now = i === 0 ? "CPU " + value.toFixed(0) + " %" : batch.now;
            else if (series.split === "val" || key === "loss" || key === "learning_rate") batch.now = "latest " + triptych.number(value);
            fresh.add(key);
            schedule();
          });
        }
      },
      /* Draws the charts that were added to before, and from now on each with its first point. */
      show: function () {
        shown = true;
        drawNext();
      },
      /* Tells that no more points will come. */
      end: function () {
        over = true;
        for (const key of keys) settle(key);
      },
      /* Tells that points were left out, and how to get those of some epochs; null where none were. */
      thinned: function (fetchMore) { more = fetchMore; },
      best: function (epoch) {
        bestEpoch = epoch;
        schedule();
      },
      clear: function () {
        waiting = {};
        means = {};
        bestEpoch = begun = null;
        over = false;
        for (const key of keys) {
          triptych.setText("chart-" + key + "-now", "");
          if (!drawn(key)) continue;
          target(key).classList.add("waiting");
          triptych.removeTail(target(key));
          plotly.react(target(key), traces(key), layoutOf(key), OPTIONS);
        }
      },
      close: function () {
        closed = true;
        for (const timer of Object.values(timers)) clearTimeout(timer.quiet);
        for (const close of closers) close();
        for (const key of keys) if (target(key)) plotly.purge(target(key));
      },
    };
  };
})(window.triptych);
