/* A line for each job through its settings and figures (parallel coordinates). It is SVG of our own: Plotly's is in WebGL, for which it
   makes code of text, and that our pages may not. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 330;
  const TOP = 64;  // for an axis' name in two lines, and the word at its upper end
  const BOTTOM = HEIGHT - 18;
  const SIDE = 60;  // px beside the outer axes, for half of their names
  const NARROWEST = 104;  // px between axes; where there are fewer, the chart scrolls
  const APART = 16;  // px between the words at an axis
  const LETTER = 7;  // px, about
  const ORDERS = 50;  // of a positive axis' ends, above which it is logarithmic

  function made(tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  /* Gives the share of an axis' height at which each value stands; one that is missing at its foot. Words are evenly spaced. */
  function placed(values) {
    const known = values.filter(function (value) { return value !== null; });
    const foot = known.length < values.length ? 0.15 : 0;
    let at;
    if (known.every(function (value) { return typeof value === "number"; })) {
      const log = Math.min(...known) > 0 && Math.max(...known) / Math.min(...known) >= ORDERS;
      const scaled = function (value) { return log ? Math.log(value) : value; };
      const low = scaled(Math.min(...known));
      const span = scaled(Math.max(...known)) - low;
      at = function (value) { return span ? (scaled(value) - low) / span : 0.5; };
    } else {
      const words = Array.from(new Set(known));
      at = function (value) { return words.length > 1 ? 1 - words.indexOf(value) / (words.length - 1) : 0.5; };
    }
    return values.map(function (value) { return value === null ? 0 : foot + (1 - foot) * at(value); });
  }

  function short(text, letters) {
    const signs = Array.from(text);  // not half of one
    return signs.length > letters ? signs.slice(0, letters - 1).join("") + "…" : text;
  }

  /* Gives a name in at most two lines. */
  function lines(label, letters) {
    if (label.length <= letters || !label.includes(" ")) return [short(label, letters)];
    const words = label.split(" ");
    let first = words.shift();
    while (words.length > 1 && (first + " " + words[0]).length <= letters) first += " " + words.shift();
    return [short(first, letters), short(words.join(" "), letters)];
  }

  function axisAt(axis, heights, x, room, last) {
    const letters = Math.max(8, Math.floor(room / LETTER));
    const label = made("text", { class: "parallel-label", x: x, y: 0 });
    const rows = lines(axis.label, letters);
    rows.forEach(function (line, n) { label.append(made("tspan", { x: x, y: TOP - 26 - 15 * (rows.length - 1 - n) }, line)); });
    const group = made("g", {}, made("title", {}, axis.label), label, made("line", { class: "parallel-axis", x1: x, x2: x, y1: TOP, y2: BOTTOM }));
    // the ends' words first: those between go where they would run into another
    const order = heights.map(function (_, place) { return place; }).sort(function (a, b) { return Math.abs(heights[b] - 0.5) - Math.abs(heights[a] - 0.5); });
    const taken = [];
    for (const place of order) {
      const y = yOf(heights[place]);
      if (taken.some(function (other) { return Math.abs(other - y) < APART; })) continue;
      taken.push(y);
      const side = last ? { x: x - 5, "text-anchor": "end" } : { x: x + 5 };  // above the point: the line goes on beside it
      group.append(made("text", { class: "parallel-tick", y: y - 7, ...side }, made("title", {}, axis.texts[place]), short(axis.texts[place], letters - 2)));
    }
    return group;
  }

  function yOf(height) {
    return BOTTOM - height * (BOTTOM - TOP);
  }

  function told(job, place, axes) {
    return job.name + ": " + axes.map(function (axis) { return axis.label + " " + axis.texts[place]; }).join(", ");
  }

  function draw(element, jobs, axes) {
    const width = Math.max(element.parentElement.clientWidth, 2 * SIDE + (axes.length - 1) * NARROWEST);
    const step = (width - 2 * SIDE) / (axes.length - 1);
    const heights = axes.map(function (axis) { return placed(axis.values); });
    const points = jobs.map(function (_, place) {
      return heights.map(function (each, n) { return [SIDE + n * step, yOf(each[place])]; });
    });
    const lanes = jobs.map(function (job, place) {
      const path = points[place].join(" ");
      const words = told(job, place, axes);
      const line = made("g", { class: "parallel-job", tabindex: 0, role: "img", "aria-label": words, style: "color: " + triptych.colourOf(place) },
        made("title", {}, job.name), made("polyline", { class: "parallel-reach", points: path }), made("polyline", { class: "parallel-line", points: path }),
        ...points[place].map(function (at) { return made("circle", { cx: at[0], cy: at[1], r: 4 }); }));
      for (const event of ["pointerenter", "focus"]) line.addEventListener(event, function () { triptych.setText("compare-told", words); });
      return line;
    });
    const drawn = axes.map(function (axis, n) { return axisAt(axis, heights[n], SIDE + n * step, step, n === axes.length - 1); });
    element.replaceChildren(made("svg", { width: width, height: HEIGHT }, ...lanes, ...drawn));
  }

  /* Draws jobs into an element, and again when its place changes. `axes` are {label, values, texts}, with a value for each job. */
  triptych.drawParallel = function (element, jobs, axes) {
    let width = null;
    if (element.triptychFit) element.triptychFit.disconnect();
    element.triptychFit = new ResizeObserver(function () {
      const now = element.parentElement && element.parentElement.clientWidth;
      if (!now || now === width) return;
      width = now;
      draw(element, jobs, axes);
    });
    element.triptychFit.observe(element.parentElement);
  };
})(window.triptych);
