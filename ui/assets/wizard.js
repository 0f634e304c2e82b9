/* Shows one step of a new job at a time, the one that the address names. Every step stays on the page with what was typed. */
(function () {
  "use strict";

  let shown = null;  // the list of steps that was last shown, to know a new page from an old one

  function show(moved) {
    const steps = Array.from(document.querySelectorAll(".step"));
    if (!steps.length) { shown = null; return; }
    const wanted = steps.find(function (step) { return step.id === "step-" + location.hash.slice(1); }) || steps[0];
    for (const step of steps) step.classList.toggle("shown", step === wanted);
    for (const link of document.querySelectorAll(".step-link")) {
      if ("step-" + link.dataset.step === wanted.id) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    if (moved) window.scrollTo({ top: 0 });
    const check = wanted.querySelector("#job-check");
    if (check && !check.disabled) check.click();
  }

  function mark() {
    for (const link of document.querySelectorAll(".step-link")) {
      const step = document.getElementById("step-" + link.dataset.step);
      link.classList.toggle("wrong", Boolean(step && step.querySelector("[aria-invalid=true]")));
    }
  }

  window.addEventListener("hashchange", function () { show(true); });

  new MutationObserver(function () {
    const first = document.querySelector(".step");
    if (first !== shown) { shown = first; if (first) setTimeout(show, 0); }
    if (first) mark();
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-invalid"] });
})();
