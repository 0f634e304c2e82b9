"""The checks before a job over REST: what stops one, what is kept with it, and where the files are read from."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from contracts.shards import Entry, Shard, ShardIndex

pytestmark = pytest.mark.sqlite

ROWS = 40


def picture(color="red", side=8, form="PNG"):
    out = io.BytesIO()
    Image.new("RGB", (side, side), color).save(out, form)
    return out.getvalue()


def table(rows=ROWS, leak="", missing=0):
    """Rows of two classes in random-looking order, each with an image, words, and a column that may give the class away."""
    lines = ["photo,words,hint,label"]
    for n in range(rows):
        label = "cat" if n * 7 % 13 % 2 else "dog"
        lines.append(
            f"p{n}.png,the words of row {n} are its own,{leak and leak + label},{label if n >= missing else ''}"
        )
    return "\n".join(lines) + "\n"


LEAKING = table(rows=200, leak="of the ")


def upload(platform, text, images=None):
    response = platform.upload(text, images=images or 0)
    assert response.status_code == 201, response.text
    return response.json["id"]


def pictures(rows=ROWS, **changed):
    return {f"p{n}.png": picture() for n in range(rows)} | changed


def wish(dataset, **changes):
    return {
        "dataset_id": dataset,
        "model": "dummy_model",
        "target": "label",
        "feature_columns": ["words"],
    } | changes


def check(platform, dataset, **changes):
    response = platform.client.post("/api/training_jobs/preflight/", json=wish(dataset, **changes))
    assert response.status_code == 200, response.text
    return response.json


def create(platform, dataset, **changes):
    return platform.client.post("/api/training_jobs/", json=wish(dataset, **changes))


def codes(answer, severity=None):
    return [one["code"] for one in answer["findings"] if severity in {None, one["severity"]}]


def jobs(platform):
    return platform.client.get("/api/training_jobs/").json["total"]


def test_warnings_are_kept_with_the_job(platform):
    dataset = upload(platform, table())
    job = create(platform, dataset).json
    (finding,) = job["findings"]
    assert (finding["code"], finding["severity"], finding["ignored"]) == (
        "few-validation-rows",
        "warning",
        False,
    )
    assert platform.client.get(f"/api/training_jobs/{job['id']}/").json["findings"] == job["findings"]


def test_an_error_stops_the_job_and_tells_every_finding(platform):
    response = create(platform, upload(platform, LEAKING), feature_columns=["words", "hint"])
    assert (response.status_code, response.mimetype) == (422, "application/problem+json")
    problem = response.json
    assert problem["detail"].startswith("'hint' gives the target away")
    assert problem["detail"].endswith('To train all the same, send "ignore": ["target-leak"].')
    assert codes(problem) == ["target-leak"]
    assert problem["findings"][0]["overridable"] is True
    assert jobs(platform) == 0


def test_an_error_that_is_ignored_is_kept_with_the_job(platform):
    dataset = upload(platform, LEAKING)
    response = create(
        platform, dataset, feature_columns=["words", "hint"], ignore=["target-leak"], start=True
    )
    assert response.status_code == 201, response.text
    (finding,) = response.json["findings"]
    assert (finding["code"], finding["severity"], finding["ignored"]) == ("target-leak", "error", True)
    assert response.json["state"] == "queued"


def test_what_a_trainer_would_refuse_cannot_be_ignored(platform):
    text = table().replace("\n", ",train\n").replace("label,train", "label,part")
    response = create(platform, upload(platform, text), split_column="part", ignore=["split-column"])
    assert response.status_code == 422
    assert "marks no row as 'val'" in response.json["detail"]
    assert "ignore" not in response.json["detail"]


def test_codes_that_do_not_exist_are_refused_with_those_that_do(platform):
    response = create(platform, upload(platform, table()), ignore=["leak"])
    assert response.status_code == 422
    assert "Must be one of: target-missing, one-class" in response.json["detail"]


def test_a_check_makes_no_job(platform):
    answer = check(
        platform, upload(platform, LEAKING), feature_columns=["words", "hint"], ignore=["target-leak"]
    )
    assert codes(answer, "error") == ["target-leak"]
    assert (answer["version"], answer["rows"], answer["images"]) == (1, 200, 0)
    assert answer["findings"][0]["ignored"] is True
    assert jobs(platform) == 0


def test_the_same_question_is_answered_again_without_a_look_at_the_files(platform, monkeypatch):
    dataset, other = upload(platform, LEAKING), upload(platform, table())
    looks = []
    files = platform.app.extensions["triptych"].files
    read = files.read_table
    monkeypatch.setattr(files, "read_table", lambda *asked: looks.append(1) or read(*asked))

    def looked(of=dataset, **changes):
        looks.clear()
        found = check(platform, of, **changes)
        return bool(looks), {finding["code"] for finding in found["findings"]}

    assert looked() == (True, set())
    assert looked(epochs=7) == (False, set())
    assert looked(feature_columns=["hint"]) == (True, {"target-leak"})
    assert looked(feature_columns=["hint"], ignore=["target-leak"]) == (False, {"target-leak"})
    assert looked(other)[0]
    assert looked(validation_split=0.4)[0]


def test_wrong_settings_are_refused_before_anything_is_checked(platform):
    response = platform.client.post(
        "/api/training_jobs/preflight/", json=wish(upload(platform, table()), target="nope")
    )
    assert (response.status_code, "findings" in response.json) == (422, False)


def test_too_few_rows_are_a_setting(platform):
    assert codes(check(platform, upload(platform, table(rows=19))), "error") == ["too-few-rows"]
    assert codes(check(platform, upload(platform, table(rows=20))), "error") == []


BROKEN = {
    "cut": picture("blue", 64)[:-40],
    "no-image": b"<html>not found</html>",
    "empty": b"",
    "jpeg-cut": picture("blue", 400, "JPEG")[:2000],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_images_are_found_in_the_spool(platform, kind):
    dataset = upload(platform, table(), pictures(**{"p7.png": BROKEN[kind]}))
    answer = check(platform, dataset, feature_columns=["photo"])
    broken = next(one for one in answer["findings"] if one["code"] == "images-broken")
    assert (broken["severity"], broken["values"], answer["images"]) == ("warning", ["p7.png"], ROWS)


def test_missing_images_are_told_from_what_was_detected(platform):
    dataset = upload(platform, table(), {name: raw for name, raw in pictures().items() if name != "p3.png"})
    answer = check(platform, dataset, feature_columns=["photo"])
    missing = next(one for one in answer["findings"] if one["code"] == "images-missing")
    assert (missing["severity"], missing["values"], answer["images"]) == ("warning", ["p3.png"], ROWS - 1)


def test_images_are_only_decoded_where_they_are_a_feature(platform):
    dataset = upload(platform, table(), pictures(**{"p7.png": b"no image"}))
    assert check(platform, dataset)["images"] == 0


def test_staged_files_are_read_from_the_store(platform):
    dataset = upload(platform, table(), pictures(**{"p7.png": b"no image"}))
    platform.stage(dataset)
    assert not (platform.settings.spool_dir / dataset).exists()
    answer = check(platform, dataset, feature_columns=["photo", "words"])
    assert (answer["rows"], answer["rows_in_table"], answer["images"]) == (ROWS, ROWS, ROWS)
    assert "images-broken" in codes(answer)


def test_staged_files_are_read_out_of_shards(platform):
    files = pictures(**{"p7.png": b"no image"})
    dataset = upload(platform, table(), files)
    platform.stage(dataset)
    root = f"datasets/{dataset}/images"
    platform.store.delete_prefix(root)
    entries, shard = {}, b""
    for name, raw in files.items():
        entries[name] = Entry(shard=0, offset=len(shard), size=len(raw))
        shard += raw
    index = ShardIndex(shards=[Shard(name="shard-0.tar", size=len(shard), sha256="0")], files=entries)
    platform.store.put_bytes(f"{root}/shard-0.tar", shard)
    platform.store.put_bytes(f"{root}/shards.json", json.dumps(index.model_dump(mode="json")).encode())
    answer = check(platform, dataset, feature_columns=["photo"])
    assert answer["images"] == ROWS
    assert "images-broken" in codes(answer)


def test_a_data_set_that_is_staged_just_now_is_looked_up_again(platform, monkeypatch):
    """Between the look at the data set and the look at its files the spool may go."""
    dataset = upload(platform, table())
    checks = platform.app.extensions["triptych"].checks
    run, seen = checks.run, []

    def staged_meanwhile(found, *arguments):
        seen.append(found.train_file)
        if len(seen) == 1:
            platform.stage(dataset)
        return run(found, *arguments)

    monkeypatch.setattr(checks, "run", staged_meanwhile)
    assert check(platform, dataset)["rows"] == ROWS
    assert seen[0] is None
    assert seen[1] is not None


def test_a_table_of_the_first_rows_known_alone_is_checked_whole(platform):
    rows = "".join(
        f"the words of row {n} are its own,{'late' if n == 2500 else 'ab'[n % 2]}\n" for n in range(2600)
    )
    answer = check(platform, upload(platform, "words,label\n" + rows))
    assert (answer["rows"], answer["rows_in_table"]) == (2600, None)
    single = next(one for one in answer["findings"] if one["code"] == "single-row-classes")
    assert (single["values"], single["rows"]) == (["late"], [2501])


def test_the_openapi_page_tells_of_findings(platform):
    page = platform.client.get("/api/openapi.json").json
    assert "/api/training_jobs/preflight/" in page["paths"]
    refusal = page["paths"]["/api/training_jobs/"]["post"]["responses"]["422"]
    assert "Problem" in json.dumps(refusal)
    finding = page["components"]["schemas"]["Finding"]["properties"]
    assert "target-leak" in finding["code"]["enum"]
    assert "ignore" in page["components"]["schemas"]["JobWish"]["properties"]
