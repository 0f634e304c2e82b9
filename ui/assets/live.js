/* The job page's live part: one stream feeds state, progress, curves and confusion matrix. What the API keeps (figures,
   timeline, artifacts, report) is asked for again by Dash when the stream says that it changed. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const ENDED = ["succeeded", "failed", "cancelled", "timed_out"];
  const WORDS = {
    connecting: "connecting…", live: "live", reconnecting: "connection lost, trying again…", ended: "ended",
    paused: "paused in the background", "signed-out": "signed out",
  };
  const SETTLE_TRIES = 20;

  let active = null;
  let final = null;  // the matrix of a report, {id, attempt, labels, matrix}: of a job that left one
  let early = null;  // a job whose curves are drawn before Dash has started

  function byId(id) {
    return document.getElementById(id);
  }

  function connection(state) {
    const element = byId("live-connection");
    if (!element) return;
    element.dataset.state = state;
    byId("job-page").dataset.connection = state;  // for the charts' words: a :has() would be looked at anew with every point
    triptych.setText("live-connection", WORDS[state]);
  }

  function heartbeat(beat) {
    if (active && active.over) return;
    triptych.setText("live-phase", beat.phase.charAt(0).toUpperCase() + beat.phase.slice(1));
    triptych.setText("live-eta", beat.eta_seconds === null || beat.eta_seconds === undefined ? "" : "about " + triptych.duration(beat.eta_seconds) + " left");
    triptych.setText("live-message", beat.message || "");
    progress(beat.progress);
  }

  function progress(value) {
    const bar = byId("live-bar");
    if (!bar) return;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * value)));
    byId("live-bar-fill").style.width = (100 * value).toFixed(1) + "%";
  }

  /* Shows the places of what has come, and no empty ones. What has not changed costs nothing. */
  function showPlaces(has) {
    const page = byId("job-page").classList;
    page.toggle("no-curves", !has.curves);
    page.toggle("no-machine", !has.machine);
    page.toggle("no-matrix", !has.curves && !ENDED.includes(has.state));
  }

  /* The same, and says why there are no curves, as long as there are none. */
  function tellPlaces(page) {
    showPlaces(page);
    const words = byId("live-no-curves").dataset;
    const away = !page.over && page.connection === "reconnecting";
    triptych.setText("live-no-curves", words[away ? "reconnecting" : page.over ? "ended" : page.state] || words.running);
  }

  /* Says why there is no matrix, as long as there is none. */
  function matrixNote(page) {
    if (shownMatrix(page)) return;
    let words = "The first validation pass has not ended yet.";
    if (page.over) words = "It ended before a validation pass did.";
    else if (page.connection === "reconnecting") words = "It cannot be fetched now. This page keeps trying.";
    triptych.setText("live-matrix-note", words);
  }

  /* The stream may be ahead of the API, whose own record follows through the queue: ask until both agree. */
  async function settle(page, jobId, state, attempt, tries) {
    if (active !== page) return;
    let agreed = tries <= 0;
    try {
      const answer = await fetch("/api/training_jobs/" + encodeURIComponent(jobId) + "/");
      if (answer.status === 401) await triptych.whenSignedIn();
      const job = await answer.json();
      agreed = agreed || job.attempt > attempt || (job.state === state && job.attempt === attempt);
    } catch (error) { /* the API is away: try again */ }
    if (active !== page || page.settling !== state + attempt) return;
    if (agreed) window.dash_clientside.set_props("job-changed", { data: state + " " + attempt + " " + page.changes++ });
    else setTimeout(function () { settle(page, jobId, state, attempt, tries - 1); }, 500);
  }

  function stateChanged(page, item) {
    const state = item.data.state;
    page.state = state;
    page.over = ENDED.includes(state);
    if (page.over) page.charts.end();
    const card = byId("live-progress");
    if (card) card.classList.toggle("idle", page.over || state === "created");
    tellPlaces(page);
    matrixNote(page);
    if (state === "queued" || state === "launching") {
      triptych.setText("live-phase", state === "queued" ? "Waiting for a free place" : "Starting the trainer");
      progress(0);
    } else if (state === "interrupted") {  // what follows, the API decides
      triptych.setText("live-phase", "Interrupted");
      triptych.setText("live-eta", "");
      triptych.setText("live-message", item.data.reason);
    }
    page.settling = state + item.attempt;
    clearTimeout(page.settleTimer);
    // history comes in one burst: only its last state is worth asking for
    page.settleTimer = setTimeout(function () { settle(page, page.id, state, item.attempt, SETTLE_TRIES); }, 50);
  }

  function newAttempt(page, attempt) {
    page.curves = page.machine = false;
    page.attempt = attempt;
    page.best = null;
    page.over = false;
    if (page.charts) page.charts.clear();
    triptych.setText("live-system", "");
    if (byId("live-matrix") && window.Plotly) window.Plotly.purge(byId("live-matrix"));
    matrixNote(page);
  }

  function evaluation(page, data) {
    if (!data.best && page.best) return;
    if (data.best && page.charts) page.charts.best(data.epoch);
    page.best = data;
    drawMatrix(page);
  }

  /* Gives the matrix to draw: of the final model once there is its report, which may pool several and was measured anew. */
  function shownMatrix(page) {
    return final && final.id === page.id && final.attempt >= page.attempt ? final : page.best;
  }

  function drawMatrix(page) {
    if (page.drawing || !page.plotly) return;
    page.drawing = true;
    triptych.whenIdle(function () {  // it stands below the curves, which go first
      page.drawing = false;
      const shown = active === page && byId("live-matrix") ? shownMatrix(page) : null;
      if (!shown) return;
      triptych.drawMatrix(page.plotly, byId("live-matrix"), shown);
      const of = shown === final ? "The final model on the validation rows, as in the report." : "Best validation pass, epoch " + triptych.number(shown.epoch) + ".";
      triptych.setText("live-matrix-note", of + " Colour: share of the true class.");
    });
  }

  /* Called by Dash with the matrix of a job's report, or null where there is none. */
  triptych.showFinalMatrix = function (matrix) {
    final = matrix || null;
    if (active && final) drawMatrix(active);
  };

  function percent(value) {
    return value.toFixed(0) + " %";
  }

  /* What the trainer uses: of one CPU and of what it may use. */
  function usage(values) {
    const parts = [];
    const ofLimit = function (value) { return value === undefined ? "" : " (" + percent(value) + " of its limit)"; };
    if (values.cpu_percent !== undefined) parts.push("CPU " + percent(values.cpu_percent) + ofLimit(values.cpu_limit_percent));
    if (values.rss_mb !== undefined) parts.push("memory " + triptych.size(values.rss_mb * 1048576) + ofLimit(values.memory_limit_percent));
    const gpu = [];
    if (values.gpu_percent !== undefined) gpu.push(percent(values.gpu_percent));
    if (values.gpu_memory_mb !== undefined) gpu.push(triptych.size(values.gpu_memory_mb * 1048576));
    if (gpu.length) parts.push("GPU " + gpu.join(", "));
    return parts.join(" · ");
  }

  function placeOf(point) {
    return point.split === "system" ? "machine" : "curves";
  }

  function handle(page, item, drawn) {
    if (item.attempt > page.attempt) newAttempt(page, item.attempt);
    if (item.attempt < page.attempt) return;
    if (item.kind === "point") {
      const of = placeOf(item.data);
      if (!page[of]) {
        page[of] = true;
        tellPlaces(page);  // before it is drawn: a chart is as wide as its place
      }
      if (!drawn) page.charts.add(item.data, item.at);
      if (of === "machine") triptych.setText("live-system", usage(item.data.values));
    }
    else if (item.kind === "evaluation") evaluation(page, item.data);
    else if (item.kind === "state") stateChanged(page, item);
  }

  function close() {
    if (!active) return;
    if (active.stream) active.stream.close();
    if (active.charts) active.charts.close();
    if (active.log) active.log.close();
    if (active.stopFitting) active.stopFitting();
    clearTimeout(active.settleTimer);
    active = null;
  }

  /* Handles what has happened, and gives the number of the last item; 0 where the stream had better tell everything. `drawn` says
     that the curves show its points already. */
  function tellPast(page, past, drawn) {
    if (!past) return 0;
    if (drawn) page.attempt = past.items.reduce(function (most, item) { return Math.max(most, item.attempt); }, 0);
    for (const item of past.items) handle(page, item, drawn);
    page.charts.thinned(past.items.length < past.last ? function (epochs) { return triptych.fetchCurves(page.id, triptych.JOB_POINTS, epochs); } : null);
    return past.last;
  }

  function fetchPast(jobId) {
    return triptych.fetchCurves(jobId, triptych.JOB_POINTS).catch(function () { return null; });
  }

  /* Draws the curves into the page that came as HTML; the page that Dash makes takes them over. */
  triptych.drawEarly = async function (jobId) {
    const drawing = { id: jobId, past: fetchPast(jobId), charts: null };
    early = drawing;
    const plotly = await triptych.loadPlotly();
    const past = await drawing.past;
    if (early !== drawing || !past || !triptych.isEarly() || !byId("job-page")) return;  // Dash was faster
    const latest = past.items.reduce(function (most, item) { return Math.max(most, item.attempt); }, 0);
    drawing.charts = triptych.openCharts(plotly);
    const has = { curves: false, machine: false, state: "" };
    for (const item of past.items) {
      if (item.attempt !== latest) continue;
      if (item.kind === "state") has.state = item.data.state;
      if (item.kind !== "point") continue;
      has[placeOf(item.data)] = true;
      drawing.charts.add(item.data, item.at);
    }
    showPlaces(has);
    drawing.charts.show();
  };

  /* Gives what was drawn early of a job, once. */
  function takeEarly(jobId) {
    const taken = early;
    early = null;
    if (taken && taken.id === jobId) return taken;
    if (taken && taken.charts) taken.charts.close();
    return { past: fetchPast(jobId), charts: null };
  }

  /* Called by Dash with {id, attempt, state} when the page is shown, and again for a retry. */
  triptych.mountJob = async function (job) {
    close();
    if (!job) return;
    const page = { id: job.id, attempt: 0, state: job.state, over: false, curves: false, machine: false, changes: Date.now(), best: null, connection: "connecting" };
    active = page;
    page.log = triptych.openLog(job.id, ENDED.includes(job.state));
    connection("connecting");
    const begun = takeEarly(job.id);
    try {
      page.plotly = await triptych.loadPlotly();
    } catch (error) {
      triptych.setText("live-connection", error.message);
      return;
    }
    if (active !== page || !byId("job-page")) return;  // left while the library was loading
    if (byId("live-matrix").data) page.plotly.purge(byId("live-matrix"));
    page.charts = begun.charts || triptych.openCharts(page.plotly);
    page.stopFitting = triptych.keepFitting(page.plotly, byId("live-matrix"));
    drawMatrix(page);
    const past = await begun.past;
    if (active !== page || !byId("job-page")) return;
    const last = tellPast(page, past, begun.charts !== null);
    if (!begun.charts) page.charts.show();
    page.stream = triptych.openStream(job.id, last, {
      item: function (item) { handle(page, item); },
      heartbeat: heartbeat,
      log: page.log.grown,
      connection: function (state) {
        if (active !== page) return;  // told late, to a page that was left
        page.connection = state;
        page.log.streamIs(state);
        connection(state);
        if (past || state !== "connecting") tellPlaces(page);  // else nothing is known yet
        matrixNote(page);
      },
    });
  };

  // React takes the page away without telling: close what belongs to it. A re-drawn state line gets its words back.
  new MutationObserver(function () {
    if (!active) return;
    if (!byId("job-page")) close();
    else if (active.connection && byId("live-connection") && byId("live-connection").dataset.state !== active.connection) connection(active.connection);
  }).observe(document.documentElement, { childList: true, subtree: true });

  new MutationObserver(function () {
    if (active && byId("live-matrix")) drawMatrix(active);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
})(window.triptych);
