"""An event reaches each subscriber exactly once, whatever is lost on the way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from contracts.events import DatasetDeleted, DatasetUploaded, WorkAbandoned
from runtime.bus import Consumer, Work
from runtime.db import unix_now
from runtime.errors import Transient, Unavailable
from runtime.outbox import DEAD, HANDLED, PENDING, Delivery, LeaseLost, Outbox, claim, pass_on
from runtime.relay import Relay
from support.wait import until

UPLOADED = DatasetUploaded(dataset_id="d1", spool="d1", table_bytes=1, files=0, file_bytes=0)


class Queue:
    """Stands for Redis: keeps what the relay sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []

    def send(self, queue: str, delivery_id: int, _envelope: object) -> None:
        self.sent.append((queue, delivery_id))


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def rings():
    return []


@pytest.fixture
def outbox(rings):
    return Outbox(lambda: rings.append(1))


def emit(database, outbox, event=UPLOADED):
    with database.write() as session:
        outbox.emit(session, event)


def relay(database, outbox, queue, **settings):
    return Relay(database, outbox, queue.send, **{"again_seconds": 0.0, **settings})


def states(database):
    with database.read() as session:
        return [(row.queue, row.state) for row in session.query(Delivery).order_by(Delivery.id)]


def finish(_event, work: Work):
    with work.finish():
        pass


def fail(_event, _work: Work):
    raise Transient("the store is away")


def test_one_message_goes_to_each_subscriber_and_the_bell_rings_after_commit(database, outbox, queue, rings):
    emit(database, outbox)
    assert rings == [1]
    assert relay(database, outbox, queue, again_seconds=60).publish_due() == 2
    assert [name for name, _ in queue.sent] == ["ingest.schema", "ingest.staging"]


def test_nothing_is_emitted_when_the_change_is_rolled_back(database, outbox, queue, rings):
    with pytest.raises(ZeroDivisionError), database.write() as session:
        outbox.emit(session, UPLOADED)
        raise ZeroDivisionError
    assert relay(database, outbox, queue).publish_due() == 0
    assert rings == []


def test_a_handled_delivery_is_not_handled_or_published_again(database, outbox, queue):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    relay(database, outbox, queue).publish_due()
    calls = []

    def handle(event, work):
        calls.append(event)
        finish(event, work)

    consumer = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle})
    consumer.receive(queue.sent[0][1])
    consumer.receive(queue.sent[0][1])
    assert calls == [DatasetDeleted(dataset_id="d1")]
    assert relay(database, outbox, queue).publish_due() == 0


def test_a_lost_message_is_published_again(database, outbox, queue):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    worker = relay(database, outbox, queue)
    assert [worker.publish_due(), worker.publish_due()] == [1, 1]


def test_a_message_that_waits_in_a_long_queue_is_not_sent_again_until_its_waits_have_grown_long(
    database, outbox, queue
):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    worker = relay(database, outbox, queue, waiting=lambda _queue: 1, again_seconds=1e-9, again_at_most=7e-9)
    for _ in range(4):
        assert worker.publish_due() == 1
    assert len(queue.sent) == 2, "at first, and after waits of 1, 2 and 4 ns"


@pytest.mark.parametrize("ending", ["passed on", "given up", "failed for now"])
def test_a_message_that_a_worker_took_and_gave_back_is_sent_again_however_long_the_queue(
    database, outbox, queue, ending
):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    worker = relay(database, outbox, queue, waiting=lambda _queue: 1, again_seconds=3600)
    worker.publish_due()
    [(name, number)] = queue.sent
    if ending == "failed for now":
        Consumer(database, outbox, name, {"dataset.deleted.v1": fail}, retry_seconds=0).receive(number)
    else:
        with database.write() as session:
            if ending == "passed on":
                pass_on(session, number)
            else:
                claim(session, number, name, seconds=60).give_up(session, "stopped", counted=False)
    assert worker.publish_due() == 1
    assert queue.sent == [(name, number)] * 2


def test_a_broker_that_lost_its_memory_gets_everything_pending_at_once(database, outbox, queue):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    worker = relay(database, outbox, queue, again_seconds=3600)
    assert [worker.publish_due(), worker.publish_due()] == [1, 0]
    worker.publish_all_again()
    assert worker.publish_due() == 1


def test_relays_at_once_share_what_is_due(database, outbox, queue):
    for number in range(60):
        emit(database, outbox, DatasetDeleted(dataset_id=f"d{number}"))
    workers = [relay(database, outbox, queue, again_seconds=60, batch=5) for _ in range(3)]

    def drain(worker):
        while worker.publish_due():
            pass

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(drain, workers))
    # On PostgreSQL a relay stops at rows that others hold at that moment, so one more look may find some
    drain(workers[0])
    assert sorted(number for _, number in queue.sent) == list(range(1, 61))


def test_what_a_relay_had_taken_when_it_died_is_due_again_soon(database, outbox, queue):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))

    def die(*_):
        raise KeyboardInterrupt

    dead = Relay(database, outbox, die, again_seconds=3600, hold_seconds=0.0)
    dead._settle = lambda *_: None
    with pytest.raises(KeyboardInterrupt):
        dead.publish_due()
    assert relay(database, outbox, queue).publish_due() == 1


def test_a_consumer_that_was_quicker_than_the_relay_keeps_its_own_due_time(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))

    def handle(_event, _work):
        raise Transient("the store is away")

    consumer = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle}, retry_seconds=0.0)
    worker = Relay(database, outbox, lambda _queue, number, _: consumer.receive(number), again_seconds=3600)
    assert [worker.publish_due(), worker.publish_due()] == [1, 1]


def test_what_could_not_be_sent_of_a_batch_is_due_at_once(database, outbox, queue):
    for name in "abc":
        emit(database, outbox, DatasetDeleted(dataset_id=name))

    def send(name, number, envelope):
        if number > 1:
            raise ConnectionError
        queue.send(name, number, envelope)

    with pytest.raises(ConnectionError):
        Relay(database, outbox, send, again_seconds=3600).publish_due()
    assert relay(database, outbox, queue, again_seconds=3600).publish_due() == 2
    assert [number for _, number in queue.sent] == [1, 2, 3]


def test_a_broker_that_is_away_leaves_the_delivery_due(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))

    def fail(*_):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Relay(database, outbox, fail, again_seconds=3600).publish_due()
    queue = Queue()
    assert relay(database, outbox, queue).publish_due() == 1


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Transient("store is away"), 3), (ConnectionError("refused"), 3), (ValueError("defect"), 1)],
)
def test_only_what_may_pass_is_tried_again_then_the_work_is_abandoned(database, outbox, error, tries):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    calls = []

    def handle(_event, _work):
        calls.append(1)
        raise error

    consumer = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle}, retry_seconds=0.0)
    for _ in range(5):
        consumer.receive(1)
    assert len(calls) == tries
    assert states(database)[0] == ("ingest.staging", DEAD)
    assert {name for name, _ in states(database)[1:]} == {"api", "metrics"}
    with database.write() as session:
        lease = claim(session, 2, states(database)[1][0], seconds=60)
    told = lease.envelope.decode()
    assert isinstance(told, WorkAbandoned)
    assert (told.subject, told.attempts) == ("d1", tries)
    assert str(error) in told.reason


def test_what_failed_together_is_tried_again_at_different_moments(database, outbox):
    for number in range(8):
        emit(database, outbox, DatasetDeleted(dataset_id=f"d{number}"))

    def handle(_event, _work):
        raise Transient("store is away")

    consumer = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle}, retry_seconds=60)
    with database.read() as session:
        ids = list(session.scalars(select(Delivery.id).where(Delivery.queue == "ingest.staging")))
    pauses = []
    for number in ids:
        before = unix_now()
        consumer.receive(number)
        after = unix_now()
        with database.read() as session:
            due_at = session.get_one(Delivery, number).due_at
        assert before + 30 <= due_at <= after + 60
        pauses.append(due_at - before)
    assert max(pauses) - min(pauses) > 1


class Clock:
    def __init__(self) -> None:
        self.now = unix_now()

    def __call__(self) -> float:
        return self.now


def waiting_consumer(database, outbox, clock, handle, **settings):
    return Consumer(
        database, outbox, "ingest.staging", {"dataset.deleted.v1": handle}, clock=clock, **settings
    )


def delivery(database, number=1):
    with database.read() as session:
        return session.get_one(Delivery, number)


def test_a_store_that_is_away_is_waited_for_by_growing_pauses_and_counts_as_no_try(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    clock, pauses = Clock(), []
    begun = clock.now

    def handle(event, work):
        if clock.now < begun + 20 * 3600:
            raise Unavailable("no space left")
        assert work.attempt == 1
        finish(event, work)

    consumer = waiting_consumer(database, outbox, clock, handle)
    while True:
        consumer.receive(1)
        row = delivery(database)
        if row.state != PENDING:
            break
        assert (row.attempts, row.published, row.stuck_since, row.last_error) == (
            0,
            0,
            begun,
            "no space left",
        )
        pauses.append(row.due_at - clock.now)
        clock.now = row.due_at
    assert (row.state, row.stuck_since, row.last_error) == (HANDLED, None, "")
    assert pauses[0] <= 2
    assert all(150 <= pause <= 300 for pause in pauses[20:])
    assert len(pauses) < 20 * 3600 / 150 + 20


def test_a_store_that_stays_away_ends_the_work_after_the_hours_that_are_set(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))

    def handle(_event, _work):
        raise Unavailable("no space left")

    clock = Clock()
    consumer = waiting_consumer(database, outbox, clock, handle, wait_seconds=7200)
    begun = clock.now
    consumer.receive(1)
    clock.now += 7199
    consumer.receive(1)
    assert states(database) == [("ingest.staging", PENDING)]
    clock.now += 1
    consumer.receive(1)
    row = delivery(database)
    assert (row.state, row.stuck_since) == (DEAD, begun)
    assert row.last_error == "waited 2.0 h for the store or a disk: no space left"


def test_tries_that_failed_otherwise_count_beside_a_wait(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    errors = [Unavailable("full"), Transient("a"), Unavailable("full"), Transient("b"), Transient("c")]

    def handle(_event, _work):
        raise errors.pop(0)

    consumer = waiting_consumer(database, outbox, Clock(), handle)
    for left in (4, 3, 2, 1):
        consumer.receive(1)
        assert (len(errors), delivery(database).state) == (left, PENDING)
    consumer.receive(1)
    assert (delivery(database).state, delivery(database).attempts) == (DEAD, 3)


def test_a_worker_that_died_three_times_at_it_ends_the_work(database, outbox, queue):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    for _ in range(3):
        with database.write() as session:
            assert claim(session, 1, "ingest.staging", seconds=-1) is not None
    relay(database, outbox, queue).publish_due()
    assert states(database)[0] == ("ingest.staging", DEAD)
    assert queue.sent == []


def test_a_lease_keeps_others_out_until_it_runs_out_and_the_late_writer_is_refused(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    with database.write() as session:
        slow = claim(session, 1, "ingest.staging", seconds=-1)
    with database.write() as session:
        quick = claim(session, 1, "ingest.staging", seconds=60)
    with database.write() as session:
        assert claim(session, 1, "ingest.staging", seconds=60) is None
    with pytest.raises(LeaseLost), Work(database, outbox, slow).finish():
        pass
    with Work(database, outbox, quick).finish() as session:
        outbox.emit(session, UPLOADED)
    assert states(database)[0] == ("ingest.staging", HANDLED)


def test_a_delivery_is_given_only_to_its_own_queue(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    with database.write() as session:
        assert claim(session, 1, "launcher", seconds=60) is None


def test_a_handler_that_forgets_to_finish_is_a_defect(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": lambda *_: None}).receive(1)
    assert states(database)[0] == ("ingest.staging", DEAD)


def test_a_handler_that_hangs_loses_its_work_and_may_not_write_for_it(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    taken_over, refused = threading.Event(), []

    def hang(_event, work):
        assert taken_over.wait(30)
        try:
            with work.finish():
                pass
        except LeaseLost as error:
            refused.append(error)
            raise

    hanging = Consumer(
        database, outbox, "ingest.staging", {"dataset.deleted.v1": hang}, work_max_seconds=0.05
    )
    thread = threading.Thread(target=hanging.receive, args=[1])
    thread.start()
    until(lambda: hanging.leases.hung() == ["dataset.deleted.v1"], "the handler to be found hanging")
    attempts = []

    def handle(event, work):
        attempts.append(work.attempt)
        finish(event, work)

    other = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle})
    until(lambda: other.receive(1) or attempts, "another worker to take it")
    taken_over.set()
    thread.join()
    assert (attempts, len(refused), hanging.leases.hung()) == ([2], 1, [])
    assert states(database) == [("ingest.staging", HANDLED)]


def test_a_handler_that_gets_on_keeps_its_work_however_long_it_takes(database, outbox):
    emit(database, outbox, DatasetDeleted(dataset_id="d1"))
    limit = 0.3

    def handle(_event, work):
        begun = time.monotonic()
        while time.monotonic() - begun < 3 * limit:
            with work.checkpoint():
                pass
        with work.finish():
            pass

    Consumer(
        database, outbox, "ingest.staging", {"dataset.deleted.v1": handle}, work_max_seconds=limit
    ).receive(1)
    assert states(database) == [("ingest.staging", HANDLED)]


def test_a_worker_that_stops_gives_up_what_does_not_end_in_time_and_takes_nothing_more(database, outbox):
    for name in "ab":
        emit(database, outbox, DatasetDeleted(dataset_id=name))
    begun, go_on = threading.Event(), threading.Event()

    def handle(event, work):
        begun.set()
        assert go_on.wait(30)
        finish(event, work)

    stopping = Consumer(database, outbox, "ingest.staging", {"dataset.deleted.v1": handle})
    thread = threading.Thread(target=stopping.receive, args=[1])
    thread.start()
    assert begun.wait(30)
    stopping.leases.close(0.0)
    stopping.receive(2)
    attempts = []
    other = Consumer(
        database,
        outbox,
        "ingest.staging",
        {"dataset.deleted.v1": lambda event, work: (attempts.append(work.attempt), finish(event, work))},
    )
    other.receive(1)
    go_on.set()
    thread.join()
    # The handler is not to blame, so that its attempt does not count
    assert attempts == [1]
    assert states(database) == [("ingest.staging", HANDLED), ("ingest.staging", PENDING)]
