/* Watches a prediction until it has ended. It takes a second or many minutes, so the pauses grow with the time it took. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const FIRST = 250;
  const LONGEST = 3000;
  let watched = null;  // the prediction that is looked after, so that a later one stops the former

  function say(text) { triptych.setText("try-state", text); }

  /* A former answer stays readable while another is on its way, but is not to be taken for it. */
  function age(old) {
    const shown = document.getElementById("try-result");
    if (shown) shown.classList.toggle("stale", old);
  }

  async function look(id, began) {
    if (watched !== id || !document.getElementById("try-state")) return;
    const seconds = (Date.now() - began) / 1000;
    let ended = false;
    try {
      const answer = await fetch("/api/predictions/" + encodeURIComponent(id) + "/");
      if (watched !== id) return;
      if (answer.ok) {
        const prediction = await answer.json();
        ended = prediction.state === "succeeded" || prediction.state === "failed";
        if (prediction.state === "waiting") say("Waiting for the data set to be ready…");
        else if (!ended) say(seconds < 3 ? "Predicting…" : "Predicting… " + triptych.duration(seconds) + "; a model is loaded first where it is not in use");
      } else if (answer.status === 401) {
        say("You are signed out.");
        await triptych.whenSignedIn();
      } else if (answer.status < 500) {
        say(triptych.refusal(answer.status, await answer.text()));
        age(false);
        return;
      } else say("The platform does not answer; asking again…");
    } catch (error) {
      say("The platform does not answer; asking again…");
    }
    if (ended) {
      say("");
      age(false);
      window.dash_clientside.set_props("try-ended", { data: id });
      return;
    }
    setTimeout(look, Math.min(LONGEST, Math.max(FIRST, 100 * seconds)), id, began);
  }

  /* Dash's upload has no way to name the file input inside it. */
  new MutationObserver(function () {
    for (const input of document.querySelectorAll(".try-image input[type=file]:not([aria-label])")) {
      const field = input.closest(".try-image-field");
      input.setAttribute("aria-label", "Image for " + field.querySelector(".field-label").textContent);
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* Called with the prediction that was asked for, or none. */
  triptych.watchPrediction = function (asked) {
    watched = asked ? asked.id : null;
    if (watched) {
      say("Predicting…");
      age(true);
      // where the screen is narrow the answer stands far below the question
      if (matchMedia("(max-width: 800px)").matches) document.getElementById("try-state").scrollIntoView({ block: "center" });
      look(watched, Date.now());
    }
  };
})(window.triptych);
