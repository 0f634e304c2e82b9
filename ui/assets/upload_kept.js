/* Uploads that a reload or a crash broke off. Only their addresses are kept, in localStorage: the server knows their files
   and how far they are. Files kept in IndexedDB would be copied byte for byte, and handles of them exist in Chromium only. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const PLACE = "triptych-uploads";

  function read() {
    try { return JSON.parse(localStorage.getItem(PLACE)) || []; } catch (error) { return []; }
  }

  function write(kept) {
    try { localStorage.setItem(PLACE, JSON.stringify(kept)); } catch (error) { /* storage is off: nothing to go on with */ }
  }

  /* Remembers an upload: {url, name}. */
  triptych.keepUpload = function (upload) {
    write(read().filter(function (other) { return other.url !== upload.url; }).concat([upload]));
  };

  triptych.forgetKept = function (url) {
    write(read().filter(function (other) { return other.url !== url; }));
  };

  /* Gives those that are still under way, each with what the server says of it; forgets those that ended. */
  triptych.unfinishedUploads = async function (except) {
    const found = [];
    for (const kept of read()) {
      if (kept.url === except) continue;
      try {
        const answer = await fetch(kept.url, { cache: "no-store" });
        if (answer.status === 404) triptych.forgetKept(kept.url);
        if (!answer.ok) continue;
        const told = await answer.json();
        if (told.state === "refused") triptych.forgetKept(kept.url);
        else found.push({ url: kept.url, name: kept.name, told: told });
      } catch (error) { /* no connection: it is offered next time */ }
    }
    return found;
  };

  /* Finds the files of an upload among those chosen. Gives {items} in the upload's order, or {problem} in words, and whether any of its
     names is among those chosen. */
  triptych.matchFiles = function (files, chosen) {
    const at = new Map();
    for (const item of chosen) at.set(item.field + "\n" + item.name, item);
    const items = [];
    const alike = files.some(function (file) { return at.has(file.field + "\n" + file.name); });
    for (const file of files) {
      const item = at.get(file.field + "\n" + file.name);
      if (!item) return { alike: alike, problem: file.name + " is not among them." };
      if (item.file.size !== file.size) {
        return { alike: alike, problem: file.name + " has changed: it has " + item.file.size.toLocaleString("en") + " bytes now and had " + file.size.toLocaleString("en") + "." };
      }
      if (file.modified !== null && item.file.lastModified !== file.modified) {
        return { alike: alike, problem: file.name + " was changed on " + triptych.localTime(item.file.lastModified) + ", after its upload began." };
      }
      items.push(item);
    }
    return { items: items };
  };
})(window.triptych);
