"""Input that no client of good will sends is refused with words, on both databases; nothing is a server's error."""

from __future__ import annotations

JSON = {"content_type": "application/json"}
WISH = '{"dataset_id": "%s"}'


BODIES = (
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b"\xff\xfe", "not UTF-8"),
    (b'"text"', "Invalid input type"),
    (b"[]", "Invalid input type"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"dataset_id": "a\\u0000b"}', "dataset_id holds NUL"),
    (b'{"dataset_id": "a\\ud800b"}', "dataset_id holds half a surrogate pair"),
    (b'{"dataset_id": "x", "params": {"\\u0000": 1}}', "a name in params holds NUL"),
    (b'{"dataset_id": "x", "feature_columns": ["\\udfff"]}', "feature_columns.0 holds half"),
    (b'{"dataset_id": "x", "learning_rate": NaN}', "holds NaN"),
    (b'{"dataset_id": "x", "learning_rate": 1e999}', "larger than any number"),
    (b'{"dataset_id": "x", "params": {"lr": -Infinity}}', "holds -Infinity"),
    (b'{"dataset_id": "x", "epochs": 1' + b"0" * 5000 + b"}", "a number that is none"),
    (b'{"dataset_id": "x", "epochs": 18446744073709551616}', "epochs"),
    (b'{"dataset_id": "x", "epochs": "1_000"}', "epochs"),
    (b'{"dataset_id": "x", "epochs": true}', "epochs"),
    (b'{"dataset_id": "x", "epohcs": 1}', "epohcs: Unknown field"),
)
PATHS = (
    ("/api/datasets/?page=1&page=2", 422, "page: is given more than once"),
    ("/api/datasets/?colour=red", 422, "colour: Unknown field"),
    ("/api/datasets/?search=%00", 400, "'search' holds NUL"),
    ("/api/datasets/a%00b/", 400, "'path' holds NUL"),
    ("/api/datasets/?page=99999999999999999999", 422, "page"),
    ("/api/datasets/?page=1e3", 422, "page"),
    ("/api/training_jobs/?state=", 422, "state"),
    ("/api/deliveries/9223372036854775808/", 404, "not found"),
    ("/api/deliveries/2147483647/", 404, "There is no delivery"),
    ("/api/datasets/%ED%A0%80/", 404, "There is no data set"),
    ("/api/datasets/?search=%ED%A0%80%FF", 200, None),
)


def test_a_body_is_refused_with_words(platform, subtests):
    for body, words in BODIES:
        with subtests.test(str(body[:40])):
            refused = platform.client.post("/api/training_jobs/", data=body, **JSON)
            assert refused.status_code in {400, 422}
            assert refused.content_type == "application/problem+json"
            assert words in refused.json["detail"]


def test_a_body_of_another_kind_is_refused(platform):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        refused = platform.client.post("/api/training_jobs/", data=WISH % "x", content_type=kind)
        assert refused.status_code == 415
        assert kind in refused.json["detail"]


def test_a_path_or_a_query_is_refused_with_words(platform, subtests):
    for path, status, words in PATHS:
        with subtests.test(path):
            answer = platform.client.get(path)
            assert answer.status_code == status
            if words:
                assert words in answer.json["detail"]


def test_a_body_that_would_fill_the_memory_is_not_read(platform):
    body = b"{" + b" " * platform.settings.max_json_bytes
    refused = platform.client.post("/api/training_jobs/", data=body, headers={"Idempotency-Key": "k"}, **JSON)
    assert (refused.status_code, refused.content_type) == (413, "application/problem+json")
