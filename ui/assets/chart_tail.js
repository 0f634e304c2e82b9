/* The newest points of a chart, drawn without Plotly: it lays a whole chart out anew for each change (20 ms of a processor and more),
   which at several points a second for several charts keeps a machine busy and the points waiting. A line in the chart's
   own plot costs a hundredth of that. Plotly gets the points later, many at once. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  function inside(axis, pixel) {
    return pixel >= 0 && pixel <= axis._length;
  }

  /* Gives the line through points, or null where one lies outside of axes that Plotly would widen for it. */
  function path(layout, x, y) {
    const places = [];
    for (let n = 0; n < x.length; n++) {
      const place = [layout.xaxis.d2p(x[n]), layout.yaxis.d2p(y[n])];
      if (!place.every(Number.isFinite)) continue;  // nothing below zero on a logarithmic scale
      if (layout.xaxis.autorange && !inside(layout.xaxis, place[0]) || layout.yaxis.autorange && !inside(layout.yaxis, place[1])) return null;
      places.push(place);
    }
    return places.length ? "M" + places.join("L") : "";
  }

  /* Gives what draws each trace's line, or null where one cannot be drawn. */
  function pathsOf(element, waiting) {
    if (!element._fullLayout) return null;
    const paths = {};
    for (const i of Object.keys(waiting.x)) {
      const trace = element._fullData[i];
      const last = trace.x.length - 1;
      if (last < 0) return null;
      const shown = trace.visible === true;  // or switched off in the legend
      paths[i] = shown ? path(element._fullLayout, [trace.x[last], ...waiting.x[i]], [trace.y[last], ...waiting.y[i]]) : "";
      if (paths[i] === null) return null;
    }
    return paths;
  }

  /* Draws behind the last points of a chart's traces. `waiting` is {x: {trace: […]}, y: {trace: […]}}. Gives whether it could: if
     not, nothing is drawn and Plotly must, because a trace has no points yet or one lies outside of the axes. */
  triptych.drawTail = function (element, waiting) {
    const layer = element.querySelector(".scatterlayer");
    const paths = layer && pathsOf(element, waiting);
    if (!paths) {
      triptych.removeTail(element);
      return false;
    }
    for (const [i, d] of Object.entries(paths)) lineOf(layer.parentNode, i, element._fullData[i]).setAttribute("d", d);
    return true;
  };

  /* Gives a trace's line in a plot, which moves and clips it as the others. A line that is there stays: to put another in its place
     would have the browser look for styles anew in all that stands beside it. */
  function lineOf(plot, i, trace) {
    let line = plot.querySelector("path.tail[data-trace='" + i + "']");
    if (line) return line;
    line = document.createElementNS(SVG, "path");
    line.setAttribute("class", "tail");
    line.dataset.trace = i;
    line.style.cssText = "fill: none; stroke: " + trace.line.color + "; stroke-width: " + trace.line.width + "px; opacity: " + trace.opacity;
    plot.append(line);
    return line;
  }

  triptych.removeTail = function (element) {
    for (const line of element.querySelectorAll("path.tail")) line.remove();
  };
})(window.triptych);
