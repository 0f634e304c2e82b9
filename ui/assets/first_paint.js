/* Exchanges the page that came as HTML (ui/first_paint.py) for the one that Dash makes, in the moment that one is there: both look the
   same, so nothing moves. Charts that were drawn meanwhile go along. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const early = document.getElementById("early");
  const root = document.getElementById("react-entry-point");

  /* Says whether the page stands as HTML still. */
  triptych.isEarly = function () { return early.isConnected && early.hasChildNodes(); };

  new MutationObserver(function (_changes, observer) {
    if (!root.querySelector("#page > *, #banner")) return;
    observer.disconnect();
    for (const chart of early.querySelectorAll(".chart[id^=chart-]")) {
      // React never touches what is inside this place, and takes it away with the page around it
      const place = root.querySelector("#" + chart.id);
      if (!place) continue;
      triptych.setText(chart.id + "-now", early.querySelector("#" + chart.id + "-now").textContent);
      place.replaceWith(chart);
    }
    const [drawn, made] = ["#early", "#react-entry-point"].map(function (place) { return document.querySelector(place + " #job-page"); });
    if (drawn && made) made.className = drawn.className;  // which charts have a place
    early.remove();
  }).observe(root, { childList: true, subtree: true });

  // the other scripts stand behind this one in the file
  setTimeout(function () { if (triptych.earlyJob) triptych.drawEarly(triptych.earlyJob).catch(function () { /* the page itself tells */ }); });
})(window.triptych);
