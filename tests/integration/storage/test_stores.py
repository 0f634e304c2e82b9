"""What every object store does, whichever one it is."""

import base64
import io
import random
import urllib.request
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from boto3.s3.transfer import TransferConfig
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from runtime.errors import NotFound
from runtime.storage import Corrupt, SizeMismatch, StoredObject, StoreRefused, open_store
from runtime.storage.files import _write
from runtime.storage.s3 import S3Store, make_client

PART = 5 << 20  # of the S3 store: the least it accepts
LARGE = random.Random(1).randbytes(2 * PART + 12_345)  # three parts, the last one odd


def crc_of(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Trickle:
    """A source whose reads come short, as those of a socket do."""

    def __init__(self, data):
        self._rest = io.BytesIO(data)

    def read(self, size, /):
        return self._rest.read(min(size, 100_000))


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "small", "large"])
def test_what_is_put_comes_back(store, tmp_path, data):
    source, target = tmp_path / "source", tmp_path / "new folder" / "target"
    source.write_bytes(data)
    moved = []

    put = store.put_file("a/b.bin", source, progress=moved.append)

    assert (put.key, put.size) == ("a/b.bin", len(data))
    assert put.checksum
    assert sum(moved) == len(data)
    assert store.get_bytes("a/b.bin") == data
    with store.open("a/b.bin") as blocks:
        assert b"".join(blocks) == data
    store.download("a/b.bin", target)
    assert target.read_bytes() == data


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 4, b"3456"),
        (8, 5, b"89"),
        (4, 0, b""),
        (10, None, b""),
        (12, 3, b""),
    ],
)
def test_ranged_reads(store, start, length, expected):
    store.put_bytes("digits", b"0123456789")
    assert store.get_bytes("digits", start, length) == expected


def test_putting_again_replaces(store):
    store.put_bytes("key", b"first, and longer")
    store.put_bytes("key", b"second")
    assert store.get_bytes("key") == b"second"


@pytest.mark.parametrize("size", [10, 2 * PART], ids=["small", "large"])
def test_a_stream_may_trickle(store, size):
    store.put_stream("key", Trickle(LARGE[:size]), size)
    assert store.get_bytes("key") == LARGE[:size]


@pytest.mark.parametrize(
    ("came", "announced"), [(9, 10), (11, 10), (PART + 1, PART), (PART, 2 * PART), (2, PART), (PART + 7, 3)]
)
def test_a_stream_of_another_size_than_announced_leaves_nothing(store, came, announced):
    with pytest.raises(SizeMismatch, match=f"{announced}( bytes)? announced"):
        store.put_stream("folder/key", io.BytesIO(LARGE[:came]), announced)
    assert store.head("folder/key") is None
    assert list(store.list()) == []


def test_a_source_that_fails_leaves_nothing(store):
    class Breaking(io.BytesIO):
        def read(self, size=-1, /):
            if self.tell() > PART:
                raise OSError("the disk went away")
            return super().read(size)

    with pytest.raises(OSError, match="went away"):
        store.put_stream("key", Breaking(LARGE), len(LARGE))
    assert list(store.list()) == []


@pytest.mark.parametrize("data", [b"", b"some bytes", LARGE], ids=["empty", "small", "large"])
def test_holds_tells_the_same_bytes_from_others(store, data):
    store.put_bytes("put whole", data)
    store.put_stream("put in parts", io.BytesIO(data), len(data))
    for key in ("put whole", "put in parts"):
        assert store.holds(key, io.BytesIO(data), len(data))
        assert not store.holds(key, io.BytesIO(data + b"!"), len(data) + 1)
        if data:
            other = data[:-1] + bytes([data[-1] ^ 1])
            assert not store.holds(key, io.BytesIO(other), len(other))
    assert not store.holds("absent", io.BytesIO(data), len(data))


@pytest.mark.parametrize(
    "read",
    [
        lambda store, _: store.get_bytes("absent"),
        lambda store, _: store.get_bytes("absent", 2, 3),
        lambda store, _: store.open("absent").__enter__(),
        lambda store, path: store.download("absent", path),
        lambda store, _: store.get_bytes("folder"),
    ],
    ids=["get", "range", "open", "download", "folder"],
)
def test_reading_what_is_not_there(store, tmp_path, read):
    store.put_bytes("folder/key", b"")
    with pytest.raises(NotFound, match=r"There is no object (absent|folder)"):
        read(store, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_head(store):
    store.put_bytes("a/b", b"123")
    found = store.head("a/b")
    assert (found.key, found.size) == ("a/b", 3)
    assert store.head("a") is None
    assert store.head("a/c") is None


def test_list_is_sorted_and_knows_folders_from_names_that_begin_alike(store):
    for key in ["a/b/c", "a/b!", "a/bc/d", "a/b/é", "z", "a/b/D"]:
        store.put_bytes(key, b"1")
    assert [found.key for found in store.list()] == ["a/b!", "a/b/D", "a/b/c", "a/b/é", "a/bc/d", "z"]
    assert list(store.list("a/b")) == [StoredObject(key, 1) for key in ["a/b/D", "a/b/c", "a/b/é"]]
    assert list(store.list("a/b/")) == list(store.list("a/b"))
    assert list(store.list("none")) == []


def test_delete(store):
    store.put_bytes("a", b"")
    store.delete("a")
    store.delete("a")
    assert store.head("a") is None


def test_delete_prefix(store):
    for key in ["a/b/c", "a/b/d/e", "a/bc"]:
        store.put_bytes(key, b"1")
    assert store.delete_prefix("a/b") == 2
    assert store.delete_prefix("a/b") == 0
    assert [found.key for found in store.list()] == ["a/bc"]
    with pytest.raises(ValueError, match="whole store"):
        store.delete_prefix("")


@pytest.mark.parametrize("key", ["plain.csv", "a b/ü/100%.png", "q?x=1#y/+&.png", "%41"])
def test_uris_and_keys_turn_into_each_other(store, key):
    store.put_bytes(key, b"here")
    assert store.key_of(store.uri(key)) == key
    assert store.get_bytes(store.key_of(store.uri(key))) == b"here"


@pytest.mark.parametrize(
    "uri", ["s3://other/some/prefix/key", "s3://bucket/other/key", "file:///etc/passwd", "key"]
)
def test_a_uri_of_another_store_is_refused(store, uri):
    with pytest.raises(ValueError, match="does not lie in"):
        store.key_of(uri)


def test_a_uri_cannot_climb_out(store):
    with pytest.raises(ValueError, match="every part"):
        store.key_of(store.uri("a/b").removesuffix("a/b") + "../b")


def test_check(store):
    store.check()


def test_a_bad_key_is_refused_everywhere(store, tmp_path):
    uses = [
        store.uri,
        store.head,
        store.get_bytes,
        store.delete,
        store.delete_prefix,
        lambda key: store.put_bytes(key, b""),
        lambda key: store.put_file(key, tmp_path / "absent"),
        lambda key: store.holds(key, io.BytesIO(), 0),
        lambda key: store.download(key, tmp_path / "target"),
        lambda key: store.presign(key, seconds=1, filename="x"),
        lambda key: list(store.list(key)),
        lambda key: store.open(key).__enter__(),
    ]
    (tmp_path / "absent").touch()
    for use in uses:
        with pytest.raises(ValueError, match=r"bad object key '\.\./key'"):
            use("../key")


class TestOnlyS3:
    def test_a_link_downloads_under_a_name(self, s3_url):
        store = open_store(s3_url)
        store.put_bytes("jobs/model.pt", b"weights", "application/x-thing")
        link = store.presign("jobs/model.pt", seconds=60, filename='my "best" modèl.pt')
        assert "X-Amz-Signature" in link
        with urllib.request.urlopen(link) as answer:
            assert answer.read() == b"weights"
            assert answer.headers["Content-Type"] == "application/x-thing"
            assert (
                answer.headers["Content-Disposition"]
                == "attachment; filename*=UTF-8''my%20%22best%22%20mod%C3%A8l.pt"
            )

    @pytest.mark.usefixtures("s3_url")
    def test_a_missing_bucket_is_refused_for_good(self):
        store = open_store("s3://absent-bucket/x")
        for use in (
            store.check,
            lambda: store.put_bytes("k", b""),
            lambda: store.get_bytes("k"),
            lambda: list(store.list()),
        ):
            with pytest.raises(StoreRefused, match="absent-bucket"):
                use()
        with pytest.raises(StoreRefused, match="absent-bucket"):
            store.put_stream("k", io.BytesIO(LARGE), len(LARGE))

    def test_missing_credentials_are_refused_for_good(self, s3_url, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        with pytest.raises(StoreRefused, match="credentials"):
            open_store(s3_url).put_bytes("k", b"")

    def test_more_than_a_page_is_listed_and_deleted(self, s3_store):
        keys = [f"many/{number:04}" for number in range(1003)]
        for key in keys:  # straight into the server's memory: 1,003 requests would take ten seconds
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object("bucket", f"some/prefix/{key}", b"")
        assert [found.key for found in s3_store.list("many")] == keys
        assert s3_store.delete_prefix("many") == 1003
        assert list(s3_store.list("many")) == []

    def test_unfinished_uploads_go_with_their_folder(self, s3_store):
        client = make_client(1)
        for key in ("some/prefix/a/b", "some/prefix/ab"):
            client.create_multipart_upload(Bucket="bucket", Key=key)
        s3_store.delete_prefix("a")
        left = client.list_multipart_uploads(Bucket="bucket")["Uploads"]
        assert [upload["Key"] for upload in left] == ["some/prefix/ab"]


class TestWhatS3Tells:
    """A service may tell another checksum than ours, none, or one of the kind that depends on the part size."""

    @pytest.fixture
    def client(self, s3_url):  # noqa: ARG002 - the client finds the server by the environment
        return make_client(3)

    @pytest.fixture
    def store(self, client):
        return S3Store(client, "bucket", "told", part_bytes=PART, connections=3)

    def tell(self, client, operation, **answer):
        def change(parsed, **_):
            parsed.pop("ChecksumCRC32", None)
            parsed.update(answer)

        client.meta.events.register(f"after-call.s3.{operation}", change)

    def damage(self, client, operation):
        """Let another object take the place of the one put as soon as it is there."""

        def replace(**_):
            other = make_client(1)
            size = other.head_object(Bucket="bucket", Key="told/key")["ContentLength"]
            other.put_object(Bucket="bucket", Key="told/key", Body=b"?" * size)

        client.meta.events.register(f"after-call.s3.{operation}", replace)

    def test_another_checksum_than_ours_for_a_small_object(self, client, store):
        self.tell(client, "PutObject", ChecksumCRC32="AAAAAA==")
        with pytest.raises(Corrupt, match=r"told/key has CRC-32 AAAAAA==, \S{6}== was sent"):
            store.put_bytes("key", b"small")

    def test_another_checksum_than_ours_for_a_large_object(self, client, store):
        self.damage(client, "CompleteMultipartUpload")
        with pytest.raises(Corrupt, match="CRC-32"):
            store.put_stream("key", io.BytesIO(LARGE), len(LARGE))

    def test_another_size_than_ours(self, client, store):
        self.tell(client, "HeadObject", ContentLength=5)
        with pytest.raises(Corrupt, match=f"has 5 bytes, {len(LARGE)} were sent"):
            store.put_stream("key", io.BytesIO(LARGE), len(LARGE))

    UNUSABLE = (
        {},  # none
        {"ChecksumCRC32": "AAAAAA==-7", "ChecksumType": "COMPOSITE"},  # over other parts than ours
    )

    @pytest.mark.parametrize("told", UNUSABLE)
    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_without_a_checksum_like_ours_the_object_is_read_back(self, client, store, data, told):
        reads = []
        client.meta.events.register("before-call.s3.GetObject", lambda **_: reads.append(1))
        self.tell(client, "PutObject", **told)
        self.tell(client, "HeadObject", **told)
        store.put_stream("key", io.BytesIO(data), len(data))
        assert len(reads) == 1
        assert store.holds("key", io.BytesIO(data), len(data))
        assert not store.holds("key", io.BytesIO(b"?" * len(data)), len(data))
        assert len(reads) == 3

    @pytest.mark.parametrize("told", UNUSABLE)
    def test_reading_back_finds_damage(self, client, store, told):
        for data, sending in ((b"small", "PutObject"), (LARGE, "CompleteMultipartUpload")):
            self.tell(client, "PutObject", **told)
            self.tell(client, "HeadObject", **told)
            self.damage(client, sending)
            with pytest.raises(Corrupt, match="CRC-32"):
                store.put_stream("key", io.BytesIO(data), len(data))

    @pytest.mark.parametrize("extra", [{"ChecksumType": "COMPOSITE"}, {"ChecksumType": "FULL_OBJECT"}, {}])
    def test_what_boto3_uploads_itself_is_known_again(self, client, store, extra):
        client.upload_fileobj(
            io.BytesIO(LARGE),
            "bucket",
            "told/key",
            ExtraArgs={"ChecksumAlgorithm": "CRC32", **extra},
            Config=TransferConfig(multipart_chunksize=PART, multipart_threshold=PART),
        )
        if extra == {"ChecksumType": "FULL_OBJECT"}:
            self.tell(
                client, "HeadObject", ChecksumCRC32=crc_of(LARGE), **extra
            )  # moto does not tell the type
        assert store.holds("key", io.BytesIO(LARGE), len(LARGE))
        assert not store.holds("key", io.BytesIO(b"?" * len(LARGE)), len(LARGE))


class TestOnlyFile:
    def test_no_link(self, tmp_path):
        assert open_store(tmp_path.as_uri()).presign("key", seconds=1, filename="x") is None

    def test_a_folder_that_may_not_be_written_to(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(StoreRefused, match="cannot be written"):
            open_store((tmp_path / "file").as_uri())

    def test_a_key_under_an_object_is_refused(self, tmp_path):
        store = open_store(tmp_path.as_uri())
        store.put_bytes("a", b"")
        with pytest.raises(StoreRefused, match="cannot be written"):
            store.put_bytes("a/b", b"")

    def test_unfinished_writes_are_not_listed_and_go_with_their_folder(self, tmp_path):
        store = open_store(tmp_path.as_uri())
        store.put_bytes("a/b", b"")
        (tmp_path / "a" / ".part-0").write_bytes(b"half")
        assert [found.key for found in store.list()] == ["a/b"]
        assert store.delete_prefix("a") == 1
        assert not (tmp_path / "a").exists()

    def test_what_is_damaged_on_the_way_is_not_taken(self, tmp_path, monkeypatch):
        def write_and_damage(path, source, progress):
            digest = _write(path, source, progress)
            path.write_bytes(b"?" * path.stat().st_size)
            return digest

        monkeypatch.setattr("runtime.storage.files._write", write_and_damage)
        store = open_store(tmp_path.as_uri())
        with pytest.raises(Corrupt, match="does not hold the bytes"):
            store.put_bytes("key", b"data")
        assert list(store.list()) == []


def test_folders_are_named_without_a_look_at_what_is_in_them(store):
    for key in ("jobs/a/1/x", "jobs/a/2/x", "jobs/b/x", "jobs/file", "jobsandmore/c/x", "other/d/x"):
        store.put_bytes(key, b"x")
    assert sorted(store.folders("jobs")) == ["a", "b"]
    assert sorted(store.folders("jobs/a")) == ["1", "2"]
    assert list(store.folders("nothing")) == []


def test_unfinished_writes_go_once_nothing_was_added_for_long(store, s3_store, tmp_path):
    store.put_bytes("a/whole", b"x")
    store.drop_unfinished(datetime.now(UTC) + timedelta(hours=1))  # what other tests left
    if store is s3_store:
        client = make_client(1)
        begun = {"Bucket": "bucket", "Key": "some/prefix/a/half"}
        upload = begun | {"UploadId": client.create_multipart_upload(**begun)["UploadId"]}
        client.upload_part(**upload, PartNumber=1, Body=b"x")
        client.create_multipart_upload(Bucket="bucket", Key="some/prefix-of-others/x")
        unfinished = lambda: [  # noqa: E731
            each["Key"] for each in client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
        ]
        others = ["some/prefix-of-others/x"]
    else:
        half = tmp_path / "my objects" / "a" / ".part-0"
        half.write_bytes(b"half")
        unfinished = lambda: [half.name] if half.exists() else []  # noqa: E731
        others = []
    before = unfinished()
    assert store.drop_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert unfinished() == before
    assert store.drop_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert unfinished() == others
    assert [found.key for found in store.list("a")] == ["a/whole"]
    if others:
        uploads = client.list_multipart_uploads(Bucket="bucket")["Uploads"]
        client.abort_multipart_upload(Bucket="bucket", Key=others[0], UploadId=uploads[0]["UploadId"])
