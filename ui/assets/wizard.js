/* Shows one step of a new job at a time, the one that the address names. Every step stays on the page with what was typed. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  let shown = null;  // the list of steps that was last shown, to know a new page from an old one
  let unchecked = false;  // the review was opened while the form was not yet ready to be checked

  function show(moved) {
    const steps = Array.from(document.querySelectorAll(".step"));
    if (!steps.length) { shown = null; return; }
    const named = steps.find(function (step) { return step.id === "step-" + location.hash.slice(1); });
    if (moved && !named && location.hash.length > 1) return;  // a place of the page, as the skip link's
    const wanted = named || steps[0];
    for (const step of steps) step.classList.toggle("shown", step === wanted);
    for (const link of document.querySelectorAll(".step-link")) {
      if ("step-" + link.dataset.step === wanted.id) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    if (moved) {
      // the link that was pressed is hidden now, and the keyboard would begin at the top of the page
      wanted.tabIndex = -1;
      wanted.focus({ preventScroll: true });
      window.scrollTo({ top: 0 });
    }
    unchecked = wanted.querySelector("#job-check") !== null;
    check();
  }

  /* What the review shows is asked for when it is opened, and the button for it is disabled while Dash prepares the form. */
  function check() {
    const button = document.getElementById("job-check");
    if (!unchecked || !button || button.disabled) return;
    unchecked = false;
    button.click();
  }

  function mark() {
    for (const link of document.querySelectorAll(".step-link")) {
      const step = document.getElementById("step-" + link.dataset.step);
      link.classList.toggle("wrong", Boolean(step && step.querySelector("[aria-invalid=true]")));
    }
  }

  /* What Dash's persistence has kept of a form ends with the form's own name. */
  triptych.forgetForm = function (name) {
    const ending = "." + JSON.stringify(name);
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith("_dash_persistence.") && key.endsWith(ending)) sessionStorage.removeItem(key);
    }
  };

  /* A finding's column is unticked as a person would, so that it is kept as theirs, and what is left is checked anew. */
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-leave-out]");
    if (!button) return;
    const box = document.getElementById(JSON.stringify({ index: Number(button.dataset.leaveOut), part: "feature" }));
    if (box.checked) box.click();
    unchecked = true;
    check();
  });

  document.addEventListener("click", function (event) {
    if (!event.target.closest("#job-anew")) return;
    triptych.forgetForm(document.getElementById("job-form").dataset.kept);
    location.replace(location.pathname + location.search);
  });

  window.addEventListener("hashchange", function () { show(true); });

  new MutationObserver(function () {
    const first = document.querySelector(".step");
    if (first !== shown) { shown = first; if (first) setTimeout(show, 0); }
    if (first) { mark(); check(); }
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-invalid", "disabled"] });
})(window.triptych);
