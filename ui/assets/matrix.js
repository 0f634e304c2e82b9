/* The confusion matrix of the best validation pass, or of the final model, as a heat map: colour by share of the true class, counts written where
   they fit. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const WRITTEN = 14;  // labels; above it the numbers would not be readable
  const LONGEST = 18;  // characters of a label on an axis
  const LETTER = 7;  // px, about

  function shorten(label) {
    return label.length > LONGEST ? label.slice(0, LONGEST - 1) + "…" : label;
  }

  /* Says whether labels side by side would run into each other. */
  function slanted(element, labels) {
    const longest = Math.max(...labels.map(function (label) { return shorten(label).length; }));
    return labels.length > 6 || longest * LETTER * labels.length > element.clientWidth - 130;
  }

  function share(row) {
    const sum = row.reduce(function (a, b) { return a + b; }, 0);
    return row.map(function (count) { return sum ? count / sum : 0; });
  }

  function sharesWanted() {
    const button = document.getElementById("matrix-shares");
    return button !== null && button.getAttribute("aria-pressed") === "true";
  }

  function written(matrix) {
    if (!sharesWanted()) return matrix;
    return matrix.map(function (row) { return share(row).map(function (part) { return (100 * part).toFixed(0) + "\u202f%"; }); });
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("#matrix-shares");
    const element = button && document.getElementById("live-matrix");
    if (!button) return;
    button.setAttribute("aria-pressed", String(!sharesWanted()));
    if (element.data && element.triptychData) triptych.drawMatrix(window.Plotly, element, element.triptychData);
  });

  triptych.drawMatrix = function (plotly, element, data) {
    const labels = data.labels;
    const fresh = !element.data;  // also after a purge, which forgets who listens
    element.triptychData = data;
    const positions = labels.map(function (_, i) { return i; });
    const style = getComputedStyle(document.documentElement);
    const low = style.getPropertyValue("--matrix-low").trim();
    const high = style.getPropertyValue("--matrix-high").trim();
    const ticks = labels.length > 40
      ? {}
      : { tickmode: "array", tickvals: positions, ticktext: labels.map(shorten) };
    const layout = triptych.chartLayout();
    const hover = data.matrix.map(function (row, i) {
      return row.map(function (count, j) { return "true " + labels[i] + "<br>predicted " + labels[j] + "<br>" + count + " rows"; });
    });
    plotly.react(element, [{
      type: "heatmap", z: data.matrix.map(share), x: positions, y: positions, zmin: 0, zmax: 1,
      colorscale: [[0, low], [1, high]], showscale: false, xgap: 2, ygap: 2,
      text: written(data.matrix), texttemplate: labels.length <= WRITTEN ? "%{text}" : "",
      hovertext: hover, hoverinfo: "text",
    }], {
      ...layout,
      height: Math.min(640, 130 + Math.max(3, labels.length) * 34), showlegend: false, hovermode: "closest",
      margin: { l: 60, r: 8, t: 8, b: 60 },
      // Slanted to the left: to the right, the last label would leave the plot and be hidden
      xaxis: { ...layout.xaxis, ...ticks, automargin: true, tickangle: slanted(element, labels) ? -40 : 0, title: { text: "predicted", standoff: 6 }, showgrid: false, zeroline: false, rangemode: "normal", constrain: "domain" },
      yaxis: { ...layout.yaxis, ...ticks, automargin: true, title: { text: "true", standoff: 6 }, showgrid: false, zeroline: false, autorange: "reversed" },
    }, { ...triptych.chartOptions, displayModeBar: false });
    if (!fresh) return;
    element.on("plotly_click", function (event) {
      const of = element.triptychData.labels;
      triptych.showMistakes(of[event.points[0].y], of[event.points[0].x]);
    });
  };
})(window.triptych);
