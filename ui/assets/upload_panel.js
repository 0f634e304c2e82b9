/* The upload panel: a place to drop files, what was found in them, progress, and what to do after a refusal. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  let chosen = null;  // what sortFiles gave, until it is sent
  let note = "";
  let panel = null;

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter(function (child) { return child !== null; }));
    return made;
  }

  function plural(count, noun) {
    return count.toLocaleString("en") + " " + noun + (count === 1 ? "" : "s");
  }

  function bytes(items) {
    return items.reduce(function (sum, item) { return sum + item.file.size; }, 0);
  }

  function take(found) {
    note = "";
    const sorted = triptych.sortFiles(found);
    if (!sorted.tables.length && !sorted.archives.length) {
      const what = found.length ? "There is no table among " + plural(found.length, "file") + "." : "There are no files in it.";
      note = what + " Add a CSV or TSV, or a zip that holds one.";
      // images dropped first wait for their table
      chosen = sorted.images.length ? sorted : null;
    } else {
      const before = chosen || { folder: "", tables: [], images: [], archives: [], others: [] };
      sorted.folder = sorted.folder || before.folder;
      for (const kind of ["tables", "images", "archives", "others"]) {
        const paths = new Set(sorted[kind].map(function (item) { return item.path; }));
        sorted[kind] = before[kind].filter(function (item) { return !paths.has(item.path); }).concat(sorted[kind]);
      }
      chosen = sorted;
    }
    draw();
  }

  function picker(label, attributes) {
    const input = element("input", {
      type: "file", class: "sr-only", ...attributes,
      onchange: function () { take(triptych.chosenFiles(input)); },
    });
    return element("label", { class: "link-button" }, input, label);
  }

  function dropZone() {
    const zone = element("div", { class: "drop-zone" },
      element("p", { class: "drop-title" }, "Drop a CSV here, with its images"),
      element("p", { class: "quiet" }, "Images can come as files, as a folder, or as one zip."),
      element("div", { class: "actions center" },
        picker("Choose files", { multiple: true, id: "upload-files" }),
        picker("Choose a folder", { webkitdirectory: true, id: "upload-folder" })));
    zone.addEventListener("dragover", function (event) { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", function () { zone.classList.remove("over"); });
    zone.addEventListener("drop", async function (event) {
      event.preventDefault();
      zone.classList.remove("over");
      take(await triptych.droppedFiles(event.dataTransfer));
    });
    return zone;
  }

  function tableChoice() {
    if (chosen.tables.length < 2) return null;
    const select = element("select", { id: "upload-table", class: "native-select" },
      ...chosen.tables.map(function (item, i) { return element("option", { value: i }, item.path); }));
    return element("label", { class: "field" }, element("span", {}, "Which of them is the table?"), select);
  }

  function summary() {
    const lines = [];
    if (chosen.tables.length === 1) lines.push("Table: " + chosen.tables[0].path);
    if (chosen.images.length) lines.push(plural(chosen.images.length, "image"));
    if (chosen.archives.length) lines.push("Archive: " + chosen.archives[0].path);
    if (chosen.archives.length > 1) lines.push("Only the first of " + plural(chosen.archives.length, "archive") + " is sent");
    if (chosen.others.length) {
      const some = chosen.others.slice(0, 3).map(function (item) { return item.path; }).join(", ");
      lines.push("Left out, neither table nor image: " + some + (chosen.others.length > 3 ? " and " + (chosen.others.length - 3) + " more" : ""));
    }
    const size = bytes(chosen.tables.slice(0, 1)) + bytes(chosen.images) + bytes(chosen.archives.slice(0, 1));
    const ready = chosen.tables.length || chosen.archives.length;
    return element("div", { class: "upload-summary" },
      element("ul", { class: "plain-list" }, ...lines.map(function (line) { return element("li", { dir: "auto" }, line); })),
      tableChoice(),
      element("div", { class: "actions" },
        ready ? element("button", { type: "button", class: "link-button primary", id: "upload-start", onclick: send }, "Upload " + triptych.size(size)) : null,
        element("button", { type: "button", class: "link-button", onclick: clear }, "Clear")));
  }

  function clear() {
    chosen = null;
    note = "";
    draw();
  }

  function send() {
    const select = document.getElementById("upload-table");
    const table = chosen.tables[select ? Number(select.value) : 0] || null;
    triptych.startUpload(table, chosen.images, chosen.archives[0] || null, chosen.folder);
  }

  function progressView() {
    const upload = triptych.upload;
    return element("div", { class: "upload-progress" },
      element("div", { class: "split" },
        element("strong", { dir: "auto", class: "name" }, upload.name),
        element("button", { type: "button", class: "link-button", onclick: triptych.cancelUpload }, "Stop")),
      element("div", { class: "follow-bar", role: "progressbar", "aria-label": "Upload", "aria-valuemin": 0, "aria-valuemax": 100, id: "upload-bar" },
        element("div", { class: "follow-fill" })),
      element("p", { class: "quiet", id: "upload-words" }));
  }

  function move() {
    const upload = triptych.upload;
    const share = upload.total ? upload.sent / upload.total : 0;
    const bar = document.getElementById("upload-bar");
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    bar.firstChild.style.width = (100 * share).toFixed(1) + "%";
    bar.classList.toggle("busy", upload.state === "reading");
    let words = "Starting…";
    if (upload.state === "reading") words = "All " + triptych.size(upload.total) + " are there. The server reads the first rows…";
    else if (upload.total) {
      words = triptych.size(upload.sent) + " of " + triptych.size(upload.total);
      if (upload.speed > 0) {
        words += " · " + triptych.size(upload.speed) + "/s · " + triptych.duration((upload.total - upload.sent) / upload.speed) + " left";
      }
    }
    triptych.setText("upload-words", words);
  }

  function alertBox(title, text) {
    return element("div", { class: "message error", role: "alert" }, element("strong", {}, title), element("p", { dir: "auto" }, text));
  }

  function draw() {
    if (!panel || !panel.isConnected) return;
    const upload = triptych.upload;
    const busy = upload.state === "sending" || upload.state === "reading";
    if (busy) {
      if (!document.getElementById("upload-bar")) panel.replaceChildren(progressView());
      move();
      return;
    }
    const parts = [dropZone()];
    if (upload.state === "failed") parts.push(alertBox("The upload was not accepted", upload.error));
    if (note) parts.push(alertBox("Something is missing", note));
    if (chosen) parts.push(summary());
    panel.replaceChildren(...parts);
  }

  function changed(upload) {
    if (upload.state === "done") {
      chosen = null;
      const address = "/datasets/" + encodeURIComponent(upload.dataset);
      triptych.forgetUpload();
      if (panel && panel.isConnected) window.dash_clientside.set_props("location", { href: address, pathname: address });
      return;
    }
    draw();
  }

  /* Called by Dash when #upload-panel is on the page. */
  triptych.mountUpload = function () {
    panel = document.getElementById("upload-panel");
    triptych.upload.listener = changed;
    draw();
  };
})(window.triptych);
