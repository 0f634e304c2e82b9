"""One Redis subscription for a whole process, dispatched to the bounded mailboxes of its viewers."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts.changes import CHANGES, Change
from contracts.live import LOG, NEWS
from services.metrics import items
from services.metrics.mailbox import Batch, Beat, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

# How soon a viewer of another job is subscribed; it reads the database first, so nobody waits for this
_SUBSCRIBE_SECONDS = 0.1
_RECONNECT_SECONDS = 0.5
# Items, a heartbeat, or the frame of a notice
Told = Batch | Beat | bytes
_log = logging.getLogger(__name__)


class TooManyStreams(Exception):
    """This process holds as many streams as it may."""


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
        self._heard: set[str] = set()  # topics whose subscription has taken hold
        self._count = 0
        self._viewers_changed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.connected = False

    def open(self, topic: str) -> Mailbox:
        """Begin to collect what is told. The viewer is asked to look as soon as nothing is missed any more.

        Args:
            topic: The pub/sub channel of a job, or of a workspace's changes.

        Raises:
            TooManyStreams: As many are open as may be.
        """
        with self._lock:
            if self._closing.is_set() or self._count >= self._max_viewers:
                raise TooManyStreams(
                    f"{self._count} streams are open, no more are allowed; try again shortly"
                )
            mailbox = Mailbox(topic, self._buffer_bytes)
            self._mailboxes.setdefault(topic, set()).add(mailbox)
            if topic in self._heard:
                mailbox.look()  # nothing is missed from now on
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
            those = self._mailboxes.get(mailbox.topic, set())
            if mailbox in those:
                those.remove(mailbox)
                self._count -= 1
                self._tell_viewers(self._count)
            if not those:
                self._mailboxes.pop(mailbox.topic, None)
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
            with self._lock:
                self._heard.clear()
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
                pubsub.subscribe(*(wanted - subscribed))
            if subscribed - wanted:
                with self._lock:
                    self._heard -= subscribed - wanted
                pubsub.unsubscribe(*(subscribed - wanted))
            subscribed = wanted
            if not wanted:
                self._viewers_changed.wait()
                continue
            message = pubsub.get_message(timeout=_SUBSCRIBE_SECONDS)
            if message is not None:
                self._dispatch(message)

    def _dispatch(self, message: dict[str, Any]) -> None:
        topic = message["channel"].decode()
        if message["type"] == "subscribe":
            self.connected = True
            # What was told before the subscription took hold is in the database only
            with self._lock:
                self._heard.add(topic)
                for mailbox in self._mailboxes.get(topic, ()):
                    mailbox.look()
        elif message["type"] == "message":
            try:
                told = _DECODERS[topic.partition(":")[0]](message["data"])
            except (ValueError, KeyError, TypeError):
                _log.warning("a message is not understood", extra={"topic": topic})
                return
            for mailbox in self._of(topic):
                for each in told:
                    if isinstance(each, Batch):
                        mailbox.put(each)
                    elif isinstance(each, Beat):
                        mailbox.beat(each)
                    else:
                        mailbox.notice(each)

    def _of(self, topic: str) -> tuple[Mailbox, ...]:
        with self._lock:
            return tuple(self._mailboxes.get(topic, ()))


def _news(message: bytes) -> list[Told]:
    """Read what `items.message` made, or that the log has grown; done once for all viewers of the process."""
    frames, seqs, ends = [], [], False
    told: list[Told] = []
    for line in message.split(b"\n"):
        item = json.loads(line)
        if item["kind"] == items.HEARTBEAT:
            told.append(Beat(items.heartbeat_frame(items.heartbeat_of(line)), item["last"]))
        elif item["kind"] == LOG:
            told.append(items.LOG_FRAME)
        else:
            frames.append(items.frame(item["seq"], item["kind"], line))
            seqs.append(item["seq"])
            ends = ends or (item["kind"] == items.STATE and item["data"]["state"] in items.TERMINAL)
    if seqs:
        # First: a heartbeat that is ahead of the items sends its viewer to the database
        told.insert(0, Batch(seqs[0], seqs[-1], b"".join(frames), ends))
    return told


def _change(message: bytes) -> list[Told]:
    """Read a Change; done once for all viewers of the process."""
    return [items.change_frame(Change.model_validate_json(message))]


_DECODERS = {NEWS: _news, CHANGES: _change}
