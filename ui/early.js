/* Stands in the head of every page and runs before anything else is there. The scheme is set before anything is drawn, so that a dark page
   never flashes white; and where there are charts, their library and a job's curves travel while Dash starts. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const system = matchMedia("(prefers-color-scheme: dark)");

  function setScheme() {
    let kept = null;
    try { kept = localStorage.getItem("mantine-color-scheme-value"); } catch (error) { /* storage is off */ }
    const dark = kept === "dark" || (kept !== "light" && system.matches);
    document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  }

  setScheme();
  system.addEventListener("change", setScheme);  // Mantine does so too, where it is: not on the page to sign in

  let loading = null;
  const asked = {};  // address -> its answer, for who wants it first

  /* Gives the chart library. It is the largest script by far: fetched once, and only where there is a chart. */
  triptych.loadPlotly = function () {
    if (!loading) {
      loading = new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = "{charts}";
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

  /* Fetches, or takes what was asked for early. */
  triptych.fetchEarly = async function (address) {
    const early = asked[address];
    delete asked[address];
    return await early || fetch(address);
  };

  triptych.JOB_POINTS = 2000;  // of each split, before a zoom asks for more

  triptych.curvesAddress = function (jobId, points) {
    return "/api/metrics/curves/?job=" + encodeURIComponent(jobId) + "&points=" + points;
  };

  const page = location.pathname.match(/^[/]jobs[/](?!new[/]?$)([^/]+)[/]?$/);
  if (!page) return;
  triptych.loadPlotly().catch(function () { /* who draws a chart asks again, and tells */ });
  if (page[1] === "compare") return;
  triptych.earlyJob = decodeURIComponent(page[1]);
  const address = triptych.curvesAddress(triptych.earlyJob, triptych.JOB_POINTS);
  asked[address] = fetch(address).catch(function () { return null; });
})(window.triptych);
