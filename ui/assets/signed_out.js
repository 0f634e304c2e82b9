/* When the platform no longer knows this browser: a line says so, and whatever got that answer waits, and goes on once somebody has
   signed in, in another tab for instance. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const EVERY = 5000;  // ms between two looks, while the page is in front
  let waiting = null;

  async function ask() {
    try {
      return (await fetch("/api/session/", { cache: "no-store" })).status;
    } catch (error) {
      return 0;
    }
  }

  /* Says whether it is for want of a sign-in that something is refused; for those who are not told why. */
  triptych.isSignedOut = async function () { return await ask() === 401; };

  function line() {
    return triptych.element("div", { id: "signed-out", class: "message warning", role: "alert" },
      triptych.element("strong", {}, "You are signed out"),
      triptych.element("p", {}, "Once you are signed in again, here or in another tab, this page goes on."),
      triptych.element("a", { class: "link-button", href: "/sign-in", "data-sign-in": true }, "Sign in"));
  }

  /* Tells, and waits until the platform knows this browser again. */
  triptych.whenSignedIn = function () {
    waiting = waiting || new Promise(function (resolve) {
      const told = line();
      let timer = setTimeout(look, EVERY);
      async function look() {
        const status = document.hidden ? 0 : await ask();
        clearTimeout(timer);
        if (status !== 200 && status !== 403) {
          timer = setTimeout(look, EVERY);
          return;
        }
        document.removeEventListener("visibilitychange", look);
        told.remove();
        waiting = null;
        resolve();
      }
      document.addEventListener("visibilitychange", look);
      document.body.append(told);
    });
    return waiting;
  };

  document.addEventListener("click", function (event) {
    const link = event.target.closest("[data-sign-in]");
    if (!link) return;
    link.href = "/sign-in?next=" + encodeURIComponent(location.pathname + location.search + location.hash);
    if (triptych.uploading()) link.target = "_blank";  // here, the files would have to be chosen again
  });
})(window.triptych);
