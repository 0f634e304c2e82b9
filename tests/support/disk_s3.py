"""`python -m support.disk_s3 PORT FOLDER`: as much of S3 as staging uses, kept on disk, so that it may be killed and started again.

moto keeps its objects in memory: killed, it loses what it acknowledged, which no S3 does.
"""

from __future__ import annotations

import base64
import json
import sys
import xml.etree.ElementTree as ET
import zlib
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import uuid4
from xml.sax.saxutils import escape

BLOCK = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """Answers one connection. Objects and uploads are folders' files, which get their names when they are whole."""

    protocol_version = "HTTP/1.1"
    root: Path

    def setup(self) -> None:
        super().setup()
        self.key: str = ""
        self.query: dict[str, str] = {}

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        self.key = unquote(url.path).lstrip("/").partition("/")[2]
        return True

    def do_PUT(self) -> None:
        if "uploadId" in self.query:
            upload = self._upload(self.query["uploadId"])
            if not upload.is_dir():
                self._refuse(404, "NoSuchUpload")
                return
            crc = self._receive(upload / f"part-{int(self.query['partNumber']):05}")
        elif not self.key:  # the bucket
            crc = ""
        else:
            crc = self._receive(self._object(self.key))
        if crc is not None:
            self._answer(b"", ETag=f'"{crc}"', **({"x-amz-checksum-crc32": crc} if crc else {}))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in self.query:
            upload = self._upload(uuid4().hex)
            upload.mkdir(parents=True)
            (upload / "key").write_text(self.key)
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload.name}</UploadId>")
        elif "delete" in self.query:
            for element in ET.fromstring(raw).iter():  # noqa: S314 - our own client's
                if element.tag.endswith("Key"):
                    self._remove(element.text or "")
            self._xml("DeleteResult", "")
        else:
            self._complete(self._upload(self.query["uploadId"]))

    def do_DELETE(self) -> None:
        if "uploadId" in self.query:
            upload = self._upload(self.query["uploadId"])
            if not upload.is_dir():
                self._refuse(404, "NoSuchUpload")
                return
            empty(upload)
        else:
            self._remove(self.key)
        self._answer(b"", status=204)

    def do_GET(self) -> None:
        if "uploads" in self.query:
            self._list_uploads()
        elif "uploadId" in self.query:
            self._list_parts(self._upload(self.query["uploadId"]))
        elif not self.key:
            self._list()
        else:
            self._read(body=True)

    def do_HEAD(self) -> None:
        if self.key:
            self._read(body=False)
        else:
            self._answer(b"")

    def log_message(self, *_: object) -> None:
        pass

    def _object(self, key: str) -> Path:
        return self.root / "objects" / quote(key, safe="")

    def _upload(self, upload_id: str) -> Path:
        return self.root / "uploads" / upload_id

    def _receive(self, path: Path) -> str | None:
        """Write the request's body to a file that appears whole; gives its CRC-32, or None where it broke off."""
        path.parent.mkdir(parents=True, exist_ok=True)
        left, crc = int(self.headers.get("Content-Length", 0)), 0
        partial = self.root / f"partial-{uuid4().hex}"
        with partial.open("wb") as file:
            while left:
                block = self.rfile.read(min(BLOCK, left))
                if not block:
                    self.close_connection = True
                    break
                crc, left = zlib.crc32(block, crc), left - len(block)
                file.write(block)
        text = base64.b64encode(crc.to_bytes(4, "big")).decode()
        if left or self.headers.get("x-amz-checksum-crc32", text) != text:
            partial.unlink()
            if not left:
                self._refuse(400, "BadDigest")
            return None
        path.with_name(path.name + "@").write_text(json.dumps({"crc32": text, "parts": 0}))
        partial.replace(path)
        return text

    def _complete(self, upload: Path) -> None:
        if not upload.is_dir():
            self._refuse(404, "NoSuchUpload")
            return
        parts = sorted(path for path in upload.glob("part-*") if not path.name.endswith("@"))
        crcs = b"".join(base64.b64decode(described(path)["crc32"]) for path in parts)
        partial = self.root / f"partial-{uuid4().hex}"
        with partial.open("wb") as file:
            for path in parts:
                file.write(path.read_bytes())
        text = base64.b64encode(zlib.crc32(crcs).to_bytes(4, "big")).decode() + f"-{len(parts)}"
        target = self._object((upload / "key").read_text())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(target.name + "@").write_text(json.dumps({"crc32": text, "parts": len(parts)}))
        partial.replace(target)
        empty(upload)
        self._xml(
            "CompleteMultipartUploadResult", f"<ETag>{text}</ETag><ChecksumCRC32>{text}</ChecksumCRC32>"
        )

    def _remove(self, key: str) -> None:
        path = self._object(key)
        path.unlink(missing_ok=True)
        path.with_name(path.name + "@").unlink(missing_ok=True)

    def _read(self, *, body: bool) -> None:
        path = self._object(self.key)
        if not path.is_file():
            self._refuse(404, "NoSuchKey")
            return
        size, known = path.stat().st_size, described(path)
        first, last, status = 0, size - 1, 200
        if wanted := self.headers.get("Range"):
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last, status = int(begin), min(int(end or size), size - 1), 206
        more = {
            "ETag": f'"{known["crc32"]}"',
            "x-amz-checksum-crc32": known["crc32"],
            "x-amz-checksum-type": "COMPOSITE" if known["parts"] else "FULL_OBJECT",
            "Last-Modified": self.date_time_string(),
        }
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(last - first + 1)}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            with path.open("rb") as file:
                file.seek(first)
                while first <= last and (block := file.read(min(BLOCK, last - first + 1))):
                    self.wfile.write(block)
                    first += len(block)

    def _list(self) -> None:
        prefix = self.query.get("prefix", "")
        keys = sorted(
            unquote(path.name) for path in (self.root / "objects").glob("*") if not path.name.endswith("@")
        )
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{self._object(key).stat().st_size}</Size></Contents>"
            for key in keys
            if key.startswith(prefix)
        )
        self._xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{found}")

    def _list_uploads(self) -> None:
        prefix = self.query.get("prefix", "")
        found = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{path.name}</UploadId>"
            f"<Initiated>{modified(path / 'key')}</Initiated></Upload>"
            for path in sorted((self.root / "uploads").glob("*"))
            if (key := (path / "key").read_text()).startswith(prefix)
        )
        self._xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{found}")

    def _list_parts(self, upload: Path) -> None:
        if not upload.is_dir():
            self._refuse(404, "NoSuchUpload")
            return
        found = "".join(
            f"<Part><PartNumber>{int(path.name[5:])}</PartNumber><LastModified>{modified(path)}</LastModified>"
            f"<Size>{path.stat().st_size}</Size><ETag>{described(path)['crc32']}</ETag>"
            f"<ChecksumCRC32>{described(path)['crc32']}</ChecksumCRC32></Part>"
            for path in sorted(upload.glob("part-*"))
            if not path.name.endswith("@")
        )
        self._xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{found}")

    def _xml(self, name: str, inner: str) -> None:
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        self._answer(f'<?xml version="1.0"?><{name} xmlns="{space}">{inner}</{name}>'.encode())

    def _refuse(self, status: int, code: str) -> None:
        self._answer(f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), status=status)

    def _answer(self, raw: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def described(path: Path) -> dict[str, Any]:
    """Give what was noted of an object or a part."""
    return dict(json.loads(path.with_name(path.name + "@").read_text()))


def modified(path: Path) -> str:
    """Give when a file was last written, as S3 does."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()


def empty(folder: Path) -> None:
    """Remove a folder of files; the key last, which makes it an upload."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "key"):
        path.unlink()
    folder.rmdir()


def main() -> None:
    Handler.root = Path(sys.argv[2])
    for name in ("objects", "uploads"):
        (Handler.root / name).mkdir(parents=True, exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
