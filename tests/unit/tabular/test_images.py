"""What a cell may get wrong about a path, and which file it then means."""

from __future__ import annotations

import pytest

from tabular.images import ImageIndex, Match
from tabular.profile import profile_table

FILES = ["images/0/one.JPG", "images/1/one.jpg", "images/1/b c.png", "x/y.png", "img/9.PNG", "notes.txt"]


@pytest.mark.parametrize(
    ("value", "path", "forgiven"),
    [
        ("images/0/one.JPG", "images/0/one.JPG", ()),
        ("images/0/one.jpg", "images/0/one.JPG", ("case",)),
        ("IMAGES\\1\\one.jpg", "images/1/one.jpg", ("slashes", "case")),
        ("./x//y.png", "x/y.png", ("slashes",)),
        ("images/1/b%20c.png", "images/1/b c.png", ("quoting",)),
        ("b c", "images/1/b c.png", ("extension", "folder")),
        ("x/y.jpeg", "x/y.png", ("extension",)),
        ("y.png", "x/y.png", ("folder",)),
        ("data/images/1/b c.png", "images/1/b c.png", ("folder",)),
        ("1/one.jpg", "images/1/one.jpg", ("folder",)),
        ("C:\\me\\pictures\\9.png", "img/9.PNG", ("slashes", "case", "folder")),
        ("https://host/x/y.png?size=2", "x/y.png", ("url",)),
        ("../x/y.png", "x/y.png", ("folder",)),
        ("notes.txt", "notes.txt", ()),
    ],
)
def test_a_value_finds_its_file_and_says_what_was_forgiven(value, path, forgiven):
    assert ImageIndex(FILES).match(value) == Match(path, forgiven)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "one",
        "one.jpg",
        "0/b c.png",
        "y.txt",
        "notes",
        "../../etc/passwd",
        "/etc/passwd",
        "x/y.png\x00",
        "%2e%2e/x/y.png",
        "..%2fx/y.png",
        "x%5cy.png",
        "x/y.png%00",
        "file:///x/y.png",
        "file:x/y.png",
        "s3://other/x/y.png",
        "http://[/x/y.png",
        "zzz.png",
    ],
)
def test_a_value_without_one_certain_file_finds_none(value):
    assert ImageIndex(FILES).match(value) is None


def test_a_cell_may_name_several_files():
    found, missing = ImageIndex(FILES).match_all("x/y.png; b c.png;gone.png")
    assert [match.path for match in found] == ["x/y.png", "images/1/b c.png"]
    assert missing == ["gone.png"]


def test_the_profile_reports_missing_unused_and_forgiven_images(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"{index}.PNG,{'ab'[index % 2]}" for index in range(20)]
    path.write_text("picture,kind\n" + "\n".join(rows) + "\n")
    schema = profile_table(path, files=[f"images/{index}.png" for index in range(5, 30)])
    images = schema.column("picture").images
    assert (images.matched, images.missing) == (15, 5)
    assert images.missing_examples == [f"{index}.PNG" for index in range(5)]
    assert images.forgiven == {"case": 15, "folder": 15}
    assert schema.unused_files == 10
    assert {"missing-images", "unused-files"} <= {finding.code for finding in schema.findings}


def test_an_id_that_is_also_the_file_name_is_no_image_beside_a_real_image_column(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("file,code\n" + "".join(f"img/c{index}x.png,c{index}x\n" for index in range(30)))
    schema = profile_table(path, files=[f"img/c{index}x.png" for index in range(30)])
    assert [column.type.value for column in schema.columns] == ["image", "identifier"]


def test_values_without_extension_are_images_where_nearly_all_are_files(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("file,kind\n" + "".join(f"shot-{index},{index % 3}\n" for index in range(30)))
    schema = profile_table(path, files=[f"img/shot-{index}.png" for index in range(30)])
    assert schema.column("file").type.value == "image"
    assert schema.column("file").images.forgiven == {"extension": 30, "folder": 30}


def test_several_image_columns_are_all_found(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("front,back\n" + "".join(f"f{index}.jpg,b{index}.jpg\n" for index in range(12)))
    schema = profile_table(path, files=[f"{side}{index}.jpg" for side in "fb" for index in range(12)])
    assert [column.type.value for column in schema.columns] == ["image", "image"]
    assert schema.unused_files == 0
