from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from support.trainer_jobs import png
from trainer.features.descriptors import BINS, CELLS, LENGTH, PARTS, SIZE, ImageDescriptors, describe
from trainer.inputs import LooseFiles


class Counting(LooseFiles):
    def __init__(self, root):
        super().__init__(root)
        self.reads = []

    def read(self, path):
        self.reads.append(path)
        return super().read(path)


def cells(*lists):
    return pl.Series(lists, dtype=pl.List(pl.String))


def stripes(angle):
    """An image of stripes across a direction, in degrees."""
    down, across = np.mgrid[:SIZE, :SIZE]
    turned = across * np.cos(np.radians(angle)) + down * np.sin(np.radians(angle))
    grey = (127 + 100 * np.sin(turned / 2)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("angle", [0, 40, 80, 120, 160])
def test_gradients_fall_into_the_bin_of_their_orientation(angle):
    cells = describe(stripes(angle)[None])[0, PARTS[0]].reshape(CELLS, CELLS, BINS)
    assert set(cells[1:-1, 1:-1].argmax(axis=2).ravel()) == {angle * BINS // 180}


def test_gradients_do_not_change_with_brightness_much():
    bright, dark = describe(np.stack([stripes(40), stripes(40) // 3]))[:, PARTS[0]]
    assert np.corrcoef(bright, dark)[0, 1] > 0.99


def test_edges_between_colours_of_one_brightness_are_seen():
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    image[..., 0], image[:, :, SIZE // 2 :, 0], image[:, :, SIZE // 2 :, 1] = 200, 0, 200
    assert describe(image)[0, PARTS[0]].max() > 0.1


def test_colours_are_counted_and_placed():
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    image[:, : SIZE // 2] = (255, 0, 0)
    histogram, layout = (describe(image)[0, part] for part in PARTS[1:])
    assert np.square(histogram).sum() == pytest.approx(1)
    assert np.flatnonzero(histogram).tolist() == [0, 3 * 16]
    assert layout.reshape(4, 4, 3)[[0, 3], 0].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_each_file_is_decoded_once_and_gaps_are_nan(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png((9, 9, 9)))
    (tmp_path / "bad.png").write_bytes(b"none")
    folder = Counting(tmp_path)
    images, shares = ImageDescriptors(folder), []
    images.load(cells(["a.png"], None, ["bad.png"]), shares.append)
    found = images.of(cells(["b.png"], None, ["bad.png"], ["a.png"], ["a.png", "bad.png"]))
    assert sorted(folder.reads) == ["a.png", "b.png", "bad.png"]
    assert images.broken == ["bad.png"]
    assert shares[-1] == 1
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False, False]
    assert np.array_equal(found[0], found[4])


def test_a_cell_of_several_images_has_their_mean(tmp_path):
    for name, colour in {"red.png": (255, 0, 0), "blue.png": (0, 0, 255)}.items():
        (tmp_path / name).write_bytes(png(colour))
    red, blue, both = ImageDescriptors(LooseFiles(tmp_path)).of(
        cells(["red.png"], ["blue.png"], ["red.png", "blue.png"])
    )
    assert both == pytest.approx((red + blue) / 2)


def test_without_a_folder_every_image_is_missing():
    assert np.isnan(ImageDescriptors(None).of(cells(None, None))).all()
    assert ImageDescriptors(None).of(cells()).shape == (0, LENGTH)


def test_many_files_keep_their_order(tmp_path):
    names = [f"{number:03}.png" for number in range(100)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(png((number * 2, 0, 0)))
    layouts = ImageDescriptors(LooseFiles(tmp_path)).of(cells(*([name] for name in names)))[:, PARTS[2]]
    assert (np.diff(layouts.max(axis=1)) >= 0).all()
    assert layouts.max() > 0.7
