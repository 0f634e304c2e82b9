/* Live curves: points are gathered and drawn once a frame by Plotly.extendTraces, so only what is new is sent to the chart
   and a zoom stays. Plotly is fetched from this server, once, when the first chart is wanted.

   A training curve is drawn faint as it was measured, and full as its running mean: that of one batch jumps. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const REMEMBERED = 0.9;  // of a running mean, at each point
  const FAINT = 0.35;
  let loading = null;

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
      { split: "system", value: "cpu_limit_percent", name: "CPU", colour: "--chart-val", width: 2 },
      { split: "system", value: "memory_limit_percent", name: "memory", colour: "--chart-train", width: 2 },
      { split: "system", value: "gpu_percent", name: "GPU", colour: "--chart-third", width: 2 },
    ],
  };
  const TIMED = "machine";

  triptych.loadPlotly = function (address) {
    if (window.Plotly) return Promise.resolve(window.Plotly);
    if (!loading) {
      loading = new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = address;
        script.onload = function () { resolve(window.Plotly); };
        script.onerror = function () {
          loading = null;
          script.remove();
          reject(new Error("The chart library could not be loaded. Reload the page to try again."));
        };
        document.head.append(script);
      });
    }
    return loading;
  };

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
    const axis = { gridcolor: colour("--chart-grid"), zerolinecolor: colour("--chart-grid"), linecolor: colour("--chart-grid"), automargin: true };
    return {
      autosize: true, height: 240, margin: { l: 44, r: 8, t: 4, b: 36 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 12, family: getComputedStyle(document.body).fontFamily },
      showlegend: true, legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
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

  const OPTIONS = triptych.chartOptions = { displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  /* Gives {add(point, at), best(epoch), thinned(fetchMore), clear(), close()} over the elements chart-<key>. */
  triptych.openCharts = function (plotly) {
    const keys = Object.keys(CHARTS);
    let waiting = {};
    let means = {};
    let bestEpoch = null;
    let begun = null;
    let scheduled = false;
    let hovering = false;
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

    function draw() {
      for (const key of keys) {
        target(key).classList.add("waiting");
        plotly.newPlot(target(key), traces(key), layoutOf(key), OPTIONS);
        closers.push(triptych.keepFitting(plotly, target(key)));
        if (key !== TIMED) hoverTogether(key);
        target(key).on("plotly_relayout", function (change) {
          if ("xaxis.range[0]" in change || "xaxis.range" in change) refine(key);
        });
      }
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
        others(function (element) { plotly.Fx.hover(element, { xval: event.points[0].x }); });
      });
      target(key).on("plotly_unhover", function () { others(function (element) { plotly.Fx.unhover(element); }); });
    }

    function flush() {
      scheduled = false;
      const batch = waiting;
      waiting = {};
      for (const key of Object.keys(batch)) {
        const element = drawn(key);
        if (!element) continue;
        element.classList.remove("waiting");
        const touched = Object.keys(batch[key].x).map(Number);
        plotly.extendTraces(
          element,
          { x: touched.map(function (i) { return batch[key].x[i]; }), y: touched.map(function (i) { return batch[key].y[i]; }) },
          touched,
        );
        triptych.setText("chart-" + key + "-now", batch[key].now);
      }
      markBest();
    }

    function markBest() {
      const line = bestEpoch === null ? [] : [{
        type: "line", x0: bestEpoch, x1: bestEpoch, yref: "paper", y0: 0, y1: 1, line: { color: colour("--chart-text"), width: 1, dash: "dot" },
        label: { text: "best", textposition: "end", textangle: 0, xanchor: "right", yanchor: "top", font: { size: 11, color: colour("--chart-text") } },
      }];
      for (const key of keys) {
        const element = key === TIMED ? null : drawn(key);
        if (!element || element.classList.contains("waiting")) continue;
        const shapes = element.layout.shapes || [];
        if (shapes.length === line.length && (!line.length || shapes[0].x0 === bestEpoch)) continue;
        plotly.relayout(element, { shapes: line });
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
        const layout = triptych.chartLayout();
        plotly.restyle(element, { "line.color": CHARTS[key].map(function (series) { return colour(series.colour); }) });
        plotly.relayout(element, {
          font: layout.font, hoverlabel: layout.hoverlabel, shapes: [],
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
    draw();

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
            schedule();
          });
        }
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
        for (const key of keys) {
          triptych.setText("chart-" + key + "-now", "");
          if (!target(key)) continue;
          target(key).classList.add("waiting");
          plotly.react(target(key), traces(key), layoutOf(key), OPTIONS);
        }
      },
      close: function () {
        for (const close of closers) close();
        for (const key of keys) if (target(key)) plotly.purge(target(key));
      },
    };
  };
})(window.triptych);
