import hashlib
import io
import os
import tarfile

import pytest

from runtime.errors import Invalid
from runtime.storage import SizeMismatch
from services.ingest.staging.shards import ShardSource, plan_shards
from services.ingest.staging.spool import files_of

CONTENTS = {
    "a.png": b"first",
    "b/empty.png": b"",
    "b/exact.png": b"x" * 512,
    "b/long " + "n" * 120 + ".png": b"long name",
    "c/日本語.png": b"unicode",
    "c/ü.png": b"u" * 3000,
}


def spool_with(folder, contents):
    for name, data in contents.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read_all(plan, size=700):
    source = ShardSource(plan)
    data = b""
    while block := source.read(size):
        data += block
    return data, source.shard()


def test_a_shard_is_a_tar_file_of_the_announced_size(tmp_path):
    (plan,) = plan_shards(files_of(spool_with(tmp_path, CONTENTS)), 1 << 20)
    data, shard = read_all(plan)
    assert len(data) == plan.size == shard.size
    assert shard.name == "shard-00000.tar"
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    assert plan.content == sum(map(len, CONTENTS.values()))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == CONTENTS


def test_the_entries_say_where_the_bytes_are(tmp_path):
    plans = list(plan_shards(files_of(spool_with(tmp_path, CONTENTS)), 2048))
    assert len(plans) > 1
    shards = [read_all(plan)[0] for plan in plans]
    entries = {name: entry for plan in plans for name, entry in plan.entries().items()}
    assert {
        name: shards[entry.shard][entry.offset : entry.offset + entry.size] for name, entry in entries.items()
    } == CONTENTS


@pytest.mark.parametrize("size", [1, 511, 4096, 1 << 20])
def test_the_size_of_the_reads_changes_nothing(tmp_path, size):
    (plan,) = plan_shards(files_of(spool_with(tmp_path, CONTENTS)), 1 << 20)
    assert read_all(plan, size) == read_all(plan)


def test_two_runs_give_the_same_bytes_whoever_owns_the_files_and_whenever_they_were_made(tmp_path):
    first = spool_with(tmp_path / "first", CONTENTS)
    second = spool_with(tmp_path / "second", dict(reversed(CONTENTS.items())))
    os.utime(second / "files" / "a.png", (1, 1))
    (second / "files" / "a.png").chmod(0o600)
    one, two = (list(plan_shards(files_of(spool), 2048)) for spool in (first, second))
    assert [read_all(plan) for plan in one] == [read_all(plan) for plan in two]


@pytest.mark.parametrize(
    ("sizes", "shard_bytes", "expected"),
    [
        ([], 4096, []),
        ([100], 4096, [1]),
        ([512] * 8, 4096, [4, 4]),
        ([512] * 9, 4096, [4, 4, 1]),
        ([100_000, 1, 1], 4096, [1, 2]),
        ([1, 100_000, 1], 4096, [2, 1]),
    ],
)
def test_a_shard_ends_with_the_file_that_fills_it(tmp_path, sizes, shard_bytes, expected):
    spool = spool_with(tmp_path, {f"{number}": b"x" * size for number, size in enumerate(sizes)})
    plans = list(plan_shards(files_of(spool), shard_bytes))
    assert [len(plan.members) for plan in plans] == expected
    assert [plan.position for plan in plans] == list(range(len(expected)))


@pytest.mark.parametrize("now", [b"", b"shorter", b"longer than it was"])
def test_a_file_that_changed_since_is_an_error(tmp_path, now):
    spool = spool_with(tmp_path, {"a": b"as it was", "b": b""})
    (plan,) = plan_shards(files_of(spool), 4096)
    (spool / "files" / "a").write_bytes(now)
    with pytest.raises(SizeMismatch, match=f"a has {len(now)} bytes, not the 9 it had"):
        read_all(plan)


def test_a_file_that_is_gone_is_an_error(tmp_path):
    spool = spool_with(tmp_path, {"a": b"here", "b": b"gone"})
    (plan,) = plan_shards(files_of(spool), 4096)
    (spool / "files" / "b").unlink()
    with pytest.raises(Invalid, match="b vanished from the spool"):
        read_all(plan)
