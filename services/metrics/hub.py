"""One Redis subscription for a whole process, dispatched to the bounded mailboxes of its viewers."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.metrics import items
from services.metrics.publisher import channel

if TYPE_CHECKING:
    from collections.abc import Callable

# How soon a viewer of another job is subscribed; it reads the database first, so nobody waits for this
_SUBSCRIBE_SECONDS = 0.1
_RECONNECT_SECONDS = 0.5
_log = logging.getLogger(__name__)


class TooManyStreams(Exception):
    """This process holds as many streams as it may."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive items, ready to be sent; shared by all viewers of the process."""

    first: int
    last: int
    frames: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, ready to be sent, and the number of the job's newest item when it was accepted."""

    frame: bytes
    last: int


@dataclass(slots=True)
class Mail:
    """What came since a viewer last looked."""

    batches: list[Batch] = field(default_factory=list)
    heartbeat: Beat | None = None
    # The viewer must look into the database: it may have missed something
    look: bool = False
    closed: bool = False


class Mailbox:
    """What waits for one viewer. It never grows beyond its limit: a viewer that is behind reads the database."""

    def __init__(self, job_id: str, max_bytes: int) -> None:
        self.job_id = job_id
        self._max_bytes = max_bytes
        self._bytes = 0
        self._changed = threading.Condition()
        self._mail = Mail()

    def put(self, batch: Batch) -> None:
        """Add items, or ask the viewer to read them from the database where they are too many."""
        with self._changed:
            if self._bytes + len(batch.frames) > self._max_bytes:
                self._mail.batches.clear()
                self._bytes = 0
                self._mail.look = True
            else:
                self._mail.batches.append(batch)
                self._bytes += len(batch.frames)
            self._changed.notify()

    def beat(self, heartbeat: Beat) -> None:
        """Replace the heartbeat."""
        with self._changed:
            self._mail.heartbeat = heartbeat
            self._changed.notify()

    def look(self) -> None:
        """Ask the viewer to look into the database."""
        with self._changed:
            self._mail.look = True
            self._changed.notify()

    def close(self) -> None:
        """Ask the viewer to end."""
        with self._changed:
            self._mail.closed = True
            self._changed.notify()

    def take(self, seconds: float) -> Mail:
        """Empty the mailbox; wait for something at most so long."""
        with self._changed:
            mail = self._mail
            if not (mail.batches or mail.heartbeat or mail.look or mail.closed):
                self._changed.wait(seconds)
            mail, self._mail, self._bytes = self._mail, Mail(closed=self._mail.closed), 0
            return mail


class Hub:
    """Passes what Redis tells to the viewers of this process. Its thread starts with the first viewer."""

    def __init__(
        self,
        redis_url: str,
        *,
        max_viewers: int,
        buffer_bytes: int,
        tell_viewers: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Wire the hub.

        Args:
            redis_url: Where to subscribe.
            max_viewers: The most at a time.
            buffer_bytes: Live items kept for a slow one.
            tell_viewers: Told how many there are, whenever that changes.
        """
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self._max_viewers = max_viewers
        self._buffer_bytes = buffer_bytes
        self._tell_viewers = tell_viewers
        self._lock = threading.Lock()
        self._mailboxes: dict[str, set[Mailbox]] = {}
        self._count = 0
        self._viewers_changed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.connected = False

    def open(self, job_id: str) -> Mailbox:
        """Begin to collect what is told of a job.

        Raises:
            TooManyStreams: As many are open as may be.
        """
        with self._lock:
            if self._closing.is_set() or self._count >= self._max_viewers:
                raise TooManyStreams(
                    f"{self._count} streams are open, no more are allowed; try again shortly"
                )
            mailbox = Mailbox(job_id, self._buffer_bytes)
            self._mailboxes.setdefault(job_id, set()).add(mailbox)
            self._count += 1
            self._tell_viewers(self._count)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
                self._thread.start()
        self._viewers_changed.set()
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """End a viewer; doing it twice is harmless."""
        with self._lock:
            those = self._mailboxes.get(mailbox.job_id, set())
            if mailbox in those:
                those.remove(mailbox)
                self._count -= 1
                self._tell_viewers(self._count)
            if not those:
                self._mailboxes.pop(mailbox.job_id, None)
        self._viewers_changed.set()

    @property
    def viewers(self) -> int:
        """How many are open."""
        return self._count

    def close(self) -> None:
        """End every viewer and the thread."""
        self._closing.set()
        self._viewers_changed.set()
        with self._lock:
            everyone = [mailbox for those in self._mailboxes.values() for mailbox in those]
        for mailbox in everyone:
            mailbox.close()

    def join(self) -> None:
        """Wait for the thread after `close`."""
        if self._thread is not None:
            self._thread.join()
        self._redis.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with self._redis.pubsub() as pubsub:  # type: ignore[no-untyped-call]
                    self._listen(pubsub)
            except (redis.RedisError, OSError) as error:
                if self.connected:
                    _log.warning("redis is away: viewers read the database", extra={"error": str(error)})
                self.connected = False
                self._closing.wait(_RECONNECT_SECONDS)
            except Exception:  # noqa: BLE001 - a defect here must not leave every viewer without live items
                _log.exception("the hub starts again")
                self.connected = False
                self._closing.wait(_RECONNECT_SECONDS)

    def _listen(self, pubsub: Any) -> None:
        """Follow one connection until it breaks; only this thread uses it."""
        subscribed: set[str] = set()
        while not self._closing.is_set():
            self._viewers_changed.clear()
            with self._lock:
                wanted = set(self._mailboxes)
            if wanted - subscribed:
                pubsub.subscribe(*map(channel, wanted - subscribed))
            if subscribed - wanted:
                pubsub.unsubscribe(*map(channel, subscribed - wanted))
            subscribed = wanted
            if not wanted:
                self._viewers_changed.wait()
                continue
            message = pubsub.get_message(timeout=_SUBSCRIBE_SECONDS)
            if message is not None:
                self._dispatch(message)

    def _dispatch(self, message: dict[str, Any]) -> None:
        job_id = message["channel"].decode().partition(":")[2]
        if message["type"] == "subscribe":
            self.connected = True
            # What was told before the subscription took hold is in the database only
            for mailbox in self._of(job_id):
                mailbox.look()
        elif message["type"] == "message":
            try:
                batch, heartbeat = _decode(message["data"])
            except (ValueError, KeyError, TypeError):
                _log.warning("a message is not understood", extra={"job_id": job_id})
                return
            for mailbox in self._of(job_id):
                if batch is not None:
                    mailbox.put(batch)
                if heartbeat is not None:
                    mailbox.beat(heartbeat)

    def _of(self, job_id: str) -> tuple[Mailbox, ...]:
        with self._lock:
            return tuple(self._mailboxes.get(job_id, ()))


def _decode(message: bytes) -> tuple[Batch | None, Beat | None]:
    """Read what `items.message` made; done once for all viewers of the process."""
    frames, seqs, heartbeat, ends = [], [], None, False
    for line in message.split(b"\n"):
        item = json.loads(line)
        if item["kind"] == items.HEARTBEAT:
            heartbeat = Beat(items.heartbeat_frame(items.heartbeat_of(line)), item["last"])
        else:
            frames.append(items.frame(item["seq"], item["kind"], line))
            seqs.append(item["seq"])
            ends = ends or (item["kind"] == items.STATE and item["data"]["state"] in items.TERMINAL)
    batch = Batch(seqs[0], seqs[-1], b"".join(frames), ends) if seqs else None
    return batch, heartbeat
