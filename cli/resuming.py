"""Sends files in chunks through breaks, and goes on where an earlier try of the same files ended.

The platform says which way chunks go: to itself (tus 1.0), or as parts straight to its object store, to addresses that it signs.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from cli.errors import ApiError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.client import JSON
    from cli.upload import Stream

_TUS = {"Tus-Resumable": "1.0.0"}
# Another request is at it, or the service restarts
_PASSES = frozenset({423, 502, 503, 504})
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
        say: Callable[[str], object] = lambda _text: None,
        put: Callable[[str, bytes, dict[str, str]], object] | None = None,
    ) -> None:
        """Take what to send and how.

        Args:
            call: Makes a request to a path under /api/ and gives its JSON, as `Client` does.
            stream: The files.
            advance: Told how many more bytes the platform has.
            pause: Waits some seconds.
            say: Told why it waits for room.
            put: Sends bytes with headers to an address outside the platform; None: everything goes to the platform itself.
        """
        self._call = call
        self._stream = stream
        self._advance = advance
        self._pause = pause
        self._say = say
        self._put = put
        self._patience = _PATIENCE
        self._offset = 0
        self._begun = False

    def run(self, name: str | None, *, resume: bool) -> JSON:
        """Send everything.

        Args:
            name: Of the data set.
            resume: Whether to go on with an earlier upload of the same files.

        Returns:
            The data set.

        Raises:
            CommandFailed: The platform refuses, or is away for minutes.
        """
        fingerprint = self._stream.fingerprint(name)
        upload = self._earlier(fingerprint) if resume else None
        if upload is None:
            upload = self._begin(name, fingerprint, direct=self._put is not None)
        self._begun = True
        self._reach(upload["offset"])
        if upload.get("way") == "store" and not self._store_answers(upload):
            # a platform's store may be out of a sender's reach
            self._call("DELETE", f"uploads/{upload['id']}/", headers=_TUS)
            upload = self._begin(name, fingerprint, direct=False)
            self._reach(upload["offset"])
        path = f"uploads/{upload['id']}/"
        send = self._send_part if upload.get("way") == "store" else self._send_chunk
        while True:
            while self._offset < self._stream.length:
                send(upload)
            try:
                dataset: JSON = self._insist(lambda: self._call("POST", f"{path}complete/"))
            except ApiError as error:
                if "offset" not in error.problem:
                    raise
                self._reach(error.problem["offset"])  # a power cut took bytes from the platform
            else:
                return dataset

    def _begin(self, name: str | None, fingerprint: str, *, direct: bool) -> JSON:
        files = [source.told() for source in self._stream.sources]
        wish: dict[str, Any] = {"files": files, "fingerprint": fingerprint} | ({"name": name} if name else {})
        wish |= {"direct": True} if direct else {}
        begun: JSON = self._insist(lambda: self._call("POST", "uploads/", json=wish))
        return begun

    def _earlier(self, fingerprint: str) -> JSON | None:
        found: JSON = self._insist(lambda: self._call("GET", "uploads/", params={"fingerprint": fingerprint}))
        return found["items"][0] if found["items"] else None

    def _store_answers(self, upload: JSON) -> bool:
        """Send the first part, and tell whether the store took it at once."""
        if self._put is None:
            return False
        if self._offset:  # it took some before; what is wrong now may pass
            return True
        try:
            self._send_part(upload, once=True)
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.problem:
                raise  # the platform's own word
            return False
        return True

    def _send_part(self, upload: JSON, *, once: bool = False) -> None:
        begin, size = self._offset, upload["chunk_bytes"]
        part = self._stream.read(begin, size)
        wish = {"number": begin // size + 1, "crc32": b64encode(zlib.crc32(part).to_bytes(4, "big")).decode()}

        def send() -> None:
            # signed anew for each try: an address is good for a while only
            told = self._call("POST", f"datasets/{upload['id']}/parts/", json=wish)
            self._put(told["url"], part, told["headers"])  # type: ignore[misc] # asked for before

        if once:
            send()
        else:
            self._insist(send)
        self._reach(begin + len(part))

    def _send_chunk(self, upload: JSON) -> None:
        path, begin = f"uploads/{upload['id']}/", self._offset
        chunk = self._stream.read(begin, upload["chunk_bytes"])
        headers = _TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(begin),
            "Upload-Checksum": f"sha256 {b64encode(hashlib.sha256(chunk).digest()).decode()}",
        }
        try:
            self._insist(lambda: self._call("PATCH", path, content=chunk, headers=headers))
        except ApiError as error:
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
            except ApiError as error:
                if error.code != _TOO_MANY or not error.retry_after or error.retry_after > self._patience:
                    raise
                self._say(f"{error} Trying again in {error.retry_after} s …")
                self._patience -= error.retry_after
                self._pause(error.retry_after)

    def _through_breaks(self, make: Callable[[], Any]) -> Any:
        for tried in range(1, _TRIES + 1):
            try:
                return make()
            except (Unreachable, ApiError) as error:
                if isinstance(error, ApiError) and error.code not in _PASSES:
                    raise
                if not self._begun:
                    raise
                if tried == _TRIES:
                    left = f"{self._offset} of {self._stream.length} bytes are there. Give the same command again to go on."
                    raise Unreachable(f"{error} {left}") from None
            self._pause(min(2.0 ** (tried - 1), _LONGEST_PAUSE))
        raise AssertionError("the last try returns or raises")
