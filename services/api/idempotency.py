"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again is not carried out again.

A row is there before the request is carried out, and is marked in the transaction of its change. So a process that dies at any
moment leaves either nothing done, and the request may come again, or a change that no repetition makes a second time.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, g, request
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runtime import caller
from runtime.db import now
from runtime.errors import Conflict
from runtime.web import problem
from services.api.models import IdempotentRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask
    from sqlalchemy.orm import Session

    from runtime.db import Database

HEADER = "Idempotency-Key"
RUNNING, DONE, ANSWERED = "running", "done", "answered"
PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    "description": "anything that is new for each request, such as a UUID: sent again with the same body, the request is not "
    "carried out again, and the first answer is repeated",
}
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_HEADERS = ("Content-Type", "Location", "Upload-Expires")
_MOST_HASHED = 32 << 20  # bytes of a body; of a longer one, such as an upload, the length counts
_MOST_KEPT = 1 << 20  # bytes of an answer
_TOLD_ONCE = frozenset({"keys.make"})  # answers with a secret of which only a hash is kept
_REFUSED, _DEFECT = 400, 500
_log = logging.getLogger(__name__)


class Idempotency:
    """Keeps keys over the api's database."""

    def __init__(self, db: Database, *, keep_hours: float, busy_seconds: float) -> None:
        """Take its settings.

        Args:
            db: A database without notes.
            keep_hours: How long a key is known.
            busy_seconds: A request that has changed nothing for so long is given up, and may be sent again.
        """
        self._db = db
        self._keep = timedelta(hours=keep_hours)
        self._busy = timedelta(seconds=busy_seconds)

    def install(self, app: Flask) -> None:
        """Watch an app's requests; after what finds out whom they come from."""
        app.before_request(self._begin)
        app.after_request(self._end)

    def note(self, session: Session, _added: Sequence[Any]) -> None:
        """Mark the present request as carried out, in the transaction of its change.

        Raises:
            Conflict: It was given up meanwhile, and sent again.
        """
        if "idempotent" not in g:
            return
        identity, token = g.idempotent
        marked = session.execute(
            update(IdempotentRequest)
            .where(IdempotentRequest.id == identity, IdempotentRequest.token == token)
            .values(state=DONE)
            .returning(IdempotentRequest.id)
        ).first()
        if marked is None:
            raise Conflict("This request took so long that it was given up; the one sent after it counts.")

    def _begin(self) -> Response | None:
        key = request.headers.get(HEADER)
        if key is None or request.method != "POST" or request.url_rule is None:
            return None
        if not _KEY.fullmatch(key):
            return problem(
                400,
                "Bad Request",
                f"{HEADER}: 1 to 255 visible ASCII characters are allowed, without blanks.",
            )
        identity = hashlib.sha256(f"{caller.identity()}\n{key}".encode()).hexdigest()
        fingerprint = _fingerprint()
        try:
            with self._db.write() as session:
                return self._claim(session, identity, fingerprint)
        except IntegrityError:
            # The same request, at the same moment, was quicker: the row, and its end, are that one's
            g.pop("idempotent")
            return _busy()

    def _claim(self, session: Session, identity: str, fingerprint: str) -> Response | None:
        """Take a key for the present request, or give the answer instead of carrying it out."""
        known = session.get(IdempotentRequest, identity, with_for_update=True)
        if known is not None and known.expires_at > now():
            if answer := self._repeated(known, fingerprint):
                return answer
        else:
            known = known or IdempotentRequest(id=identity, token=0)
            known.fingerprint, known.state, known.expires_at = fingerprint, RUNNING, now() + self._keep
            session.add(known)
        known.token += 1
        known.busy_until = now() + self._busy
        g.idempotent = (identity, known.token)
        return None

    @staticmethod
    def _repeated(known: IdempotentRequest, fingerprint: str) -> Response | None:
        """Answer a request whose key is known, or give None where it may be carried out."""
        if known.fingerprint != fingerprint:
            return problem(
                422,
                "Unprocessable Content",
                f"{HEADER}: it was used for another request; make a new one for this.",
            )
        if known.state == ANSWERED:
            answer = Response(known.body, status=known.status, headers=known.headers)
            answer.headers["Idempotent-Replayed"] = "true"
            return answer
        if known.state == DONE:
            return problem(
                409,
                "Conflict",
                "This request was carried out, but its answer was lost; look for what it made.",
            )
        if known.busy_until > now():
            return _busy()
        return None

    def _end(self, response: Response) -> Response:
        if "idempotent" not in g:
            return response
        identity, token = g.pop("idempotent")
        mine = (IdempotentRequest.id == identity, IdempotentRequest.token == token)
        try:
            with self._db.write() as session:
                if response.status_code >= _REFUSED:
                    # Nothing was changed: sent again, it is tried again, for what stood against it may have gone
                    session.execute(
                        delete(IdempotentRequest).where(*mine, IdempotentRequest.state == RUNNING)
                    )
                if response.status_code < _DEFECT:  # of a refusal, only one that changed something is left
                    session.execute(update(IdempotentRequest).where(*mine).values(_kept(response)))
        except SQLAlchemyError as error:  # what was asked for is done; a repetition is told so
            _log.warning("the answer could not be kept for a repetition", extra={"error": str(error)})
        return response


def forget(session: Session) -> None:
    """Forget the keys whose time is over."""
    session.execute(delete(IdempotentRequest).where(IdempotentRequest.expires_at <= now()))


def _kept(response: Response) -> dict[str, Any]:
    """Give what is kept of an answer; nothing but that there was one where it is too long, or told once."""
    body = b"" if response.is_streamed else response.get_data()
    answered = not response.is_streamed and len(body) <= _MOST_KEPT and request.endpoint not in _TOLD_ONCE
    return {
        "state": ANSWERED if answered else DONE,
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in _HEADERS if name in response.headers},
        "body": body if answered else None,
    }


def _busy() -> Response:
    answer = problem(409, "Conflict", "The same request is being carried out at this moment.")
    answer.headers["Retry-After"] = "1"
    return answer


def _fingerprint() -> str:
    told = [request.method, request.full_path, request.mimetype, str(request.content_length)]
    digest = hashlib.sha256(json.dumps(told).encode())
    length = request.content_length
    if length is not None and length <= _MOST_HASHED and request.mimetype != "multipart/form-data":
        body = request.get_data(cache=True)
        digest.update(body)
        request.stream = io.BytesIO(body)  # for those who read it as a stream
    return digest.hexdigest()
