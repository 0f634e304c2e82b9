/* Live curves: points are gathered and drawn once a frame by Plotly.extendTraces, so only what is new is sent to the chart
   and a zoom stays. Plotly is fetched from this server, once, when the first chart is wanted. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const SERIES = { train: 0, val: 1 };
  let loading = null;

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
      uirevision: "kept",
    };
  };

  function traces() {
    return [
      { name: "train", x: [], y: [], mode: "lines", line: { color: colour("--chart-train"), width: 2 }, hovertemplate: "%{y:.4g}" },
      { name: "validation", x: [], y: [], mode: "lines+markers", line: { color: colour("--chart-val"), width: 2 }, marker: { size: 5 }, hovertemplate: "%{y:.4g}" },
    ];
  }

  const OPTIONS = { displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  /* Gives {add(point), clear(), close()} over the elements chart-<key>. */
  triptych.openCharts = function (keys, plotly) {
    let waiting = {};
    let scheduled = false;
    const closers = [];

    function target(key) {
      return document.getElementById("chart-" + key);
    }

    function draw() {
      for (const key of keys) {
        target(key).classList.add("waiting");
        plotly.newPlot(target(key), traces(), triptych.chartLayout(), OPTIONS);
        closers.push(triptych.keepFitting(plotly, target(key)));
      }
    }

    function flush() {
      scheduled = false;
      const batch = waiting;
      waiting = {};
      for (const key of Object.keys(batch)) {
        const element = target(key);
        if (!element || !element.data) continue;
        element.classList.remove("waiting");
        const touched = [0, 1].filter(function (i) { return batch[key].x[i].length; });
        plotly.extendTraces(
          element,
          { x: touched.map(function (i) { return batch[key].x[i]; }), y: touched.map(function (i) { return batch[key].y[i]; }) },
          touched,
        );
        triptych.setText("chart-" + key + "-now", "latest " + triptych.number(batch[key].now));
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
        const element = target(key);
        if (!element || !element.data) continue;
        const layout = triptych.chartLayout();
        plotly.restyle(element, { "line.color": [colour("--chart-train"), colour("--chart-val")] });
        plotly.relayout(element, {
          font: layout.font, hoverlabel: layout.hoverlabel,
          "xaxis.gridcolor": layout.xaxis.gridcolor, "xaxis.zerolinecolor": layout.xaxis.gridcolor, "xaxis.linecolor": layout.xaxis.gridcolor,
          "yaxis.gridcolor": layout.yaxis.gridcolor, "yaxis.zerolinecolor": layout.yaxis.gridcolor, "yaxis.linecolor": layout.yaxis.gridcolor,
        });
      }
    }

    const watcher = new MutationObserver(repaint);
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    closers.push(function () { watcher.disconnect(); });
    draw();

    return {
      add: function (point) {
        const series = SERIES[point.split];
        if (series === undefined) return;
        for (const key of keys) {
          const value = point.values[key];
          if (value === undefined) continue;
          const batch = waiting[key] || (waiting[key] = { x: [[], []], y: [[], []], now: value });
          batch.x[series].push(point.epoch);
          batch.y[series].push(value);
          if (series === 1 || key === "loss") batch.now = value;
          schedule();
        }
      },
      clear: function () {
        waiting = {};
        for (const key of keys) {
          triptych.setText("chart-" + key + "-now", "");
          if (!target(key)) continue;
          target(key).classList.add("waiting");
          plotly.react(target(key), traces(), triptych.chartLayout(), OPTIONS);
        }
      },
      close: function () {
        for (const close of closers) close();
        for (const key of keys) if (target(key)) plotly.purge(target(key));
      },
    };
  };
})(window.triptych);
