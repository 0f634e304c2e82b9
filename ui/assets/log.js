/* The log's tail: asked for when the page opens and on demand, and when the job's stream says that it has grown. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  // ms; after the end there is no stream, and the last lines come later than it: by a second or two, from some providers by up to a minute
  const LOOKS_AFTER_END = [1000, 2000, 4000, 8000, 16000, 32000];

  triptych.openLog = function (jobId, over) {
    let stream = "connecting";  // as keepStream tells it
    const last = over ? [] : LOOKS_AFTER_END.slice();
    let timer = null;
    let asking = false;
    let wanted = false;
    let closed = false;
    const button = document.getElementById("live-log-refresh");

    /* One request at a time: where the log grows meanwhile, it is asked for once more. */
    async function load() {
      clearTimeout(timer);
      wanted = true;
      if (asking) return;
      asking = true;
      while (wanted && !closed) {
        wanted = false;
        const note = await ask();
        if (!closed) triptych.setText("live-log-note", note);
      }
      asking = false;
      if (!closed && stream !== "paused" && (stream !== "ended" || last.length))
        timer = setTimeout(load, stream === "ended" ? last.shift() : triptych.lookAfter(stream));
    }

    async function ask() {
      try {
        const answer = await fetch("/api/training_jobs/" + encodeURIComponent(jobId) + "/logs/?tail=300");
        const text = await answer.text();
        if (closed) return "";
        if (answer.ok) return show(JSON.parse(text));
        if (answer.status !== 401) return triptych.refusal(answer.status, text);
        triptych.setText("live-log-note", "You are signed out.");
        await triptych.whenSignedIn();
        wanted = true;
        return "";
      } catch (error) {
        return "The log cannot be fetched now.";
      }
    }

    function show(log) {
      const element = document.getElementById("live-log");
      if (!element) return "";
      const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 30;
      const text = log.lines.join("\n");
      if (element.textContent !== text) element.textContent = text;
      if (atEnd) element.scrollTop = element.scrollHeight;
      if (!log.lines.length) return "Nothing was logged yet.";
      const count = log.lines.length + (log.lines.length === 1 ? " line" : " lines");
      return (log.truncated ? "The last " + count : count) + " from " + log.source;
    }

    if (button) button.addEventListener("click", load);
    load();
    return {
      grown: load,
      /* Told how the stream stands. One that comes back says by itself that the log may have grown. */
      streamIs: function (state) {
        stream = state;
        if (state === "paused") clearTimeout(timer);
        if (state === "ended" && last.length) load();
      },
      close: function () {
        closed = true;
        clearTimeout(timer);
        if (button) button.removeEventListener("click", load);
      },
    };
  };
})(window.triptych);
