/* Takes dropped or chosen files apart: which is the table, which are images, which an archive, what is left out. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  const TABLE = /\.(csv|tsv|tab|txt|dat|data)$/i;
  const IMAGE = /\.(png|jpe?g|gif|webp|bmp|tiff?|svg|ico|avif)$/i;
  const ARCHIVE = /\.zip$/i;
  const JUNK = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$|(^|\/)__MACOSX\//i;

  function readEntries(reader) {
    return new Promise(function (resolve, reject) { reader.readEntries(resolve, reject); });
  }

  function fileOf(entry) {
    return new Promise(function (resolve, reject) { entry.file(resolve, reject); });
  }

  async function walk(entry, folder, found) {
    if (entry.isFile) {
      found.push({ file: await fileOf(entry), path: folder + entry.name });
      return;
    }
    const reader = entry.createReader();
    let batch = await readEntries(reader);
    while (batch.length) {  // a browser gives at most 100 at a time
      for (const inner of batch) await walk(inner, folder + entry.name + "/", found);
      batch = await readEntries(reader);
    }
  }

  /* Gives [{file, path}] of a drop, folders walked. */
  triptych.droppedFiles = async function (transfer) {
    const entries = Array.from(transfer.items || [])
      .filter(function (item) { return item.kind === "file"; })
      .map(function (item) { return item.webkitGetAsEntry ? item.webkitGetAsEntry() : null; });
    if (!entries.length || entries.includes(null)) {
      return Array.from(transfer.files).map(function (file) { return { file: file, path: file.name }; });
    }
    const found = [];
    for (const entry of entries) await walk(entry, "", found);
    return found;
  };

  /* Gives [{file, path}] of a file input, with the path inside a chosen folder. */
  triptych.chosenFiles = function (input) {
    return Array.from(input.files).map(function (file) {
      return { file: file, path: file.webkitRelativePath || file.name };
    });
  };

  /* Sorts files by what they are. A folder's own name is cut off the paths when everything lies in it. */
  triptych.sortFiles = function (found) {
    const kept = found.filter(function (item) { return !JUNK.test(item.path); });
    const tops = new Set(kept.map(function (item) { return item.path.includes("/") ? item.path.split("/")[0] : ""; }));
    const strip = tops.size === 1 && !tops.has("") ? Array.from(tops)[0].length + 1 : 0;
    const sorted = { folder: strip ? Array.from(tops)[0] : "", tables: [], images: [], archives: [], others: [] };
    for (const item of kept) {
      const path = item.path.slice(strip);
      const placed = { file: item.file, path: path };
      if (ARCHIVE.test(path)) sorted.archives.push(placed);
      else if (TABLE.test(path)) sorted.tables.push(placed);
      else if (IMAGE.test(path) || item.file.type.startsWith("image/")) sorted.images.push(placed);
      else sorted.others.push(placed);
    }
    // one lone file of an unknown kind is meant as the table; reading it decides
    if (kept.length === 1 && sorted.others.length === 1) sorted.tables = sorted.others.splice(0);
    return sorted;
  };
})(window.triptych);
