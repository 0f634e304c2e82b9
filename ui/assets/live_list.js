/* Lists of jobs that follow the first active ones: heartbeats move their bars. That a job has another state, changes.js hears. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const AWAY = "Its progress cannot be fetched now; trying again…";
  const streams = new Map();  // job id -> {stream, element, waiting, heartbeat: the last one}

  function beat(entry, heartbeat) {
    const fill = entry.element.querySelector(".follow-fill");
    const text = entry.element.querySelector(".follow-text");
    if (fill) fill.style.width = (100 * heartbeat.progress).toFixed(1) + "%";
    if (!text) return;
    const left = heartbeat.eta_seconds === null || heartbeat.eta_seconds === undefined ? "" : ", about " + triptych.duration(heartbeat.eta_seconds) + " left";
    text.textContent = heartbeat.phase + " " + Math.round(100 * heartbeat.progress) + " %" + left + (heartbeat.message ? " · " + heartbeat.message : "");
  }

  function follow(element) {
    const id = element.dataset.followJob;
    const words = element.querySelector(".follow-text");
    const entry = { element: element, waiting: words && words.textContent, heartbeat: null };
    // from the present: the past of a long training is of no use here
    entry.stream = triptych.openStream(id, null, {
      item: function () { /* the list shows no points */ },
      heartbeat: function (heartbeat) {
        entry.heartbeat = heartbeat;
        beat(entry, heartbeat);
      },
      connection: function (state) {
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
      if (shown.has(id)) {
        const anew = entry.element !== shown.get(id);
        entry.element = shown.get(id);
        if (anew && entry.heartbeat) beat(entry, entry.heartbeat);
      } else {
        entry.stream.close();
        streams.delete(id);
      }
    }
    for (const [id, element] of shown) if (!streams.has(id)) follow(element);
  };

  new MutationObserver(function () { triptych.followLists(); }).observe(document.documentElement, { childList: true, subtree: true });
})(window.triptych);
