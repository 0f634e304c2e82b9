"""Staging into each store: what lies there afterwards, and after every kind of interruption."""

import io
import tarfile

import pytest

from contracts.shards import ShardIndex
from runtime.errors import Invalid
from runtime.storage import StoreRefused, open_store
from services.ingest.staging import Limits, stage, unstage

FOLDER = "datasets/d1/images"
PACKED = Limits(shard_from_files=3, shard_below_bytes=1000, shard_bytes=4000, large_bytes=3000)
PLAIN = Limits(shard_from_files=1000)
FILES = {f"{number % 3}/image {number}.png": bytes([number]) * (number * 37) for number in range(20)}


def make_spool(folder, files, table=b"image,label\n"):
    folder.mkdir(parents=True)
    (folder / "table.csv").write_bytes(table)
    for name, data in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def spool(tmp_path):
    return make_spool(tmp_path / "spool", FILES)


class Recorder:
    """A store that notes what is put and deleted, and can be reached for so many puts only."""

    def __init__(self, store, puts=1000):
        self._store = store
        self._tickets = iter(range(puts))
        self.done = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def put_stream(self, key, source, size, *, progress=None):
        if next(self._tickets, None) is None:
            raise ConnectionError("the network went away")
        stored = self._store.put_stream(key, source, size, progress=progress)
        self.done.append(("put", key))
        return stored

    def delete(self, key):
        self._store.delete(key)
        self.done.append(("delete", key))


def run(spool, store, limits, progress=lambda _done, _total: None):
    return stage(spool, "d1", store, progress=progress, limits=limits)


def keys_in(store, folder=FOLDER):
    return [found.key.removeprefix(f"{folder}/") for found in store.list(folder)]


def files_in(store):
    """The folder's files as a trainer would read them, in either form."""
    if store.head(f"{FOLDER}/shards.json") is None:
        return {key: store.get_bytes(f"{FOLDER}/{key}") for key in keys_in(store)}
    index = ShardIndex.model_validate_json(store.get_bytes(f"{FOLDER}/shards.json"))
    assert keys_in(store) == [*(shard.name for shard in index.shards), "shards.json"]
    return {
        name: store.get_bytes(f"{FOLDER}/{index.shards[entry.shard].name}", entry.offset, entry.size)
        for name, entry in index.files.items()
    }


@pytest.mark.parametrize("limits", [PLAIN, PACKED], ids=["plain", "packed"])
def test_every_byte_arrives(store, spool, limits):
    reports = []
    staged = run(spool, store, limits, lambda done, total: reports.append((done, total)))

    assert files_in(store) == FILES
    assert store.get_bytes("datasets/d1/table.csv") == b"image,label\n"
    total = sum(map(len, FILES.values())) + 12
    assert (staged.bytes_total, staged.files) == (total, 20)
    assert staged.train_file == store.uri("datasets/d1/table.csv")
    assert staged.train_folder == store.uri(FOLDER)
    assert reports == sorted(reports)
    assert reports[-1] == (total, total)


def test_packed_files_are_whole_tar_files(store, spool):
    staged = run(spool, store, PACKED)
    names = []
    for number in range(staged.shards):
        with tarfile.open(fileobj=io.BytesIO(store.get_bytes(f"{FOLDER}/shard-{number:05}.tar"))) as tar:
            names += tar.getnames()
    assert staged.shards > 2
    assert names == sorted(FILES)


@pytest.mark.parametrize(
    ("files", "packed"),
    [
        ({"a": b"", "b": b"", "c": b""}, True),
        ({"a": b"", "b": b""}, False),  # few
        ({"a": b"", "b": b"", "c": b"x" * 2999}, True),
        ({"a": b"", "b": b"", "c": b"x" * 3000}, False),  # large on average
        ({"shards.json": b"{}"}, True),  # would pass for an index
        ({"folder/shards.json": b"{}"}, False),
    ],
)
def test_what_is_packed(tmp_path, files, packed):
    store = open_store((tmp_path / "objects").as_uri())
    staged = run(make_spool(tmp_path / "spool", files), store, PACKED)
    assert bool(staged.shards) == packed
    assert files_in(store) == files


def test_a_table_alone(tmp_path, store):
    staged = run(make_spool(tmp_path / "spool", {}), store, PACKED)
    assert staged.train_folder is None
    assert keys_in(store, "datasets/d1") == ["table.csv"]


def test_large_files_go_in_parts(tmp_path, store):
    files = {f"{number}": bytes([number]) * (11 << 20) for number in range(3)}
    spool = make_spool(tmp_path / "spool", files, table=b"x" * (6 << 20))
    reports = []
    run(spool, store, Limits(), lambda done, total: reports.append((done, total)))
    assert files_in(store) == files
    assert reports[-1] == (39 << 20, 39 << 20)


@pytest.mark.parametrize("limits", [PLAIN, PACKED], ids=["plain", "packed"])
def test_a_second_run_sends_nothing(store, spool, limits):
    first = run(spool, store, limits)
    again, reports = Recorder(store), []
    assert run(spool, again, limits, lambda *report: reports.append(report)) == first
    assert again.done == []
    assert reports[-1] == (first.bytes_total, first.bytes_total)


@pytest.mark.parametrize("limits", [PLAIN, PACKED], ids=["plain", "packed"])
def test_a_run_that_was_cut_short_is_completed(store, spool, limits):
    with pytest.raises(ConnectionError, match="went away"):
        run(spool, Recorder(store, puts=2), limits)
    assert store.head(f"{FOLDER}/shards.json") is None
    before = {found.key for found in store.list()}
    assert before

    rest = Recorder(store)
    run(spool, rest, limits)
    assert files_in(store) == FILES
    assert not before & {key for _, key in rest.done}


def test_a_progress_function_that_raises_ends_the_run(store, spool):
    def lost(_done, _total):
        raise TimeoutError("the lease is lost")

    with pytest.raises(TimeoutError, match="lease"):
        run(spool, store, PACKED, lost)


@pytest.mark.parametrize("limits", [PLAIN, PACKED], ids=["plain", "packed"])
def test_only_what_is_damaged_is_sent_again(store, spool, limits):
    run(spool, store, limits)
    victim = next(found for found in store.list(FOLDER) if found.size)
    store.put_bytes(victim.key, b"?" * victim.size)

    again = Recorder(store)
    run(spool, again, limits)
    assert files_in(store) == FILES
    index = f"{FOLDER}/shards.json"
    assert again.done == [
        *([("delete", index)] if limits is PACKED else []),  # it must not name a shard that is being replaced
        ("put", victim.key),
        *([("put", index)] if limits is PACKED else []),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PLAIN, PACKED),
        (PACKED, PLAIN),
        (PACKED, Limits(shard_from_files=3, shard_bytes=9000)),
        (Limits(shard_from_files=3, shard_bytes=9000), PACKED),
    ],
    ids=["packed now", "plain now", "fewer shards", "more shards"],
)
def test_another_form_takes_the_place_of_the_old(store, spool, first, second):
    run(spool, store, first)
    store.put_bytes("datasets/d1/schema.json", b"{}")
    changes = Recorder(store)
    run(spool, changes, second)
    assert files_in(store) == FILES
    assert store.head("datasets/d1/schema.json")

    # The index stands only while the shards it names do.
    index = f"{FOLDER}/shards.json"
    touched = [number for number, (_, key) in enumerate(changes.done) if key.endswith(".tar")]
    if second is PLAIN:
        assert ("put", index) not in changes.done
        assert changes.done.index(("delete", index)) < touched[0]
    else:
        put = [number for number, (verb, key) in enumerate(changes.done) if verb == "put" and key != index]
        assert changes.done.index(("put", index)) > max(put)
    if first is PACKED and second is not PLAIN:
        assert changes.done[0] == ("delete", index)


def test_files_that_are_no_longer_in_the_spool_are_removed(store, spool):
    run(spool, store, PLAIN)
    (spool / "files" / "0" / "image 3.png").unlink()
    run(spool, store, PLAIN)
    assert files_in(store) == {name: data for name, data in FILES.items() if name != "0/image 3.png"}


@pytest.mark.parametrize("limits", [PLAIN, PACKED], ids=["plain", "packed"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.unlink(), r"0/image 9\.png vanished from the spool"),
        (lambda path: path.write_bytes(b"x"), "changed while it was staged"),
        (lambda path: path.write_bytes(b"x" * 9999), "changed while it was staged"),
    ],
    ids=["gone", "shorter", "longer"],
)
def test_a_file_that_changes_on_the_way_is_named_in_a_sentence(store, spool, limits, change, sentence):
    class Changing(Recorder):
        def list(self, prefix):
            change(spool / "files" / "0" / "image 9.png")  # after the spool was listed
            return self._store.list(prefix)

    with pytest.raises(Invalid, match=sentence):
        run(spool, Changing(store), limits)
    assert store.head(f"{FOLDER}/shards.json") is None


def test_a_spool_that_is_gone(tmp_path, store):
    with pytest.raises(Invalid, match=r"no table\.csv; upload the data set again"):
        run(tmp_path / "gone", store, PLAIN)


def test_a_name_no_object_may_have(tmp_path, store):
    spool = make_spool(tmp_path / "spool", {"a\\b.png": b""})
    with pytest.raises(Invalid, match=r"A file cannot be stored: bad object key 'a\\\\b.png': backslashes"):
        run(spool, store, PLAIN)


@pytest.mark.usefixtures("s3_url")
def test_a_bucket_that_does_not_exist_is_none_of_the_data_sets_faults(spool):
    with pytest.raises(StoreRefused, match="bucket absent-bucket"):
        run(spool, open_store("s3://absent-bucket"), PLAIN)


def test_unstage_removes_all_of_one_data_set(store, spool):
    run(spool, store, PACKED)
    stage(spool, "d11", store, progress=lambda _done, _total: None, limits=PLAIN)
    assert unstage("d1", store) > 3
    assert unstage("d1", store) == 0
    assert len(list(store.list("datasets/d11"))) == 21
