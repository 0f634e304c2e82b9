/* The log's tail: asked for when the page opens and on demand, and every few seconds while the job runs. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const EVERY = 4000;  // ms, counted from the end of the last answer

  triptych.openLog = function (jobId, isOver) {
    let timer = null;
    let closed = false;
    const button = document.getElementById("live-log-refresh");

    async function load() {
      clearTimeout(timer);
      const over = isOver();
      let note = "";
      try {
        const answer = await fetch("/api/training_jobs/" + encodeURIComponent(jobId) + "/logs/?tail=300");
        const text = await answer.text();
        if (closed) return;
        if (answer.status === 401) {
          triptych.setText("live-log-note", "You are signed out.");
          await triptych.whenSignedIn();
          if (!closed) load();
          return;
        }
        if (answer.ok) note = show(JSON.parse(text));
        else note = triptych.refusal(answer.status, text);
      } catch (error) {
        note = "The log cannot be fetched now.";
      }
      if (closed) return;
      triptych.setText("live-log-note", note);
      clearTimeout(timer);  // of another, begun by the button meanwhile
      if (!over) timer = setTimeout(load, EVERY);
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
      close: function () {
        closed = true;
        clearTimeout(timer);
        if (button) button.removeEventListener("click", load);
      },
    };
  };
})(window.triptych);
