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

  /* What is wrong with a file is said beside the field that it was chosen for; Dash's upload ignores such a file without a word. */
  function tell(field, text) {
    window.dash_clientside.set_props({ form: "try-note", field: field.dataset.column }, { children: text });
  }

  function refuse(event, files) {
    const field = event.target instanceof Element ? event.target.closest(".try-image-field") : null;
    if (!field || !files.length) return;
    const file = files[0];
    const most = Number(field.dataset.most);
    let problem = "";
    if (!file.type.startsWith("image/")) problem = "“" + file.name + "” is no image.";
    else if (file.size > most) problem = "“" + file.name + "” has " + triptych.size(file.size) + "; at most " + triptych.size(most) + " are sent.";
    tell(field, problem);
    if (!problem) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.type === "change") event.target.value = "";  // so that the same file can be chosen once more
  }

  document.addEventListener("change", function (event) { refuse(event, event.target.files || []); }, true);
  document.addEventListener("drop", function (event) { refuse(event, event.dataTransfer ? event.dataTransfer.files : []); }, true);

  document.addEventListener("error", function (event) {
    const image = event.target;
    const field = image instanceof HTMLImageElement && image.classList.contains("try-picture") ? image.closest(".try-image-field") : null;
    if (!field || !image.getAttribute("src")) return;
    window.dash_clientside.set_props({ form: "try-picture", field: field.dataset.column }, { "data-empty": "yes" });
    tell(field, "This file cannot be shown as an image. If the model cannot read it either, it counts as missing.");
  }, true);

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
      // so that a reload, or a link that is passed on, finds the answer
      history.replaceState(history.state, "", location.pathname + "?prediction=" + encodeURIComponent(watched));
      say("Predicting…");
      age(true);
      // where the screen is narrow the answer stands far below the question
      if (matchMedia("(max-width: 800px)").matches) document.getElementById("try-state").scrollIntoView({ block: "center" });
      look(watched, Date.now());
    }
  };
})(window.triptych);
