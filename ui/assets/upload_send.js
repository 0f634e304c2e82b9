/* Sends one upload at a time in chunks, through breaks and pauses. The server says which way they go: to itself (tus 1.0, see
   /api/docs), or as parts straight to its object store. It lives outside of every page, so moving about in Triptych does not stop it. XMLHttpRequest, because fetch does not tell how many bytes have left. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const ADDRESS = "/api/uploads/";
  const OUT_OF_REACH = new Set([0, 403]);  // of the store: no way there, no CORS, or a policy in between
  const SPEED_WINDOW = 4000;  // ms
  const LONGEST_PAUSE = 30;  // s
  const TOO_MANY = 429;
  const MOST_GARBLED = 5;  // times in a row that a chunk is sent again for its checksum
  const PASSES = new Set([0, 423, 502, 503, 504]);  // no connection, another request at work, the service restarts

  /* state: idle, starting, sending, paused, waiting (for the connection), finishing (all bytes are there), failed, done.
     again: seconds to the next try, null if a person is waited for. Each change is told by the event triptych:upload. offset: bytes the server has for good; sent: with those under way. fatal: there is nothing left to go on with. */
  const upload = {
    state: "idle", name: "", items: [], ends: [], total: 0, offset: 0, sent: 0, speed: 0, url: "", chunk: 0, way: "spool",
    error: "", fatal: false, why: "", again: 0, dataset: null,
  };
  let run = 0;  // counts up when what runs is to stop
  let request = null;
  let wake = null;
  let garbled = 0;
  let samples = [];

  function tell(change) {
    Object.assign(upload, change);
    document.dispatchEvent(new CustomEvent("triptych:upload"));
  }

  class Stopped extends Error {}

  class Refused extends Error {
    constructor(answer) {
      super(answer.status === 404 ? "The server no longer has this upload: it expired, or was cancelled elsewhere." : triptych.refusal(answer.status, answer.text));
      this.status = answer.status;
    }
  }

  function measure(sent) {
    const now = performance.now();
    samples.push({ at: now, sent: sent });
    samples = samples.filter(function (sample) { return now - sample.at <= SPEED_WINDOW; });
    const first = samples[0];
    tell({ sent: sent, speed: now > first.at ? Math.max(0, (1000 * (sent - first.sent)) / (now - first.at)) : 0 });
  }

  function ask(method, url, headers, body, progress) {
    return send(method, url, { "Tus-Resumable": "1.0.0", ...headers }, body, progress);
  }

  function send(method, url, headers, body, progress) {
    return new Promise(function (resolve) {
      request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (progress) request.upload.onprogress = function (event) { progress(event.loaded); };
      request.onloadend = function () {
        const ours = url.startsWith("/");  // of others a page may not read headers
        resolve({ status: this.status, text: this.responseText, offset: ours ? Number(this.getResponseHeader("Upload-Offset")) : NaN });
      };
      request.send(body || null);
    });
  }

  /* Waits out a broken connection, in words; the network's return or a person may end the pause. */
  async function pause(mine, seconds, status) {
    const why = status === 0
      ? (navigator.onLine ? "The server cannot be reached." : "There is no network connection.")
      : status === 423 ? "The server is still busy with this upload." : "The platform does not answer (HTTP " + status + ").";
    samples = [];
    for (let left = seconds; left > 0; left -= 1) {
      tell({ state: "waiting", why: why, again: left, sent: upload.offset, speed: 0 });
      const early = await new Promise(function (resolve) {
        wake = function () { resolve(true); };
        setTimeout(resolve, 1000, false);
      });
      wake = null;
      if (mine !== run) throw new Stopped();
      if (early) break;
    }
  }

  /* Waits for a person to sign in. */
  async function pauseSignedOut(mine) {
    samples = [];
    tell({ state: "waiting", why: "You are signed out.", again: null, sent: upload.offset, speed: 0 });
    await Promise.race([triptych.whenSignedIn(), new Promise(function (resolve) { wake = resolve; })]);
    wake = null;
    if (mine !== run) throw new Stopped();
  }

  /* Asks until there is an answer that is about the upload. */
  async function insist(mine, state, make) {
    for (let seconds = 1; ; seconds = Math.min(2 * seconds, LONGEST_PAUSE)) {
      tell({ state: state });
      const answer = await make(seconds > 1);
      if (mine !== run) throw new Stopped();
      if (answer.status === 401) await pauseSignedOut(mine);
      else if (!PASSES.has(answer.status)) return answer;
      else await pause(mine, seconds, answer.status);
    }
  }

  async function begin(mine, direct) {
    const files = upload.items.map(function (item) {
      return { field: item.field, name: item.name, size: item.file.size, modified: item.file.lastModified };
    });
    const wish = JSON.stringify({ name: upload.name, files: files, direct: direct });
    const answer = await insist(mine, "starting", function () { return ask("POST", ADDRESS, { "Content-Type": "application/json" }, wish); });
    if (answer.status !== 201) throw new Refused(answer);
    const made = JSON.parse(answer.text);
    tell({ url: ADDRESS + made.id + "/", chunk: made.chunk_bytes, way: made.way, offset: 0, sent: 0 });
    triptych.keepUpload({ url: upload.url, name: upload.name });
  }

  async function sendChunk(mine) {
    const bytes = await triptych.readChunk(upload.items, upload.ends, upload.offset, upload.chunk);
    if (mine !== run) throw new Stopped();
    let sum = triptych.checksum(bytes);
    const answer = await insist(mine, "sending", async function (broken) {
      if (broken) {  // the chunk may have arrived and its answer not
        const known = await ask("HEAD", upload.url);
        if (known.status !== 200 || known.offset !== upload.offset) return known;
      }
      const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": upload.offset, "Upload-Checksum": sum };
      return ask("PATCH", upload.url, headers, bytes, function (loaded) { measure(upload.offset + loaded); });
    });
    if (![200, 204, 409, 460].includes(answer.status)) throw new Refused(answer);
    if (answer.status === 460) {
      garbled += 1;
      if (garbled > MOST_GARBLED) throw new Error("Chunks arrive changed again and again; something between here and the server damages them.");
    } else {
      garbled = 0;
      tell({ offset: answer.offset });
    }
    measure(upload.offset);
  }

  /* Sends a part to the store. Where the store takes not even the first one, everything goes through the server instead. */
  async function sendPart(mine) {
    const bytes = await triptych.readChunk(upload.items, upload.ends, upload.offset, upload.chunk);
    if (mine !== run) throw new Stopped();
    const wish = JSON.stringify({ number: upload.offset / upload.chunk + 1, crc32: triptych.checksum(bytes).replace("crc32 ", "") });
    const signing = upload.url.replace(ADDRESS, "/api/datasets/") + "parts/";
    let unreachable = false;
    const answer = await insist(mine, "sending", async function () {
      const told = await ask("POST", signing, { "Content-Type": "application/json" }, wish);  // an address is good for a while only
      if (told.status !== 200) return told;
      const place = JSON.parse(told.text);
      const put = await send("PUT", place.url, place.headers, bytes, function (loaded) { measure(upload.offset + loaded); });
      unreachable = upload.offset === 0 && OUT_OF_REACH.has(put.status) && mine === run;
      return unreachable ? { status: 200 } : put;
    });
    if (unreachable) {
      ask("DELETE", upload.url);
      triptych.forgetKept(upload.url);
      await begin(mine, false);
      return;
    }
    if (answer.status !== 200) throw new Refused(answer);
    tell({ offset: Math.min(upload.offset + upload.chunk, upload.total) });
    measure(upload.offset);
  }

  async function go(mine) {
    try {
      if (!upload.url) await begin(mine, true);
      for (;;) {
        while (upload.offset < upload.total) await (upload.way === "store" ? sendPart(mine) : sendChunk(mine));
        const answer = await insist(mine, "finishing", function () { return ask("POST", upload.url + "complete/"); });
        if (answer.status === 409 && answer.offset < upload.total) tell({ offset: answer.offset, sent: answer.offset });
        else if (answer.status === 200 || answer.status === 201) {
          triptych.forgetKept(upload.url);
          tell({ state: "done", dataset: JSON.parse(answer.text).id });
          return;
        } else throw new Refused(answer);
      }
    } catch (error) {
      if (error instanceof Stopped || mine !== run) return;
      // what is wrong with the files themselves stays wrong; a limit, a full disk or a defect may not
      const fatal = error instanceof Refused && error.status < 500 && error.status !== TOO_MANY;
      if (fatal && upload.url) {
        triptych.forgetKept(upload.url);
        ask("DELETE", upload.url);
      }
      tell({ state: "failed", error: error.message, fatal: fatal });
    }
  }

  function stop() {
    run += 1;
    if (wake) wake();
    if (request) request.abort();
  }

  function start(change) {
    stop();
    samples = [];
    tell({ offset: 0, sent: 0, speed: 0, error: "", fatal: false, dataset: null, url: "", way: "spool", ...change });
    go(run);
  }

  triptych.upload = upload;

  /* Says whether files are on their way, or would be but for a pause or a failure. */
  triptych.uploading = function () {
    return !["idle", "done"].includes(upload.state) && !(upload.state === "failed" && upload.fatal);
  };

  /* items: [{field, name, file}], the table first; name: of the data set */
  triptych.startUpload = function (items, name) {
    const ends = triptych.endsOf(items);
    start({ state: "starting", items: items, ends: ends, total: ends[ends.length - 1], name: name });
  };

  /* Goes on with an upload of before a reload; told: what the server says of it. */
  triptych.goOnWith = function (kept, items) {
    start({
      state: "sending", items: items, ends: triptych.endsOf(items), name: kept.name, url: kept.url, chunk: kept.told.chunk_bytes,
      way: kept.told.way, total: kept.told.length, offset: kept.told.offset, sent: kept.told.offset,
    });
  };

  triptych.pauseUpload = function () {
    stop();
    samples = [];
    tell({ state: "paused", sent: upload.offset, speed: 0 });
  };

  /* After a pause or a failure. What the server has is asked for, since the last chunk's fate is not known. */
  triptych.continueUpload = async function () {
    stop();
    const mine = run;
    samples = [];
    tell({ error: "", speed: 0 });
    try {
      if (upload.url) {
        const answer = await insist(mine, "sending", function () { return ask("HEAD", upload.url); });
        if (answer.status === 200) tell({ offset: answer.offset, sent: answer.offset });
        else tell({ url: "", offset: 0, sent: 0 });  // it expired: from the beginning
      }
    } catch (error) {
      return;  // stopped again
    }
    go(mine);
  };

  triptych.tryNow = function () { if (wake) wake(); };

  triptych.cancelUpload = function () {
    const url = upload.url;
    stop();
    if (url) {
      triptych.forgetKept(url);
      ask("DELETE", url);
    }
    tell({ state: "idle", error: "", url: "" });
  };

  triptych.forgetUpload = function () { tell({ state: "idle", error: "", dataset: null, url: "" }); };

  window.addEventListener("online", triptych.tryNow);

  window.addEventListener("beforeunload", function (event) {
    if (triptych.uploading()) event.preventDefault();  // the browser asks first: the files would have to be chosen again
  });
})(window.triptych);
