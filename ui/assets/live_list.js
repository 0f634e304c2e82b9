/* Lists of jobs that follow the active ones: heartbeats move their bars, a new state makes Dash list them anew. What no stream tells,
   jobs that others made and those beyond the first active ones, is looked for now and then. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const AWAY = "Its progress cannot be fetched now; trying again…";
  const EVERY = 10000;  // ms between two looks
  const NEWEST = "/api/training_jobs/?page_size=50";
  let known = null;  // what the last look found, while a list is shown
  const streams = new Map();  // job id -> {stream, element, state}

  function beat(entry, heartbeat) {
    const fill = entry.element.querySelector(".follow-fill");
    const text = entry.element.querySelector(".follow-text");
    if (fill) fill.style.width = (100 * heartbeat.progress).toFixed(1) + "%";
    if (!text) return;
    const left = heartbeat.eta_seconds === null || heartbeat.eta_seconds === undefined ? "" : ", about " + triptych.duration(heartbeat.eta_seconds) + " left";
    text.textContent = heartbeat.phase + " " + Math.round(100 * heartbeat.progress) + " %" + left + (heartbeat.message ? " · " + heartbeat.message : "");
  }

  /* The list may tell an older state than the stream has begun with; then the next sign of life is news, or the stream's end. */
  function follow(element) {
    const id = element.dataset.followJob;
    const words = element.querySelector(".follow-text");
    const entry = { element: element, timer: null, waiting: words && words.textContent };
    function heard(state) {
      clearTimeout(entry.timer);
      if (state === entry.element.dataset.state) return;
      // the API's record follows through the queue
      entry.timer = setTimeout(function () {
        const list = entry.element.closest("[data-live-list]");
        if (list) window.dash_clientside.set_props(list.dataset.liveList, { data: id + " " + state + " " + Date.now() });
      }, 600);
    }
    // from the present: the past of a long training is of no use here
    entry.stream = triptych.openStream(id, null, {
      item: function (item) { if (item.kind === "state") heard(item.data.state); },
      heartbeat: function (heartbeat) {
        beat(entry, heartbeat);
        if (entry.element.dataset.state !== "running") heard("running");
      },
      connection: function (state) {
        if (state === "ended") heard("ended");
        const text = entry.element.querySelector(".follow-text");
        if (!text || !["live", "reconnecting", "signed-out"].includes(state)) return;
        if (state !== "live") text.textContent = AWAY;
        else if (text.textContent === AWAY) text.textContent = entry.waiting;
      },
    });
    streams.set(id, entry);
  }

  /* Opens what is on the page and closes what is not. */
  triptych.followLists = function () {
    const shown = new Map();
    for (const element of document.querySelectorAll("#page [data-follow-job]")) shown.set(element.dataset.followJob, element);
    for (const [id, entry] of streams) {
      if (shown.has(id)) entry.element = shown.get(id);
      else {
        clearTimeout(entry.timer);
        entry.stream.close();
        streams.delete(id);
      }
    }
    for (const [id, element] of shown) if (!streams.has(id)) follow(element);
  };

  /* Has Dash list anew where jobs are not what they were at the last look. */
  async function look() {
    const list = document.querySelector("#page [data-live-list]");
    if (!list) known = null;
    if (!list || document.hidden) return;
    let found;
    try {
      const answer = await fetch(NEWEST);
      if (!answer.ok) return;
      const page = await answer.json();
      found = page.items.map(function (job) { return job.id + " " + job.state; }).join();
    } catch (error) {
      return;  // the streams say it where it matters
    }
    if (known !== null && found !== known && list.isConnected) {
      window.dash_clientside.set_props(list.dataset.liveList, { data: "others " + Date.now() });
    }
    known = found;
  }

  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
  new MutationObserver(function () { triptych.followLists(); }).observe(document.documentElement, { childList: true, subtree: true });
})(window.triptych);
