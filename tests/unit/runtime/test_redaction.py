"""Secrets in logs: every setting that is one, in errors as they really come, in JSON and in text."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from urllib.parse import quote

import boto3
import pytest
import redis
from botocore.config import Config
from pydantic import SecretStr
from sqlalchemy import create_engine

from contracts import redaction
from contracts.callback import signed_headers
from contracts.redaction import HIDDEN, redacted
from runtime import log
from runtime.settings import RelaySettings, load
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings

CANARY = 'canary/7f+3"d\\9 ü@end'  # of all that is written differently in URLs, in JSON and by repr()
QUOTED = quote(CANARY, safe="")
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://triptych:{QUOTED}@127.0.0.1:1/triptych",
    "REDIS_URL": f"redis://:{QUOTED}@127.0.0.1:1/0",
    "OBJECTS_URL": "s3://bucket",
    "TRAINER_API_BASE": "http://gateway:8080",
    "RUNS_DIR": "/runs",
    "SPOOL_DIR": "/spool",
}
SERVICES = [RelaySettings, ApiSettings, IngestSettings, LauncherSettings, MetricsSettings, PredictorSettings]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    """Other tests' settings are not ours."""
    monkeypatch.setattr(redaction, "_known", ())


@pytest.fixture
def lines(monkeypatch, request):
    """Log as a service does, and give what it wrote."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    log.configure("test", "DEBUG", getattr(request, "param", "json"))
    yield out.getvalue
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before


both = pytest.mark.parametrize("lines", ["json", "text"], indirect=True)


def written(secret):
    """Give the ways in which a secret may have been written."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}


def secret_fields(settings):
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def connect_to_database(settings):
    create_engine(settings.database_url, connect_args={"connect_timeout": 1}).connect()


def connect_to_redis(settings):
    redis.Redis.from_url(settings.redis_url, socket_connect_timeout=0.2).ping()


def show_all(settings):
    raise RuntimeError(f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}")


def unpack_all(settings):
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in settings
    }
    raise ValueError(str(values), values)


@both
@pytest.mark.parametrize("cls", SERVICES)
@pytest.mark.parametrize("provoke", [connect_to_database, connect_to_redis, show_all, unpack_all])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_secret_of_a_service_is_in_what_it_logs(lines, monkeypatch, cls, provoke):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in secret_fields(cls):
        monkeypatch.setenv(name.upper(), f"{CANARY}-of-{name}-" + "x" * 32)
    settings = load(cls)
    with pytest.raises(Exception) as raised:
        provoke(settings)
    logging.getLogger("x").error(
        "it broke: %s",
        raised.value,
        exc_info=raised.value,
        extra={"error": str(raised.value), "all": dict(settings)},
    )
    text = lines()
    assert "it broke" in text
    assert "Traceback" in text
    assert [way for way in written(CANARY) if way in text] == []


def test_each_service_that_takes_a_secret_is_among_those():
    """Else a new one would not be looked at."""
    assert {name for cls in SERVICES for name in secret_fields(cls)} >= {
        "callback_root_secret",
        "callback_root_secret_previous",
        "callback_secret",
    }


def test_a_short_password_hides_itself_and_not_every_word_like_it():
    redaction.hide(redaction.passwords_of("postgresql://triptych:triptych@db/triptych"))
    told = redacted("triptych.metrics: postgresql://triptych:triptych@db/triptych, password=triptych")
    assert told == "triptych.metrics: postgresql://triptych:[hidden]@db/triptych, password=[hidden]"


@both
def test_uncaught_errors_of_process_and_threads_are_logged_without_secrets(lines):
    redaction.hide([CANARY])
    error = RuntimeError(f"could not use {CANARY}")
    sys.excepthook(RuntimeError, error, None)
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, error, None, None)))
    assert lines().count("could not use [hidden]") >= 2
    assert not [way for way in written(CANARY) if way in lines()]


@both
def test_what_boto3_says_of_a_signed_request_holds_no_signature_and_no_key(lines):
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    keys = (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "a-session-token-that-is-long",
    )
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1}, connect_timeout=0.2)
    client = boto3.Session(*keys, region_name="us-east-1").client(
        "s3", endpoint_url="http://127.0.0.1:1", config=config
    )
    link = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    logging.getLogger("x").warning("gave %s", link)
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        client.get_object(Bucket="b", Key="k")
    client.close()
    logging.getLogger("botocore").setLevel(logging.WARNING)
    text = lines()
    assert "X-Amz-Expires" in text
    assert [key for key in keys if key in text] == []
    signature = link.rpartition("X-Amz-Signature=")[2].partition("&")[0]
    assert signature not in text
    assert "X-Amz-Signature=[hidden]" in text


HEX = "0123456789abcdef" * 4
HEADERS = signed_headers("j", 1, b"{}", "secret", now=1_700_000_000, ttl=900)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ('{"authorization": "Token 0123456789"}', "0123456789"),
        (r"{\"authorization\": \"Bearer 0123456789\"}", "0123456789"),
        ("sent Bearer abcdefgh12345 to it", "abcdefgh12345"),
        (f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature={HEX}", HEX),
        ("postgresql://user:pass@host/db", "pass"),
        ("redis://:p@ss/w:rd@host:6379/0", "p@ss/w:rd"),
        ("https://key:@x.y/ and amqp://u:hunter2hunter@h", "hunter2hunter"),
        (
            "https://b.s3/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101&X-Amz-Date=1",
            "AKIAIOSFODNN7EXAMPLE",
        ),
        ("https://b.s3/k?X-Amz-Security-Token=IQoJb3JpZ2lu%2F&x=1", "IQoJb3JpZ2lu"),
        ("https://b.s3/k?AWSAccessKeyId=x&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D", "vjbyPxybdZaNmGa"),
        ("the key AKIAIOSFODNN7EXAMPLE is unknown", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
        ("{'SecretAccessKey': 'wJalrXUtnFEMI/K7MDENG'}", "wJalrXUtnFEMI/K7MDENG"),
        ('"session_token":"FwoGZXIvYXdzEBY"', "FwoGZXIvYXdzEBY"),
        ("CALLBACK_ROOT_SECRET=hunter2hunter2", "hunter2hunter2"),
        ("password='hunter2'", "hunter2"),
        (
            "{'X-Amz-Security-Token': b'FwoGZXIvYXdz', 'Authorization': b'AWS4-HMAC-SHA256 Signature=0123'}",
            "0123",
        ),
        ("x-api-key: hunter2hunter2", "hunter2hunter2"),
        ("Cookie: session=abc; other=def", "abc"),
        (str(HEADERS), HEADERS["X-Callback-Token"].partition(".")[2]),
        (str(HEADERS), HEADERS["X-Callback-Signature"].removeprefix("v2=")),
        ("got trp_AbCdEfGhIjKlMnOpQrStUvWx", "AbCdEfGhIjKlMnOpQrStUvWx"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJ", "SflKxwRJSMeKKF2QT4fwpMeJ"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpA\nIBAAK\n-----END RSA PRIVATE KEY-----", "MIIEpA"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, hidden):
    assert hidden not in redacted(text)
    assert HIDDEN in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://gateway:8080/api/training_jobs/j/metrics/",
        "X-Callback-Token is not of the form <expiry>.<64 hexadecimal digits>",
        "X-Callback-Signature does not match this body, job, attempt and time",
        f"sha256 {HEX}",
        "s3://bucket/jobs/j/1/model.safetensors",
        "val_loss=0.123, accuracy 0.98, 12 tokens",
        "mail a@b.example",
        "2026-11-26T10:00:00+00:00",
        "the trainer's own report has not arrived",
        '{"level":"INFO","message":"launched","handle":"j/1"}',
    ],
)
def test_everything_else_is_left_as_it_is(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "value",
    [CANARY, 'a "token": "x\\y" b', 'password="p\\"q" rest', 'Authorization: "Basic x\\\\"', "://u:p\\@h"],
)
def test_a_line_stays_json(lines, value):
    redaction.hide([CANARY])
    logging.getLogger("x").warning(
        "told %s", value, extra={"headers": {"Authorization": value, "token": value}}
    )
    [line] = lines().splitlines()
    assert json.loads(line)["level"] == "WARNING"
