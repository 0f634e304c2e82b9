/* The upload panel: a place to drop files, what was found in them, what was left unfinished, and refusals. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  let chosen = null;  // what sortFiles gave, until it is sent
  let note = "";
  let unfinished = [];  // uploads that a reload broke off
  let panel = null;

  const element = triptych.element;

  function plural(count, noun) {
    return count.toLocaleString("en") + " " + noun + (count === 1 ? "" : "s");
  }

  function bytes(items) {
    return items.reduce(function (sum, item) { return sum + item.file.size; }, 0);
  }

  /* What may be sent, as the server names it: a table and an archive by their own names, images by their paths. */
  function asItem(field) {
    return function (item) {
      return { field: field, name: field === "images" ? item.path : item.path.split("/").pop(), file: item.file };
    };
  }

  async function take(found) {
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
    if (chosen && unfinished.length && await goOn(chosen)) {
      chosen = null;
      note = "";
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

  /* Goes on with an upload of before a reload, if these are its files. */
  async function goOn(sorted) {
    const items = [...sorted.tables.map(asItem("file")), ...sorted.archives.map(asItem("archive")), ...sorted.images.map(asItem("images"))];
    let problem = "";
    for (const kept of unfinished) {
      let answer;
      try { answer = await fetch(kept.url + "files/", { cache: "no-store" }); } catch (error) { continue; }
      if (!answer.ok) continue;
      const matched = triptych.matchFiles((await answer.json()).items, items);
      if (matched.items) {
        unfinished = unfinished.filter(function (other) { return other !== kept; });
        triptych.goOnWith(kept, matched.items);
        return true;
      }
      if (matched.alike) problem = problem || "These are not the files of " + kept.name + ": " + matched.problem + " Choose those it was begun with to go on, or upload these anew.";
    }
    note = note || problem;
    return false;
  }

  function clear() {
    chosen = null;
    note = "";
    draw();
  }

  function send() {
    const select = document.getElementById("upload-table");
    const table = chosen.tables[select ? Number(select.value) : 0];
    const archive = chosen.archives[0];
    const items = [
      ...(table ? [table] : []).map(asItem("file")), ...(archive ? [archive] : []).map(asItem("archive")), ...chosen.images.map(asItem("images")),
    ];
    triptych.startUpload(items, chosen.folder || items[0].name);
  }

  function unfinishedView(kept) {
    const told = kept.told;
    if (told.state === "completed") {
      return element("div", { class: "message info" },
        element("p", {}, element("strong", { dir: "auto" }, kept.name), " was uploaded."),
        element("div", { class: "actions" },
          element("button", { type: "button", class: "link-button", onclick: function () { drop(kept, false); triptych.goTo("/datasets/" + encodeURIComponent(told.id)); } }, "Open it"),
          element("button", { type: "button", class: "link-button", onclick: function () { drop(kept, false); } }, "Fine")));
    }
    const whole = told.offset === told.length;
    const share = triptych.size(told.offset) + " of " + triptych.size(told.length) + " are on the server until " + triptych.localTime(told.expires_at) + ".";
    return element("div", { class: "message info", role: "status" },
      element("strong", { dir: "auto" }, "Unfinished upload: " + kept.name),
      element("p", {}, share + (whole ? "" : " Choose or drop the same " + (told.files === 1 ? "file" : plural(told.files, "file")) + " again to go on from there.")),
      element("div", { class: "actions" },
        whole ? element("button", { type: "button", class: "link-button primary", onclick: function () { drop(kept, false); triptych.goOnWith(kept, []); } }, "Finish it") : null,
        element("button", { type: "button", class: "link-button", onclick: function () { drop(kept, true); } }, "Discard it")));
  }

  function drop(kept, remove) {
    unfinished = unfinished.filter(function (other) { return other !== kept; });
    triptych.forgetKept(kept.url);
    if (remove) fetch(kept.url, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(function () { /* it expires */ });
    draw();
  }

  function alertBox(title, text) {
    return element("div", { class: "message error", role: "alert" }, element("strong", {}, title), element("p", { dir: "auto" }, text));
  }

  function draw() {
    if (!panel || !panel.isConnected) return;
    const upload = triptych.upload;
    if (triptych.uploading()) {
      triptych.drawProgress(panel);
      return;
    }
    const parts = unfinished.map(unfinishedView).concat([dropZone()]);
    if (upload.state === "failed") parts.push(alertBox("The upload was not accepted", upload.error));
    if (note) parts.push(alertBox("Something is missing", note));
    if (chosen) parts.push(summary());
    panel.replaceChildren(...parts);
  }

  document.addEventListener("triptych:upload", function () {
    const upload = triptych.upload;
    if (upload.state === "done") {
      chosen = null;
      if (panel && panel.isConnected) {
        const made = upload.dataset;
        triptych.forgetUpload();
        // where the upload was wanted for, which the data set's page leads back to
        const then = new URLSearchParams(location.search).get("then");
        triptych.goTo("/datasets/" + encodeURIComponent(made) + (then ? "?then=" + encodeURIComponent(then) : ""));
        return;
      }
    }
    draw();
  });

  /* Called by Dash when #upload-panel is on the page. */
  triptych.mountUpload = async function () {
    panel = document.getElementById("upload-panel");
    draw();
    unfinished = await triptych.unfinishedUploads(triptych.upload.url);
    draw();
  };
})(window.triptych);
