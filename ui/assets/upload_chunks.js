/* Files laid one after the other as one stream of bytes, cut into chunks with a checksum. Only one chunk is in memory. */
window.triptych = window.triptych || {};

(function (triptych) {
  "use strict";

  // crypto.subtle is there on https and localhost only; this is there everywhere
  const TABLE = Uint32Array.from({ length: 256 }, function (_, n) {
    for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });

  function crc32(bytes) {
    let sum = 0xffffffff;
    for (let i = 0; i < bytes.length; i += 1) sum = TABLE[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
    return ~sum >>> 0;
  }

  /* Gives an Upload-Checksum header of tus. */
  triptych.checksum = function (bytes) {
    const sum = crc32(bytes);
    return "crc32 " + btoa(String.fromCharCode(sum >>> 24, (sum >>> 16) & 255, (sum >>> 8) & 255, sum & 255));
  };

  /* Gives where in the stream each item ends. */
  triptych.endsOf = function (items) {
    let end = 0;
    return items.map(function (item) { return (end += item.file.size); });
  };

  /* Gives the position of the item that holds a byte; behind the last byte, how many items there are. */
  triptych.itemAt = function (ends, offset) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /* Reads a part of the stream; a file that is gone or was changed makes an error with words for the person. */
  triptych.readChunk = async function (items, ends, offset, size) {
    const bytes = new Uint8Array(Math.min(size, ends[ends.length - 1] - offset));
    const reads = [];
    for (let at = 0, i = triptych.itemAt(ends, offset); at < bytes.length; i += 1) {
      const file = items[i].file;
      const from = offset + at - (ends[i] - file.size);
      const count = Math.min(file.size - from, bytes.length - at);
      if (count) reads.push({ name: items[i].name, part: file.slice(from, from + count), at: at });
      at += count;
    }
    await Promise.all(reads.map(async function (read) {
      try {
        bytes.set(new Uint8Array(await read.part.arrayBuffer()), read.at);
      } catch (error) {
        throw new Error(read.name + " cannot be read any more: it was changed, moved or deleted since it was chosen.");
      }
    }));
    return bytes;
  };
})(window.triptych);
