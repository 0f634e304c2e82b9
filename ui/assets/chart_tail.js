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

  /* Draws behind the last points of a chart's traces. `waiting` is {x: {trace: […]}, y: {trace: […]}}. Gives whether it could: if
     not, Plotly must draw, because a trace has no points yet or one lies outside of the axes. */
  triptych.drawTail = function (element, waiting) {
    triptych.removeTail(element);
    const layout = element._fullLayout;
    const layer = element.querySelector(".scatterlayer");
    if (!layout || !layer) return false;
    const lines = [];
    for (const i of Object.keys(waiting.x)) {
      const trace = element._fullData[i];
      const last = trace.x.length - 1;
      if (last < 0) return false;
      if (trace.visible !== true) continue;  // switched off in the legend
      const d = path(layout, [trace.x[last], ...waiting.x[i]], [trace.y[last], ...waiting.y[i]]);
      if (d === null) return false;
      const line = document.createElementNS(SVG, "path");
      line.setAttribute("class", "tail");
      line.setAttribute("d", d);
      line.dataset.trace = i;
      line.style.cssText = "fill: none; stroke: " + trace.line.color + "; stroke-width: " + trace.line.width + "px; opacity: " + trace.opacity;
      lines.push(line);
    }
    layer.parentNode.append(...lines);  // which is moved and clipped as the lines in it
    return true;
  };

  triptych.removeTail = function (element) {
    for (const line of element.querySelectorAll("path.tail")) line.remove();
  };
})(window.triptych);
