"""Streams: every item once and in order, whatever dies, and a thread for everyone."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
from datetime import timedelta
from itertools import islice

import httpx
import pytest
import redis
from integration.metrics.running import AT, Viewer, body, final, heartbeat, points

from contracts.callback import Evaluation
from contracts.live import LOG_GREW, channel
from runtime.access import keys
from runtime.access.models import DEFAULT
from runtime.access.principal import READ
from support.access import KEY
from support.wait import until


def series(viewer):
    return [(item["data"]["split"], item["data"]["step"]) for item in viewer.items if item["kind"] == "point"]


def in_order(viewer, last):
    return viewer.seqs == list(range(1, last + 1))


def ended(*viewers):
    return until(lambda: all(viewer.ended for viewer in viewers), "every stream to end", seconds=60)


@pytest.fixture
def service(start):
    return start()


class TestOneJob:
    def test_a_viewer_gets_history_then_live_items_then_the_end(self, shared):
        shared.send(body(points=points(0, 1), heartbeat=heartbeat(0.25)), "whole", 1)
        viewer = Viewer(shared.url, "whole")
        until(lambda: len(viewer.seqs) == 3, "the history")
        assert [beat["progress"] for beat in viewer.heartbeats] == [0.25]
        shared.send(body(points=points(2)), "whole")
        until(lambda: len(viewer.seqs) == 4, "the live item")
        shared.send(body(final=final()), "whole")
        ended(viewer)
        assert in_order(viewer, 5)
        assert viewer.visits == 1

    def test_a_viewer_may_come_before_the_job(self, shared):
        viewer = Viewer(shared.url, "early")
        until(lambda: viewer.keep_alives >= 2, "keep-alives")
        shared.send(body(points=points(0), final=final()), "early")
        ended(viewer)
        assert in_order(viewer, 3)

    def test_heartbeats_are_live_and_have_no_number(self, shared):
        shared.send(body(), "beating")
        viewer = Viewer(shared.url, "beating")
        until(lambda: viewer.seqs == [1], "the history")
        shared.send(body(heartbeat=heartbeat(0.75)), "beating")
        until(lambda: viewer.heartbeats, "the heartbeat")
        viewer.stop()
        assert viewer.seqs == [1]

    def test_a_job_that_began_again_is_not_over(self, shared):
        shared.send(body(final=final("failed")), "again")
        shared.send(body(attempt=2), "again", attempt=2)
        viewer = Viewer(shared.url, "again")
        until(lambda: viewer.keep_alives >= 2, "keep-alives after the first attempt's end")
        assert [item["data"]["state"] for item in viewer.items] == ["running", "failed", "running"]
        assert not viewer.ended
        shared.send(body(attempt=2, final=final()), "again", attempt=2)
        ended(viewer)
        assert in_order(viewer, 4)

    def test_it_starts_behind_what_the_viewer_has(self, shared):
        shared.send(body(points=points(0, 1, 2), final=final()), "late")
        for headers, query, first in (
            ({}, "", 1),
            ({"Last-Event-ID": "2"}, "", 3),
            ({}, "?after=3", 4),
            ({"Last-Event-ID": "3"}, "?after=1", 4),
            ({"Last-Event-ID": "5"}, "", 6),
        ):
            answer = shared.client.get(f"/api/training_jobs/late/events/{query}", headers=headers)
            assert [line for line in answer.text.splitlines() if line.startswith("id:")] == [
                f"id: {seq}" for seq in range(first, 6)
            ]
            assert answer.text.endswith("event: end\ndata: {}\n\n")
            assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == (
                "no-cache",
                "no",
            )

    def test_a_number_the_job_never_reached_does_not_silence_it(self, shared):
        shared.send(body(), "restored")
        viewer = Viewer(shared.url, "restored", query="?after=999")
        until(lambda: viewer.keep_alives, "a keep-alive")
        shared.send(body(final=final()), "restored")
        ended(viewer)
        assert viewer.seqs == [2]

    def test_a_start_that_is_no_number_is_refused(self, shared):
        for text in ("-1", "x", "1_000", "1e3", "9" * 16):
            refused = shared.client.get(f"/api/training_jobs/j/events/?after={text}")
            assert (refused.status_code, list(refused.json()["errors"])) == (422, ["after"])

    def test_that_the_log_has_grown_is_told_between_the_items(self, shared):
        shared.send(body(), "talking")
        viewer = Viewer(shared.url, "talking")
        until(lambda: viewer.seqs == [1], "the history")
        with redis.Redis.from_url(shared.redis_url) as client:
            until(lambda: viewer.logs == 1, "the word that some of it may have been missed before")
            shared.send(body(points=points(0)), "talking")
            client.publish(channel("talking"), LOG_GREW)
            until(lambda: len(viewer.seqs) == 2 and viewer.logs == 2, "item and word")
        shared.send(body(final=final()), "talking")
        ended(viewer)
        assert in_order(viewer, 3)

    def test_messages_repeated_or_from_the_future_or_rubbish_change_nothing(self, shared):
        shared.send(body(points=points(0)), "noisy")
        viewer = Viewer(shared.url, "noisy")
        until(lambda: viewer.seqs == [1, 2], "the history")
        with redis.Redis.from_url(shared.redis_url) as client, client.pubsub() as listener:
            listener.subscribe("metrics:noisy")
            shared.send(body(points=points(1, 2)), "noisy")
            told = until(
                lambda: (got := listener.get_message(timeout=1)) and got["type"] == "message" and got["data"],
                "the message of points 1 and 2",
            )
            until(lambda: len(viewer.seqs) == 4, "the live items")
            future = json.dumps({"seq": 99, "kind": "point", "data": {}})
            for noise in (told, future, b"", b"{", b"[]", b"null", b'{"kind":"point"}', b"\xff", told):
                client.publish("metrics:noisy", noise)
        shared.send(body(final=final()), "noisy")
        ended(viewer)
        assert in_order(viewer, 5)


# Writers side by side are what PostgreSQL is for
POSTGRESQL_FIRST = pytest.mark.parametrize(
    "migrated_url", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"], indirect=True
)


@POSTGRESQL_FIRST
class TestEveryItemOnce:
    def test_while_two_processes_take_callbacks_at_the_same_time(self, start):
        services = [start(metrics_processes=2, events_buffer_bytes=2048), start()]
        viewers = [Viewer(service.url) for service in services for _ in range(3)]
        viewers += [Viewer(services[0].url, leave_after=count) for count in (1, 7, 40)]
        rounds = 25

        def run(service, split):
            for step in range(0, rounds * 4, 4):
                new = body(points=points(*range(step, step + 4), split=split), heartbeat=heartbeat())
                assert service.send(new) == 204

        senders = [
            threading.Thread(target=run, args=(service, split))
            for service, split in zip(services * 2, ("train", "val", "system", "train"), strict=True)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        services[0].send(body(final=final()))
        ended(*viewers)
        for viewer in viewers:
            assert in_order(viewer, 3 * rounds * 4 + 2)
            assert set(series(viewer)) == {
                (split, step) for split in ("train", "val", "system") for step in range(rounds * 4)
            }

    def test_while_redis_dies_and_comes_back(self, service, redis_server):
        viewers = [Viewer(service.url), Viewer(service.url, leave_after=11)]
        for step in range(80):
            if step in {20, 60}:
                redis_server.kill()
            if step == 40:
                redis_server.start()
            assert service.send(body(points=points(step), heartbeat=heartbeat())) == 204
        until(lambda: len(viewers[0].seqs) == 81, "items that Redis never told")
        assert service.send(body(final=final())) == 204
        ended(*viewers)
        assert all(in_order(viewer, 82) for viewer in viewers)
        assert viewers[0].visits == 1

    def test_a_heartbeat_that_redis_never_told_is_read_from_the_database_once(self, service, redis_server):
        viewer = Viewer(service.url)
        service.send(body(heartbeat=heartbeat(0.25)))
        until(lambda: viewer.heartbeats, "the heartbeat")
        redis_server.kill()
        service.send(body(heartbeat=heartbeat(0.75, AT + timedelta(seconds=1))))
        until(lambda: len(viewer.heartbeats) > 1, "the heartbeat from the database")
        seen = viewer.keep_alives
        until(lambda: viewer.keep_alives > seen + 1, "two more looks at the database")
        viewer.stop()
        assert [beat["progress"] for beat in viewer.heartbeats] == [0.25, 0.75]

    def test_while_the_service_is_killed_at_random_points(self, service):
        viewer = Viewer(service.url)
        kills = random.Random(7).sample(range(60), 2)
        for step in range(60):
            if step in kills:
                service.kill()
                service.start()
            # A callback whose answer was lost is sent again, as a trainer does
            until(lambda: service.send(body(points=points(step))) == 204, "the callback to be taken")  # noqa: B023
        service.send(body(final=final()))
        ended(viewer)
        assert in_order(viewer, 62)


ON_SQLITE = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@ON_SQLITE
class TestThreads:
    def test_a_viewer_that_left_gives_its_place_back(self, start):
        service = start(events_max_streams=2, metrics_threads=4)
        service.send(body())
        first, second = Viewer(service.url), Viewer(service.url)
        until(lambda: first.seqs and second.seqs, "both streams")
        refused = service.client.get("/api/training_jobs/j/events/")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert service.send(body(points=points(0))) == 204
        first.stop()
        third = Viewer(service.url)
        until(lambda: third.seqs, "the place to become free")
        for viewer in (second, third):
            viewer.stop()

    def test_a_viewer_that_takes_nothing_is_cut_off(self, start):
        service = start(events_max_streams=1, metrics_threads=4, events_send_timeout_seconds=1)
        size = 100
        evaluations = [  # of many digits: numbers take longer to check than to send
            Evaluation(step=0, seq=0, epoch=0, labels=["x"] * size, matrix=[[10**9] * size] * size)
            for _ in range(8)
        ]
        for step in range(12):  # more than the kernel buffers for a connection
            numbered = [
                evaluation.model_copy(update={"step": step, "seq": seq})
                for seq, evaluation in enumerate(evaluations)
            ]
            assert service.send(body(evaluations=numbered)) == 204
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
            lines = [
                "GET /api/training_jobs/j/events/ HTTP/1.1",
                "Host: x",
                f"Authorization: Bearer {KEY}",
                "",
                "",
            ]
            idle.sendall("\r\n".join(lines).encode())
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            viewer = Viewer(service.url)
            until(lambda: len(viewer.seqs) == 97, "the idle viewer's place", seconds=60)
            viewer.stop()

    def test_sigterm_ends_streams_and_the_service(self, service):
        service.send(body())
        viewer = Viewer(service.url)
        until(lambda: viewer.seqs, "the stream")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0
        viewer.stop()
        assert "Traceback" not in service.log()


@ON_SQLITE
def test_many_points_are_replayed_whole_in_pages(start):
    service = start(events_page_items=100)
    for start_step in range(0, 3000, 1000):
        assert service.send(body(points=points(*range(start_step, start_step + 1000)))) == 204
    service.send(body(final=final()))
    viewer = Viewer(service.url)
    ended(viewer)
    assert in_order(viewer, 3002)


def test_it_ends_soon_after_its_key_was_revoked(service, database):
    with database.write() as session:
        key, secret = keys.make(session, DEFAULT, "lent", (READ,))
    service.send(body(points=points(0)))
    url, headers = f"{service.url}/api/training_jobs/j/events/", {"Authorization": f"Bearer {secret}"}
    with httpx.stream("GET", url, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("id:")) == "id: 1"
        with database.write() as session:
            keys.revoke(session, DEFAULT, key.id)
        rest = list(islice(lines, 100))
    assert len(rest) < 100, "keep-alives went on"
    assert "event: end" not in rest, "the job is not over"
    assert httpx.get(url, headers=headers).status_code == 401
