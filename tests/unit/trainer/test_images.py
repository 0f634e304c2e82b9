from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from contracts.shards import Entry, Shard, ShardIndex
from support.trainer_jobs import png
from trainer.decoding import decode
from trainer.errors import DataError
from trainer.inputs import LooseFiles, ShardedFiles, open_images
from trainer.models.multimodal.images import build_cache


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_an_image_is_fitted_and_the_rest_is_neutral():
    square = decode(png((200, 0, 0), size=(40, 20)), 16)
    assert square.shape == (16, 16, 3)
    assert square[8, 8].tolist() == [200, 0, 0]
    assert square[0, 0].tolist() == [127, 127, 127]


def test_transparent_pixels_become_neutral():
    assert decode(png((255, 0, 0, 0), mode="RGBA"), 16)[8, 8].tolist() == [127, 127, 127]


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("L", 200), ("1", 1), ("P", 3), ("LA", (90, 255)), ("CMYK", (0, 0, 0, 0)), ("I;16", 5000)],
)
def test_every_mode_is_read(mode, colour):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert decode(encode(Image.new(mode, (9, 9), colour), kind), 16).shape == (16, 16, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_are_read_at_any_size(mode):
    raw = encode(Image.new(mode, (801, 397), 0 if mode == "CMYK" else 128), "JPEG")
    assert decode(raw, 32).shape == (32, 32, 3)


def test_the_camera_orientation_is_followed():
    image = Image.new("RGB", (64, 32), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter clockwise to be upright
    upright = decode(encode(image, "JPEG", exif=exif, quality=95), 32)
    top, bottom = upright[4, 16].astype(int), upright[27, 16].astype(int)
    assert top[0] > 200 > top[2]
    assert bottom[2] > 200 > bottom[0]


def test_the_cache_holds_every_image_once_and_broken_ones_are_missing(tmp_path):
    (tmp_path / "a").mkdir()
    for name, raw in {
        "a/red.png": png((255, 0, 0)),
        "blue.png": png((0, 0, 255)),
        "bad.png": b"not an image",
    }.items():
        (tmp_path / name).write_bytes(raw)
    folder = LooseFiles(tmp_path)
    assert folder.paths == ["a/red.png", "bad.png", "blue.png"]
    cache, broken = build_cache(folder.paths, folder, 16, tmp_path / "work", lambda _: None)
    assert broken == ["bad.png"]
    assert isinstance(cache.pixels, np.memmap)
    cells = [["blue.png"], None, ["bad.png"], ["bad.png", "a/red.png", "blue.png"], []]
    assert cache.numbers(cells).tolist() == [[2, -1], [-1, -1], [-1, -1], [0, 2], [-1, -1]]
    assert cache.pixels[2, 8, 8].tolist() == [0, 0, 255]


def shards(folder, files):
    entries = {}
    with tarfile.open(folder / "shard-00000.tar", "w") as tar:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    with tarfile.open(folder / "shard-00000.tar") as tar:
        for info in tar:
            entries[info.name] = Entry(shard=0, offset=info.offset_data, size=info.size)
    size = (folder / "shard-00000.tar").stat().st_size
    index = ShardIndex(shards=[Shard(name="shard-00000.tar", size=size, sha256="")], files=entries)
    (folder / "shards.json").write_text(index.model_dump_json())


def test_a_shard_set_reads_as_the_files_it_was_made_of(tmp_path):
    files = {"x/1.png": png((1, 2, 3)), "2.png": png((4, 5, 6))}
    shards(tmp_path, files)
    folder = open_images(tmp_path)
    assert isinstance(folder, ShardedFiles)
    assert {path: folder.read(path) for path in folder.paths} == files


def test_a_shard_that_is_cut_short_is_told(tmp_path):
    shards(tmp_path, {"1.png": png((1, 2, 3))})
    (tmp_path / "shard-00000.tar").write_bytes(b"short")
    with pytest.raises(DataError, match=r"shard-00000\.tar has 5 bytes, its index says 10240"):
        open_images(tmp_path)


def test_an_index_that_is_none_is_told(tmp_path):
    (tmp_path / "shards.json").write_text(json.dumps({"files": 3}))
    with pytest.raises(DataError, match=r"shards\.json is not an index of shards"):
        open_images(tmp_path)
