/* Sends one upload by XMLHttpRequest, which alone tells how many bytes have left; files go from disk to socket and are
   never held in memory. One upload at a time; it goes on when its page is left. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const ADDRESS = "/api/datasets/upload_and_detect/";
  const SPEED_WINDOW = 4000;  // ms

  /* state: idle, sending, reading (all bytes are there), done, failed */
  const upload = { state: "idle", sent: 0, total: 0, speed: 0, error: "", dataset: null, name: "", files: 0, listener: null };
  let request = null;
  let samples = [];

  function tell(change) {
    Object.assign(upload, change);
    if (upload.listener) upload.listener(upload);
  }

  function measure(event) {
    const now = performance.now();
    samples.push({ at: now, sent: event.loaded });
    samples = samples.filter(function (sample) { return now - sample.at <= SPEED_WINDOW; });
    const first = samples[0];
    const speed = now > first.at ? (1000 * (event.loaded - first.sent)) / (now - first.at) : 0;
    tell({ sent: event.loaded, total: event.total, speed: speed });
  }

  function body(table, images, archive, name) {
    const form = new FormData();
    if (name) form.append("name", name);
    if (table) form.append("file", table.file, table.path.split("/").pop());
    for (const image of images) form.append("images", image.file, image.path);
    if (archive) form.append("archive", archive.file, archive.path.split("/").pop());
    return form;
  }

  triptych.upload = upload;

  /* name: of the data set; without one the server takes the table's */
  triptych.startUpload = function (table, images, archive, name) {
    samples = [];
    request = new XMLHttpRequest();
    request.open("POST", ADDRESS);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = measure;
    request.upload.onload = function () { tell({ state: "reading", sent: upload.total }); };
    request.onload = function () {
      if (request.status === 201) tell({ state: "done", dataset: JSON.parse(request.responseText).id });
      else tell({ state: "failed", error: triptych.refusal(request.status, request.responseText) });
    };
    request.onerror = function () {
      const hint = upload.sent < upload.total ? " The server may have refused it, for example because it is too large." : "";
      tell({ state: "failed", error: "The connection broke after " + triptych.size(upload.sent) + "." + hint });
    };
    request.onabort = function () { tell({ state: "idle", error: "" }); };
    tell({
      state: "sending", sent: 0, total: 0, speed: 0, error: "", dataset: null,
      name: name || (table || archive).path.split("/").pop(), files: images.length,
    });
    request.send(body(table, images, archive, name));
  };

  triptych.cancelUpload = function () {
    if (request) request.abort();
  };

  triptych.forgetUpload = function () {
    tell({ state: "idle", error: "", dataset: null });
  };

  window.addEventListener("beforeunload", function (event) {
    if (upload.state === "sending") event.preventDefault();  // the browser asks first
  });
})(window.triptych);
