/* Event streams: keeps one open, and of a job's hands on each item once and in order.
   EventSource reconnects by itself after a break, with Last-Event-ID; after an HTTP error it gives up, so we do it then. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const FIRST_WAIT = 500;  // ms, doubled with every failure
  const LONGEST_WAIT = 10000;
  const HIDDEN_WAIT = 3000;  // ms; a browser allows six connections to one origin: tabs in the background give theirs up
  const PRESENT = 999999999999999;  // the server takes a number that a job has not reached for its newest
  const LOOK = 15000;  // ms
  const LOOK_ALONE = 5000;
  const KINDS = ["point", "evaluation", "state", "artifact"];

  /* Gives {items, last}: what a late viewer draws, without most of the points of a long training. With epochs, [first, last],
     their points alone. */
  triptych.fetchCurves = async function (jobId, points, epochs) {
    const range = epochs ? "&first_epoch=" + epochs[0] + "&last_epoch=" + epochs[1] : "";
    const answer = await triptych.fetchEarly(triptych.curvesAddress(jobId, points) + range);
    if (!answer.ok) throw new Error(triptych.refusal(answer.status, await answer.text()));
    return answer.json();
  };

  /* Gives how long to wait before looking although nothing was told, ms: the platform may have told it while its Redis was away, and
     where the stream is not live nothing is told at all. */
  triptych.lookAfter = function (state) {
    return state === "live" ? LOOK : LOOK_ALONE;
  };

  /* Keeps the stream at address() open. `handlers` has for each kind of event what takes it; connection(state:
     connecting|live|reconnecting|signed-out|ended|paused) is told how it stands. Gives {reopen(), end(), close()}. */
  triptych.keepStream = function (address, handlers, connection) {
    let source = null;
    let wait = FIRST_WAIT;
    let timer = null;
    let hiddenTimer = null;
    let ended = false;
    let closed = false;

    function open() {
      timer = null;
      if (closed || ended) return;
      source = new EventSource(address());
      const mine = source;
      source.onopen = function () {
        wait = FIRST_WAIT;
        connection("live");
      };
      for (const [kind, take] of Object.entries(handlers)) source.addEventListener(kind, take);
      source.onerror = function () {
        if (closed || ended || mine !== source) return;
        connection("reconnecting");
        if (mine.readyState === EventSource.CLOSED) refused(mine);
      };
    }

    /* EventSource does not say what the answer was. */
    async function refused(mine) {
      let after = wait;
      wait = Math.min(LONGEST_WAIT, wait * 2);
      if (await triptych.isSignedOut() && mine === source) {
        connection("signed-out");
        await triptych.whenSignedIn();
        after = 0;
      }
      if (mine === source && !ended) reopen(after);
    }

    function reopen(after) {
      shut();
      if (timer === null && !closed) timer = setTimeout(open, after);
    }

    function shut() {
      if (source) source.close();
      source = null;
    }

    function pause() {
      if (ended || closed) return;
      clearTimeout(timer);
      timer = null;
      shut();
      connection("paused");
    }

    function visibility() {
      clearTimeout(hiddenTimer);
      if (document.hidden) hiddenTimer = setTimeout(pause, HIDDEN_WAIT);
      else if (!source && timer === null && !ended && !closed) open();
    }

    document.addEventListener("visibilitychange", visibility);
    connection("connecting");
    if (document.hidden) pause();  // opened in the background: six such tabs would leave the next one no connection to load by
    else open();
    return {
      reopen: function () { reopen(0); },
      end: function () {
        ended = true;
        if (source) source.close();
        connection("ended");
      },
      close: function () {
        closed = true;
        clearTimeout(timer);
        clearTimeout(hiddenTimer);
        document.removeEventListener("visibilitychange", visibility);
        shut();
      },
    };
  };

  /* The stream begins behind item number `last`, with null at the present, whatever went before; handlers: item(item),
     heartbeat(beat), connection(state) as keepStream takes it; log() when the log has grown, for who wants that. Gives {close()}. */
  triptych.openStream = function (jobId, last, handlers) {
    function receive(event) {
      const item = JSON.parse(event.data);
      if (last !== null && item.seq <= last) return;  // replayed
      if (last !== null && item.seq > last + 1) {  // items are missing: ask again from the last one we have
        kept.reopen();
        return;
      }
      last = item.seq;
      handlers.item(item);
    }

    const takes = Object.fromEntries(KINDS.map(function (kind) { return [kind, receive]; }));
    takes.heartbeat = function (event) { handlers.heartbeat(JSON.parse(event.data)); };
    if (handlers.log) takes.log = handlers.log;
    takes.end = function () { kept.end(); };
    const kept = triptych.keepStream(function () {
      return "/api/training_jobs/" + encodeURIComponent(jobId) + "/events/?after=" + (last === null ? PRESENT : last);
    }, takes, handlers.connection);
    return { close: kept.close };
  };
})(window.triptych);
