"""Sends files in chunks through breaks, and goes on where an earlier try of the same files ended.

The platform says which way chunks go: to itself (tus 1.0), or as parts straight to its object store, to addresses that it signs.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from client.errors import ApiError, HalfSent, Refused, StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.files import Stream
    from client.types import DatasetDetail, PartWish, SignedPart, Upload, UploadList

_TUS = {"Tus-Resumable": "1.0.0"}
# There was no answer, another request is at it, or the service restarts
_PASSES = frozenset({0, 423, 502, 503, 504})
_STORES_OWN = 500
_TRIES = 8
_LONGEST_PAUSE = 30.0  # seconds
_TOO_MANY = 429
_PATIENCE = (
    900.0  # seconds in all that the platform may ask to wait for room; uploading may be repeated safely
)


class Sending:
    """One upload."""

    def __init__(
        self,
        call: Callable[..., Any],
        stream: Stream,
        advance: Callable[[int], object],
        pause: Callable[[float], object],
        waits: Callable[[Refused], object],
        put: Callable[[str, bytes, dict[str, str]], object],
        url: str,
    ) -> None:
        """Take what to send and how.

        Args:
            call: Makes a request and gives its JSON, as `Calls` does.
            stream: The files.
            advance: Told how many more bytes the platform has.
            pause: Waits some seconds.
            waits: Told the refusal for which it waits.
            put: Sends bytes with headers to an address outside the platform; raises StoreAway.
            url: Of the platform.
        """
        self._call = call
        self._stream = stream
        self._advance = advance
        self._pause = pause
        self._waits = waits
        self._put = put
        self._url = url
        self._patience = _PATIENCE
        self._offset = 0
        self._begun = False

    def run(self, name: str | None, *, resume: bool) -> DatasetDetail:
        """Send everything.

        Args:
            name: Of the data set.
            resume: Whether to go on with an earlier upload of the same files.

        Returns:
            The data set.

        Raises:
            Refused: The platform does not take them.
            HalfSent: It is away for minutes.
        """
        fingerprint = self._stream.fingerprint(name)
        upload = self._earlier(fingerprint) if resume else None
        if upload is None:
            upload = self._begin(name, fingerprint, direct=True)
        self._begun = True
        self._reach(upload["offset"])
        if upload["way"] == "store" and not self._store_answers(upload):
            # a platform's store may be out of a sender's reach
            self._call("DELETE", f"/api/uploads/{upload['id']}/", headers=_TUS)
            upload = self._begin(name, fingerprint, direct=False)
            self._reach(upload["offset"])
        complete = f"/api/uploads/{upload['id']}/complete/"
        send = self._send_part if upload["way"] == "store" else self._send_chunk
        while True:
            while self._offset < self._stream.length:
                send(upload)
            try:
                dataset: DatasetDetail = self._insist(lambda: self._call("POST", complete))
            except Refused as error:
                if "offset" not in error.problem:
                    raise
                self._reach(error.problem["offset"])  # a power cut took bytes from the platform
            else:
                return dataset

    def _begin(self, name: str | None, fingerprint: str, *, direct: bool) -> Upload:
        files = [source.told() for source in self._stream.sources]
        wish: dict[str, Any] = {"files": files, "fingerprint": fingerprint} | ({"name": name} if name else {})
        wish |= {"direct": True} if direct else {}
        begun: Upload = self._insist(lambda: self._call("POST", "/api/uploads/", json=wish))
        return begun

    def _earlier(self, fingerprint: str) -> Upload | None:
        params = {"fingerprint": fingerprint}
        found: UploadList = self._insist(lambda: self._call("GET", "/api/uploads/", params=params))
        return found["items"][0] if found["items"] else None

    def _store_answers(self, upload: Upload) -> bool:
        """Send the first part, and tell whether the store took it at once."""
        if self._offset:  # it took some before; what is wrong now may pass
            return True
        try:
            begin, part = self._next(upload)
            self._put_signed(self._insist(lambda: self._sign(upload, begin, part)), part)
        except StoreAway:
            return False
        self._reach(begin + len(part))
        return True

    def _send_part(self, upload: Upload) -> None:
        begin, part = self._next(upload)
        # signed anew for each try: an address is good for a while only
        self._insist(lambda: self._put_signed(self._sign(upload, begin, part), part))
        self._reach(begin + len(part))

    def _next(self, upload: Upload) -> tuple[int, bytes]:
        return self._offset, self._stream.read(self._offset, upload["chunk_bytes"])

    def _sign(self, upload: Upload, begin: int, part: bytes) -> SignedPart:
        number = begin // upload["chunk_bytes"] + 1
        wish: PartWish = {
            "number": number,
            "crc32": b64encode(zlib.crc32(part).to_bytes(4, "big")).decode(),
        }
        signed: SignedPart = self._call("POST", f"/api/datasets/{upload['id']}/parts/", json=wish)
        return signed

    def _put_signed(self, signed: SignedPart, part: bytes) -> None:
        self._put(signed["url"], part, signed["headers"])

    def _send_chunk(self, upload: Upload) -> None:
        path = f"/api/uploads/{upload['id']}/"
        begin, chunk = self._next(upload)
        headers = _TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(begin),
            "Upload-Checksum": f"sha256 {b64encode(hashlib.sha256(chunk).digest()).decode()}",
        }
        try:
            self._insist(lambda: self._call("PATCH", path, content=chunk, headers=headers))
        except Refused as error:
            if "offset" not in error.problem:
                raise
            self._reach(error.problem["offset"])  # the chunk had arrived, and its answer had not
        else:
            self._reach(begin + len(chunk))

    def _reach(self, offset: int) -> None:
        self._advance(offset - self._offset)
        self._offset = offset

    def _insist(self, make: Callable[[], Any]) -> Any:
        while True:
            try:
                return self._through_breaks(make)
            except Refused as refused:
                wait = refused.retry_after
                if refused.status != _TOO_MANY or not wait or wait > self._patience:
                    raise
                self._waits(refused)
                self._patience -= wait
                self._pause(wait)

    def _through_breaks(self, make: Callable[[], Any]) -> Any:
        for tried in range(1, _TRIES + 1):
            try:
                return make()
            except ApiError as error:
                if not (_passes(error) and self._begun):
                    raise
                if tried == _TRIES:
                    raise HalfSent(error, self._url, self._offset, self._stream.length) from None
            self._pause(min(2.0 ** (tried - 1), _LONGEST_PAUSE))
        raise AssertionError("the last try returns or raises")


def _passes(error: ApiError) -> bool:
    """Tell whether the same request may succeed later. S3 says 500 now and then, and to try again; the platform's own is a defect."""
    return error.status in _PASSES or (isinstance(error, StoreAway) and error.status == _STORES_OWN)
