/* What every page needs: titles and focus on navigation, the bar while a page is asked for, pictures that do not decode,
   and the names that Dash calls (window.dash_clientside.triptych). */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  triptych.size = function (bytes) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let value = bytes;
    let unit = 0;
    while (value >= 1000 && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    return (unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)) + " " + units[unit];
  };

  triptych.duration = function (seconds) {
    const left = Math.max(0, Math.round(seconds));
    if (left < 60) return left + " s";
    const [unit, word, rest] = left < 3600 ? [60, " min", " s"] : [3600, " h", " min"];
    const more = left < 3600 ? left % 60 : Math.floor((left % 3600) / 60);
    return Math.floor(left / unit) + word + (more ? " " + more + rest : "");
  };

  /* Writes a moment in this browser's time zone, in the order that all of our dates have: 2026-11-23 14:05. */
  triptych.localTime = function (moment) {
    return new Date(moment).toLocaleString("sv", { dateStyle: "short", timeStyle: "short" });
  };

  triptych.number = function (value) {
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  };

  /* Gives the sentence to show for an answer that is an error; works for problem documents and for a gateway's own page. */
  triptych.refusal = function (status, text) {
    try {
      const problem = JSON.parse(text);
      if (problem.detail || problem.title) return problem.detail || problem.title;
    } catch (error) { /* not a problem document */ }
    if (status === 413) return "The server refuses uploads of this size.";
    if (status >= 502 && status <= 504) return "The platform does not answer (HTTP " + status + "). See that it runs, then try again.";
    return "The server answered HTTP " + status + ".";
  };

  /* Makes an element; an attribute that is false is left out, one like onclick is a listener, a child that is null is none. */
  triptych.element = function (tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter(function (child) { return child !== null; }));
    return made;
  };

  /* Goes to a page without loading anew, which would end what scripts are at. */
  triptych.goTo = function (address) {
    const url = new URL(address, location.href);
    window.dash_clientside.set_props("location", { href: address, pathname: url.pathname, search: url.search });
  };

  triptych.setText = function (id, text) {
    const element = document.getElementById(id);
    if (!element || element.textContent === text) return;
    const held = element.firstChild;
    // Another text in the same node costs no search for the styles of what stands beside it
    if (held && held.nodeType === Node.TEXT_NODE && !held.nextSibling) held.data = text;
    else element.textContent = text;
  };

  /* The page that the server sent has no move of the focus: that is the browser's. Taken from the address and not from the first call
     below, which on a busy machine comes after the first link was pressed. */
  let shownPath = window.location.pathname;

  function focusHeading() {
    const heading = document.querySelector("#page h1") || document.getElementById("page");
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }

  /* On a busy machine React draws later than that, and takes the heading away that had the focus. */
  function keepFocus(until) {
    if (document.activeElement === document.body) focusHeading();
    if (performance.now() < until) requestAnimationFrame(function () { keepFocus(until); });
  }

  /* Called when routing has put a page into #page. */
  triptych.pageShown = function (title, path) {
    if (title) document.title = title;
    if (shownPath !== path) {
      window.scrollTo(0, 0);
      // two frames: by then React has drawn the page. Its heading is what a screen reader should say
      requestAnimationFrame(function () { requestAnimationFrame(function () { focusHeading(); keepFocus(performance.now() + 3000); }); });
    }
    shownPath = path;
    if (triptych.followLists) triptych.followLists();
    if (triptych.showUploadElsewhere) triptych.showUploadElsewhere();
    return path;
  };

  /* Dash says nothing when its own server is away: every request of its is watched, and the person told. */
  const plainFetch = window.fetch;
  const failed = new Set(); // what Dash asked for in vain, by its names for the outputs

  window.fetch = async function (resource, options) {
    const address = String(resource instanceof Request ? resource.url : resource);
    if (!address.includes("_dash-update-component")) return plainFetch.call(window, resource, options);
    try {
      const answer = await plainFetch.call(window, resource, options);
      if (answer.status >= 500) told(options, "Something went wrong here (HTTP " + answer.status + ").");
      else answered(options);
      return answer;
    } catch (error) {
      told(options, "Triptych does not answer. See that it runs; what you typed is still here.");
      throw error;
    }
  };

  function outputs(options) {
    try {
      return JSON.parse(options.body).output;
    } catch (error) { // a question about a request that still runs has no body
      return "";
    }
  }

  function told(options, text) {
    failed.add(outputs(options));
    banner(text);
  }

  /* What failed is not asked for again by itself, so another answer does not mend it; a new page does. */
  function answered(options) {
    if (failed.size === 0) return;
    const names = outputs(options);
    if (names.startsWith("..page.children.")) failed.clear();
    else failed.delete(names);
    if (failed.size === 0) banner("");
  }

  function banner(text) {
    let shown = document.getElementById("banner");
    if (!text) {
      if (shown) shown.remove();
      return;
    }
    if (!shown) {
      shown = document.createElement("div");
      shown.id = "banner";
      shown.className = "message error banner";
      shown.setAttribute("role", "alert");
      document.querySelector(".header").after(shown);
    }
    const again = document.createElement("button");
    again.type = "button";
    again.className = "link-button";
    again.textContent = "Reload";
    again.onclick = function () { window.location.reload(); };
    const words = document.createElement("p");
    words.textContent = text;
    shown.replaceChildren(words, again);
  }

  /* Buttons with data-copy put it on the clipboard, which browsers give to secure origins only: elsewhere it is shown to be copied. */
  document.addEventListener("click", async function (event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
    } catch (error) {
      button.textContent = button.dataset.copy;
      getSelection().selectAllChildren(button);
    }
  });

  document.addEventListener("error", function (event) {
    const image = event.target;
    if (!(image instanceof HTMLImageElement) || !image.classList.contains("thumbnail")) return;
    const words = document.createElement("span");
    words.className = "thumbnail none";
    words.textContent = "not an image";
    image.hidden = true;  // React owns the image, so it stays
    if (!image.nextElementSibling || !image.nextElementSibling.classList.contains("none")) image.after(words);
  }, true);

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.triptych = {
    pageShown: triptych.pageShown,
    // the button stands at the end of a long form, its errors at the beginning
    showErrors: function (children) {
      const errors = document.getElementById("job-errors");
      if (children && errors) {
        errors.focus({ preventScroll: true });
        errors.scrollIntoView({ block: "center" });
      }
      return "";
    },
    // the job is made: what was set for it is no wish for the next one
    formSent: function (address) {
      if (!address) return window.dash_clientside.no_update;
      triptych.forgetForm(document.getElementById("job-form").dataset.kept);
      return address;
    },
    // what is looked for, in the address, without a new page
    keepAddress: function (address) {
      if (address) history.replaceState(history.state, "", address);
      return "";
    },
    showKeyDate: function (expiry) { return expiry === "date" ? {} : { display: "none" }; },
    mountUpload: function () { triptych.mountUpload(); return ""; },
    mountJob: function (job) { triptych.mountJob(job); return ""; },
    watchPrediction: function (asked) { triptych.watchPrediction(asked); return ""; },
    showPicture: function (contents) { return [contents || window.dash_clientside.no_update, contents ? "" : window.dash_clientside.no_update]; },
    showFinalMatrix: function (matrix) { triptych.showFinalMatrix(matrix); return ""; },
    mountCompare: function (jobs) { triptych.mountCompare(jobs); return ""; },
  };
})(window.triptych);
