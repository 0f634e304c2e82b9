"""Webhooks of jobs' ends: written with the end, signed by Standard Webhooks, tried over hours, dead after that."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from contracts.callback import Outcome
from contracts.events import JobFinished, JobLaunched
from runtime.db import now, unix_now
from services.api.app import create_app
from services.api.models import WebhookMessage
from services.api.webhook_sender import WebhookSender
from services.api.webhooks import forget, signed
from support.access import ENVIRON

if TYPE_CHECKING:
    from services.api.settings import ApiSettings

pytestmark = pytest.mark.sqlite


@contextmanager
def receiver(*statuses: int, headers: dict[str, str] | None = None):
    """A server that answers with each status in turn, the last one for ever; gives its URL and what it was sent."""
    got = []
    answers = iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        last = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            Handler.last = next(answers, Handler.last)
            self.send_response(Handler.last)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?x=1", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings_of(platform, **changes) -> ApiSettings:
    return platform.settings.model_copy(update={"webhook_private_addresses": True, **changes})


@pytest.fixture
def create(platform):
    """Make a webhook, as if private addresses were allowed."""
    app = create_app(settings_of(platform))
    client = app.test_client()
    client.environ_base.update(ENVIRON)

    def make(url, **wish):
        answer = client.post("/api/webhooks/", json={"url": url, **wish})
        assert answer.status_code == 201, answer.json
        return answer.json

    yield make
    app.extensions["triptych"].db.engine.dispose()


@pytest.fixture
def end(platform):
    """Run a job to its end."""

    def run(outcome=Outcome.SUCCEEDED):
        dataset = platform.upload().json["id"]
        platform.stage(dataset)
        wish = {
            "dataset_id": dataset,
            "model": "dummy_model",
            "ignore": ["target-leak", "images-missing"],
            "start": True,
        }
        job = platform.client.post("/api/training_jobs/", json=wish).json["id"]
        platform.hear(JobLaunched(job_id=job, attempt=1, launcher="local", handle="1"))
        platform.hear(
            JobFinished(
                job_id=job, attempt=1, outcome=outcome, reason="", metrics={"accuracy": 1.0}, artifacts=[]
            )
        )
        return job

    return run


def messages(platform, webhook):
    return platform.client.get(f"/api/webhooks/{webhook['id']}/messages/").json["items"]


def make_due(platform, **values):
    with platform.database.write() as session:
        session.execute(update(WebhookMessage).values(due_at=0.0, **values))


def test_a_job_s_end_is_told_and_can_be_verified(platform, create, end):
    with receiver() as (url, got):
        webhook = create(url, events=["job.succeeded"], name="ops")
        job = end()
        WebhookSender(platform.database, settings_of(platform)).round()
        [(headers, body)] = got
    told = Verifier(webhook["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["job_id"], told["data"]["state"]) == (
        "job.succeeded",
        job,
        "succeeded",
    )
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook["secret"]).verify(body.replace(b"succeeded", b"sUcceeded"), headers)
    [message] = messages(platform, webhook)
    assert (message["state"], message["attempts"], message["last_status"]) == ("delivered", 1, 200)
    assert message["message_id"] == headers["webhook-id"]


def test_only_ends_that_are_wanted_are_told(platform, create, end):
    webhook = create("http://127.0.0.1:1/", events=["job.failed"])
    end()
    assert messages(platform, webhook) == []


def test_a_signature_is_the_specification_s_own():
    # Test vector of https://github.com/standard-webhooks/standard-webhooks
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_that_fails_is_tried_again_with_growing_pauses_and_the_same_id(platform, create):
    with receiver(500, 302, 200, headers={"Location": "http://127.0.0.1:1/"}) as (url, got):
        webhook = create(url)
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        sender = WebhookSender(platform.database, settings_of(platform))
        pauses = []
        for _ in range(2):
            sender.round()
            sender.round()  # nothing is due
            [message] = messages(platform, webhook)
            assert message["state"] == "pending"
            with platform.database.read() as session:
                pauses.append(session.query(WebhookMessage).one().due_at - unix_now())
            make_due(platform)
        assert [call[0]["webhook-id"] for call in got] == [message["message_id"]] * 2
        assert message["last_error"] == "the receiver answered 302"  # not followed
        sender.round()
    assert 0 < pauses[0] <= 5
    assert 5 < pauses[1] <= 15
    [message] = messages(platform, webhook)
    assert (message["state"], message["attempts"]) == ("delivered", 3)


def test_after_hours_it_is_dead_and_can_be_seen(platform, create):
    with receiver(503) as (url, _got):
        webhook = create(url)
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        make_due(platform, created_at=now() - timedelta(hours=25), attempts=11)
        WebhookSender(platform.database, settings_of(platform)).round()
    [message] = platform.client.get(f"/api/webhooks/{webhook['id']}/messages/?state=dead").json["items"]
    assert message["last_error"] == "given up after 12 tries: the receiver answered 503"
    with platform.database.write() as session:
        forget(session, 0)
    assert messages(platform, webhook) == []


def test_a_receiver_that_is_gone_is_told_nothing_more(platform, create, end):
    with receiver(410) as (url, _got):
        webhook = create(url)
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        WebhookSender(platform.database, settings_of(platform)).round()
        end()
    assert [message["state"] for message in messages(platform, webhook)] == ["dead"]
    assert platform.client.get(f"/api/webhooks/{webhook['id']}/").json["enabled"] is False


def test_a_receiver_within_our_network_is_not_reached(platform, create):
    with receiver() as (url, got):
        webhook = create(url.replace("http://127.0.0.1", "https://inside.example").partition("?")[0])
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        closed = settings_of(platform, webhook_private_addresses=False)
        WebhookSender(platform.database, closed, look=lambda *_: ["127.0.0.1"]).round()
        assert got == []
    [message] = messages(platform, webhook)
    assert "inside.example is at 127.0.0.1, which is not a public address" in message["last_error"]


def test_a_receiver_that_says_nothing_is_given_up_in_time(platform, create):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = create(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        WebhookSender(platform.database, settings_of(platform, webhook_timeout_seconds=0.2)).round()
    [message] = messages(platform, webhook)
    assert message["state"] == "pending"
    assert "within 0.2 s" in message["last_error"] or "timed out" in message["last_error"]


def test_two_senders_send_one_message_once(platform, create):
    with receiver() as (url, got):
        webhook = create(url)
        platform.client.post(f"/api/webhooks/{webhook['id']}/test/")
        threads = [
            threading.Thread(target=WebhookSender(platform.database, settings_of(platform)).round)
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1


def test_the_secret_is_shown_once_and_urls_are_checked(platform, create):
    webhook = create("https://a.example/")
    for answer in (
        platform.client.get("/api/webhooks/"),
        platform.client.get(f"/api/webhooks/{webhook['id']}/"),
    ):
        assert "whsec_" not in answer.text
    refused = platform.client.post("/api/webhooks/", json={"url": "http://a.example/"})
    assert (refused.status_code, refused.json["errors"]) == (422, {"url": ["only https:// is allowed"]})
    assert platform.client.delete(f"/api/webhooks/{webhook['id']}/").status_code == 204
    assert platform.client.get(f"/api/webhooks/{webhook['id']}/").status_code == 404
