/* How far an upload is: rows on the data sets page, and a line on every other page that leads back to it. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const ROWS = 8;  // beyond so many images they share a row
  const element = triptych.element;
  let rows = [];  // {label, from, to: positions of items, begin, end: bytes}
  let drawn = null;  // the items that rows were made for

  function rowsOf(upload) {
    const start = function (i) { return upload.ends[i] - upload.items[i].file.size; };
    const first = upload.items.findIndex(function (item) { return item.field === "images"; });
    const images = first < 0 ? 0 : upload.items.length - first;
    const single = images > ROWS ? upload.items.slice(0, first) : upload.items;
    const made = single.map(function (item, i) { return { label: item.name, from: i, to: i + 1, begin: start(i), end: upload.ends[i] }; });
    if (images > ROWS) {
      made.push({ label: images.toLocaleString("en") + " images", from: first, to: upload.items.length, begin: start(first), end: upload.total });
    }
    return made;
  }

  function bar(label, id) {
    return element("div", { class: "follow-bar", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, id: id || false },
      element("div", { class: "follow-fill" }));
  }

  function button(text, action, id) {
    return element("button", { type: "button", class: "link-button", onclick: action, id: id }, text);
  }

  function build(panel, upload) {
    rows = rowsOf(upload);
    drawn = upload.items;
    const list = element("ul", { class: "upload-rows plain-list" }, ...rows.map(function (row) {
      row.bar = bar(row.label);
      row.words = element("span", { class: "quiet upload-share" });
      return element("li", {}, element("span", { class: "name", dir: "auto", title: row.label }, row.label), row.bar, row.words);
    }));
    panel.replaceChildren(element("div", { class: "upload-progress" },
      element("div", { class: "split" },
        element("strong", { dir: "auto", class: "name" }, upload.name),
        element("div", { class: "actions" },
          button("Pause", triptych.pauseUpload, "upload-pause"),
          button("Go on", triptych.continueUpload, "upload-go-on"),
          button("Try now", triptych.tryNow, "upload-now"),
          button("Cancel", triptych.cancelUpload, "upload-cancel"))),
      bar("Upload", "upload-bar"),
      element("p", { class: "quiet", id: "upload-words" }),
      element("p", { class: "warn", role: "status", id: "upload-trouble" }),
      element("div", { class: "message error", role: "alert", id: "upload-error" },
        element("strong", {}, "The upload has stopped"), element("p", { dir: "auto" })),
      list));
  }

  function fill(shown, share) {
    shown.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    shown.firstChild.style.width = (100 * share).toFixed(1) + "%";
  }

  function share(upload) {
    return upload.total ? upload.sent / upload.total : 1;
  }

  function words(upload) {
    if (upload.state === "starting") return "Starting…";
    if (upload.state === "finishing") return "All " + triptych.size(upload.total) + " are there. The server reads the first rows…";
    const done = triptych.size(upload.sent) + " of " + triptych.size(upload.total);
    if (upload.state === "paused") return "Paused · " + done;
    if (!upload.speed) return done;
    return done + " · " + triptych.size(upload.speed) + "/s · " + triptych.duration((upload.total - upload.sent) / upload.speed) + " left";
  }

  function rowWords(row, upload) {
    if (row.to - row.from > 1) {
      const sent = Math.min(Math.max(triptych.itemAt(upload.ends, upload.sent), row.from), row.to) - row.from;
      return sent.toLocaleString("en") + " of " + (row.to - row.from).toLocaleString("en");
    }
    const size = row.end - row.begin;
    const done = Math.min(Math.max(upload.sent - row.begin, 0), size);
    if (upload.sent >= row.end) return triptych.size(size) + " sent";
    return done ? triptych.size(done) + " of " + triptych.size(size) : triptych.size(size);
  }

  function trouble(upload) {
    if (upload.state !== "waiting") return "";
    return upload.why + " Nothing is lost: " + (upload.again === null ? "it goes on once you are signed in again." : "trying again in " + upload.again + " s.");
  }

  function show(id, visible) {
    document.getElementById(id).hidden = !visible;
  }

  /* Shows the upload in the panel; built once, then only moved. */
  triptych.drawProgress = function (panel) {
    const upload = triptych.upload;
    if (drawn !== upload.items || !document.getElementById("upload-bar")) build(panel, upload);
    fill(document.getElementById("upload-bar"), share(upload));
    document.getElementById("upload-bar").classList.toggle("busy", upload.state === "finishing");
    for (const row of rows) {
      fill(row.bar, row.end > row.begin ? Math.min(Math.max((upload.sent - row.begin) / (row.end - row.begin), 0), 1) : 1);
      row.words.textContent = rowWords(row, upload);
    }
    triptych.setText("upload-words", words(upload));
    triptych.setText("upload-trouble", trouble(upload));
    const error = document.getElementById("upload-error");
    error.lastChild.textContent = upload.error;
    show("upload-trouble", upload.state === "waiting");
    show("upload-error", upload.state === "failed");
    show("upload-pause", ["starting", "sending", "waiting"].includes(upload.state));
    show("upload-go-on", ["paused", "failed"].includes(upload.state));
    show("upload-now", upload.state === "waiting");
    document.getElementById("upload-go-on").textContent = upload.state === "failed" ? "Try again" : "Go on";
  };

  function line(upload) {
    const percent = Math.floor(100 * share(upload)) + " %";
    if (upload.state === "done") return ["Uploaded: ", ". Open it"];
    if (upload.state === "failed") return ["The upload of ", " has stopped. See why"];
    if (upload.state === "waiting") return ["The upload of ", upload.again === null ? " waits for you to sign in, at " + percent : " waits for the connection, at " + percent];
    if (upload.state === "paused") return ["The upload of ", " is paused, at " + percent];
    const left = upload.speed ? ", " + triptych.duration((upload.total - upload.sent) / upload.speed) + " left" : "";
    return ["Uploading ", ", " + percent + left];
  }

  /* Shows or removes the line on pages other than the upload's own. */
  triptych.showUploadElsewhere = function () {
    const upload = triptych.upload;
    let shown = document.getElementById("upload-elsewhere");
    if (upload.state === "idle" || document.getElementById("upload-panel")) {
      if (shown) shown.remove();
      return;
    }
    if (!shown) {
      const link = element("a", { href: "/datasets", onclick: function (event) {
        event.preventDefault();
        const made = triptych.upload.dataset;
        if (triptych.upload.state === "done") triptych.forgetUpload();
        triptych.goTo(made ? "/datasets/" + encodeURIComponent(made) : "/datasets");
      } }, element("span"), element("bdi", { class: "name" }), element("span"));
      shown = element("aside", { id: "upload-elsewhere", "aria-label": "Upload" }, link, bar("Upload"));
      document.body.append(shown);
    }
    const [before, after] = line(upload);
    const parts = shown.firstChild.children;
    parts[0].textContent = before;
    parts[1].textContent = upload.name;
    parts[2].textContent = after;
    shown.classList.toggle("stopped", ["failed", "waiting"].includes(upload.state));
    fill(shown.lastChild, share(upload));
  };

  document.addEventListener("triptych:upload", triptych.showUploadElsewhere);
})(window.triptych);
