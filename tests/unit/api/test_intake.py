"""What an upload may look like, what is refused, and what is left in the spool."""

from __future__ import annotations

import io
import random
import stat
import zipfile
from contextlib import closing

import pytest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from runtime.errors import Invalid
from services.api.intake import receive
from services.api.names import safe_name
from services.api.unpacking import Limits

CSV = b"image,label\na.png,cat\n"
LIMITS = Limits(files=10, unzipped_bytes=10_000, zip_ratio=50)


def send(folder, limits=LIMITS, **parts):
    """Receive a multipart body; a part is bytes, (bytes, name), or a list of those."""
    data = {}
    for field, value in parts.items():
        values = value if isinstance(value, list) else [value]
        data[field] = [(io.BytesIO(item[0]), item[1]) if isinstance(item, tuple) else item for item in values]
    builder = EnvironBuilder(method="POST", data=data, content_type="multipart/form-data")
    environ = builder.get_environ()
    boundary = environ["CONTENT_TYPE"].partition("boundary=")[2].strip('"').encode() or b"none"
    with closing(environ["wsgi.input"]) as body:
        return receive(body, boundary, int(environ["CONTENT_LENGTH"]), folder, limits)


def zipped(*entries, mode=0o644, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, data)
    return out.getvalue()


def test_a_table_with_images_and_a_zip(tmp_path):
    upload = send(
        tmp_path / "d",
        file=(CSV, "pets.csv"),
        images=[(b"one", "a.png"), (b"two", "more/b.png")],
        archive=(
            zipped(("deep/c.png", b"three"), ("__MACOSX/c.png", b"junk"), (".DS_Store", b"junk")),
            "x.zip",
        ),
        name="Pets",
    )
    assert (upload.name, upload.table_name, upload.table_bytes) == ("Pets", "pets.csv", len(CSV))
    assert upload.files == ["a.png", "deep/c.png", "more/b.png"]
    assert upload.file_bytes == 11
    assert upload.table.read_bytes() == CSV
    assert (upload.folder / "files/more/b.png").read_bytes() == b"two"
    assert not (upload.folder / "incoming").exists()


def test_a_zip_alone_may_hold_the_table(tmp_path):
    upload = send(tmp_path / "d", archive=(zipped(("data/meta.csv", CSV), ("data/a.png", b"x")), "all.zip"))
    assert (upload.table_name, upload.files, upload.table.read_bytes()) == ("meta.csv", ["data/a.png"], CSV)


def test_a_thousand_images_of_many_megabytes(tmp_path):
    rng = random.Random(0)
    images = [(rng.randbytes(rng.randint(100, 9000)), f"photos/{number}.jpg") for number in range(1000)]
    limits = Limits(files=1000, unzipped_bytes=1, zip_ratio=2)
    upload = send(tmp_path / "d", limits, file=(CSV * 100_000, "a.csv"), images=images)
    assert (len(upload.files), upload.file_bytes) == (1000, sum(len(raw) for raw, _ in images))
    assert (upload.folder / "files/photos/999.jpg").read_bytes() == images[999][0]


REFUSED = {
    "nothing": ({}, "There is no CSV"),
    "no table": ({"images": (b"x", "a.png")}, "There is no CSV"),
    "two tables": ({"file": [(CSV, "a.csv"), (CSV, "b.csv")]}, "exactly one CSV"),
    "unknown part": ({"file": (CSV, "a.csv"), "photo": (b"x", "a.png")}, "Unknown file field 'photo'"),
    "two tables in a zip": (
        {"archive": (zipped(("a.csv", CSV), ("b.csv", CSV)), "x.zip")},
        "The zip holds 2 tables",
    ),
    "climbing name": (
        {"file": (CSV, "a.csv"), "images": (b"x", "../../a.png")},
        r"'\.\./\.\./a\.png' is not a relative",
    ),
    "absolute name": ({"file": (CSV, "a.csv"), "images": (b"x", "/etc/passwd")}, "is not a relative path"),
    "drive letter": ({"file": (CSV, "a.csv"), "images": (b"x", "C:\\a.png")}, "is not a relative path"),
    "same name twice": (
        {"file": (CSV, "a.csv"), "images": [(b"x", "a.png"), (b"y", "./a.png")]},
        "in the upload twice",
    ),
    "file as folder": (
        {"file": (CSV, "a.csv"), "images": [(b"x", "a"), (b"y", "a/b.png")]},
        "a file of the same name",
    ),
    "zip slip": (
        {"file": (CSV, "a.csv"), "archive": (zipped(("../a.png", b"x")), "x.zip")},
        "not a relative path",
    ),
    "symbolic link": (
        {
            "file": (CSV, "a.csv"),
            "archive": (zipped(("a", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "x.zip"),
        },
        "symbolic link",
    ),
    "not a zip": (
        {"file": (CSV, "a.csv"), "archive": (b"PK nonsense", "x.zip")},
        "'x.zip' cannot be unpacked",
    ),
    "bomb": (
        {"file": (CSV, "a.csv"), "archive": (zipped(("a.png", b"0" * 1_000_000)), "x.zip")},
        "unpacks to more than",
    ),
    "too many entries": (
        {"file": (CSV, "a.csv"), "archive": (zipped(*((f"{n}.png", b"x") for n in range(11))), "x.zip")},
        "has 11 entries; an upload may hold 10 files",
    ),
    "more bytes than allowed": (
        {
            "file": (CSV, "a.csv"),
            "archive": (
                zipped(
                    *((f"{n}.png", bytes(range(256)) * 16) for n in range(4)), compression=zipfile.ZIP_STORED
                ),
                "x.zip",
            ),
        },
        "unpacks to more than",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_upload_is_refused_and_leaves_nothing_behind(tmp_path, case):
    parts, complaint = REFUSED[case]
    with pytest.raises(Invalid, match=complaint):
        send(tmp_path / "d", **(parts or {"name": "x"}))
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_body_is_refused(tmp_path):
    with pytest.raises(Invalid, match="not well-formed"):
        receive(io.BytesIO(b"--b\r\nContent-Disp"), b"b", None, tmp_path / "d", LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_too_many_parts_are_refused(tmp_path):
    images = [(b"x", f"{number}.png") for number in range(20)]
    with pytest.raises(RequestEntityTooLarge, match="more than 10 files"):
        send(tmp_path / "d", file=(CSV, "a.csv"), images=images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a.png", "a.png"), ("./a/b.png", "a/b.png"), ("a\\b c.png", "a/b c.png"), ("ä/😀.png", "ä/😀.png")],
)
def test_good_names_are_kept_as_relative_paths(given, kept):
    assert safe_name(given) == kept


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/../b", "a\0b", "a\nb", "x" * 256, "a/" * 300 + "b", "C:a"]
)
def test_bad_names_are_refused(name):
    with pytest.raises(Invalid, match="file name"):
        safe_name(name)
