/* Watches a prediction until it has ended, which changes.js hears; meanwhile its state says how long it takes. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const AGAIN = 2000;  // ms, after an answer that was none
  const LONG = 3;  // seconds, from which on they are told
  const AWAY = "The platform does not answer; asking again…";
  let watched = null;  // {id, began, told, asking, again}: the prediction that is looked after; a later one takes its place

  function state() { return document.getElementById("try-state"); }

  function say(text) { triptych.setText("try-state", text); }

  /* A former answer stays readable while another is on its way, but is not to be taken for it. */
  function age(old) {
    const shown = document.getElementById("try-result");
    if (shown) shown.classList.toggle("stale", old);
  }

  async function look(mine) {
    mine.again = true;
    if (mine.asking) return;
    mine.asking = true;
    while (mine.again && watched === mine && state()) {
      mine.again = false;
      await ask(mine);
    }
    mine.asking = false;
  }

  async function ask(mine) {
    try {
      const answer = await fetch("/api/predictions/" + encodeURIComponent(mine.id) + "/");
      if (watched !== mine) return;
      if (answer.ok) {
        const now = (await answer.json()).state;
        if (watched === mine) now === "succeeded" || now === "failed" ? end(mine) : progress(mine, now);
        return;
      }
      if (answer.status === 401) {
        progress(mine, "You are signed out.");
        await triptych.whenSignedIn();
        mine.again = true;
        return;
      }
      if (answer.status < 500) {
        const refusal = triptych.refusal(answer.status, await answer.text());
        stop(refusal);
        return;
      }
    } catch (error) { /* as an answer from 500 on */ }
    progress(mine, AWAY);
    setTimeout(look, AGAIN, mine);
  }

  function progress(mine, told) {
    mine.told = told;
    const seconds = (Date.now() - mine.began) / 1000;
    if (told === "waiting") say("Waiting for the data set to be ready…");
    else if (told !== "running") say(told);
    else say(seconds < LONG ? "Predicting…" : "Predicting… " + triptych.duration(seconds) + "; a model is loaded first where it is not in use");
  }

  function end(mine) {
    stop("");
    window.dash_clientside.set_props("try-ended", { data: mine.id });
  }

  function stop(words) {
    clearInterval(watched.clock);
    watched = null;
    if (!state()) return;
    delete state().dataset.follow;
    say(words);
    age(false);
  }

  document.addEventListener("changed", function (event) { if (watched && event.target === state()) look(watched); });

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
    if (watched) stop("");
    if (!asked) return;
    // so that a reload, or a link that is passed on, finds the answer
    history.replaceState(history.state, "", location.pathname + "?prediction=" + encodeURIComponent(asked.id));
    const mine = watched = { id: asked.id, began: Date.now(), told: "running", asking: false, again: false, clock: 0 };
    mine.clock = setInterval(function () { state() ? progress(mine, mine.told) : stop(""); }, 5000);
    state().dataset.follow = "prediction " + asked.id;
    progress(mine, "running");
    age(true);
    // where the screen is narrow the answer stands far below the question
    if (matchMedia("(max-width: 800px)").matches) state().scrollIntoView({ block: "center" });
    look(mine);
  };
})(window.triptych);
