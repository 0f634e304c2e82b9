/* Lists of jobs that follow the active ones: heartbeats move their bars, a new state makes Dash list them anew. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const streams = new Map();  // job id -> {stream, element, state}

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
    const entry = { element: element, state: element.dataset.state, seen: element.dataset.state, timer: null };
    entry.stream = triptych.openStream(id, 0, {
      item: function (item) {
        if (item.kind !== "state") return;
        entry.seen = item.data.state;
        clearTimeout(entry.timer);
        // history ends at the present state; only another one is news. The API's record follows through the queue.
        entry.timer = setTimeout(function () {
          const list = entry.element.closest("[data-live-list]");
          if (list && entry.seen !== entry.element.dataset.state) {
            window.dash_clientside.set_props(list.dataset.liveList, { data: id + " " + entry.seen + " " + Date.now() });
          }
        }, 600);
      },
      heartbeat: function (heartbeat) { beat(entry, heartbeat); },
      connection: function () {},
    });
    streams.set(id, entry);
  }

  /* Opens what is on the page and closes what is not. */
  triptych.followLists = function () {
    const shown = new Map();
    for (const element of document.querySelectorAll("[data-follow-job]")) shown.set(element.dataset.followJob, element);
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

  new MutationObserver(function () { triptych.followLists(); }).observe(document.documentElement, { childList: true, subtree: true });
})(window.triptych);
