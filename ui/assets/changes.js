/* What changed in the workspace, as it happens: one stream for a page, open while something on it follows data sets, jobs or predictions.

   An element says what it follows: data-follow="job,dataset" for all of them, "prediction <id>" for one. When such a one has changed, or may
   have, the element gets the event "changed", and the Store that data-tells names a new value, by which Dash shows it anew. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const PAUSE = 500;  // ms between two tellings of one element
  let kept = null;
  let state = "";
  let looked = 0;
  let place = null;  // {follower, link}: where the focus is, if on a link of what is followed
  const told = new WeakMap();  // element -> {at: when it was told, timer: of the next time}

  function followers() { return document.querySelectorAll("#page [data-follow]"); }

  /* The first change is told at once, those of the pause after it together. */
  function tell(element) {
    const before = told.get(element) || { at: 0 };
    if (before.timer) return;
    const left = before.at + PAUSE - Date.now();
    if (left <= 0) run(element);
    else told.set(element, { at: before.at, timer: setTimeout(run, left, element) });
  }

  function run(element) {
    told.set(element, { at: Date.now() });
    if (!element.isConnected) return;
    element.dispatchEvent(new Event("changed", { bubbles: true }));
    if (element.dataset.tells) window.dash_clientside.set_props(element.dataset.tells, { data: "changed " + Date.now() });
  }

  function follows(element, change) {
    const [kinds, id] = element.dataset.follow.split(" ");
    return kinds.split(",").includes(change.kind) && (!id || id === change.id);
  }

  function change(event) {
    const what = JSON.parse(event.data);
    for (const element of followers()) if (follows(element, what)) tell(element);
  }

  function look() {
    looked = Date.now();
    for (const element of followers()) tell(element);
  }

  /* Opens the stream where it is wanted, and closes it where it is not. */
  triptych.followChanges = function () {
    const wanted = !triptych.isEarly() && followers().length > 0;
    if (wanted && !kept) {
      looked = Date.now();
      kept = triptych.keepStream(function () { return "/api/changes/"; }, { change: change, look: look }, function (now) { state = now; });
    } else if (!wanted && kept) {
      kept.close();
      kept = null;
    }
  };

  document.addEventListener("focusin", function (event) {
    const follower = event.target.closest("#page [data-follow]");
    place = follower && event.target.hasAttribute("href") ? { follower: follower, link: event.target } : null;
  });

  document.addEventListener("focusout", function (event) {
    // in a moment it is known whether a person left the link, or it was taken away under them
    setTimeout(function () { if (place && place.link === event.target && place.link.isConnected && document.activeElement !== place.link) place = null; });
  });

  /* What Dash shows anew are new elements: who was at a link there by keyboard is led to the same one. */
  function keepPlace() {
    if (!place || place.link.isConnected || document.activeElement !== document.body) return;
    const same = place.follower.querySelector('[href="' + CSS.escape(place.link.getAttribute("href")) + '"]');
    if (same) same.focus({ preventScroll: true });
  }

  setInterval(function () {
    if (kept && !document.hidden && Date.now() - looked >= triptych.lookAfter(state)) look();
  }, 1000);
  new MutationObserver(function () {
    keepPlace();
    triptych.followChanges();
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-follow"] });
})(window.triptych);
