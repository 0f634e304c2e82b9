"""Bytes in, dialect and table size out."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.reader import read_header, read_table

PLAIN = """DATE,TIME,Qty,PRODUCTID,Price,ProductType,ProductDescription,URL,Comments
05/01/2018,10:00,2,X-12,12.5,"Toys, small","A red car",http://a.b/c,none yet
06/01/2018,11:30,1,X-13,99.99,Books,"The ""big"" book",http://a.b/d,
07/01/2018,12:45,5,X-14,5,Food,Bread,http://a.b/e,ok it is
08/01/2018,13:00,7,X-15,1.25,Food,Milk,http://a.b/f,fine
"""
# name: bytes, delimiter, quotechar, preamble lines, header lines, rows, columns
FILES = {
    "comma": (PLAIN.encode(), ",", '"', 0, 1, 4, 9),
    "carriage return only": (PLAIN.replace("\n", "\r").encode(), ",", '"', 0, 1, 4, 9),
    "crlf": (PLAIN.replace("\n", "\r\n").encode(), ",", '"', 0, 1, 4, 9),
    "mixed line ends": (PLAIN.replace("\n", "\r\n", 2).encode(), ",", '"', 0, 1, 4, 9),
    "no last line end": (PLAIN.rstrip().encode(), ",", '"', 0, 1, 4, 9),
    "pipe": (PLAIN.replace(",", "|").encode(), "|", '"', 0, 1, 4, 9),
    "tab": (PLAIN.replace(",", "\t").encode(), "\t", '"', 0, 1, 4, 9),
    "caret": (PLAIN.replace(",", "^").encode(), "^", '"', 0, 1, 4, 9),
    "tilde": (PLAIN.replace(",", "~").encode(), "~", '"', 0, 1, 4, 9),
    "comma and blank": (PLAIN.replace(",", ", ").encode(), ",", '"', 0, 1, 4, 9),
    "single quotes": (PLAIN.replace('""', "").replace('"', "'").encode(), ",", "'", 0, 1, 4, 9),
    "title above": (f"My title\nsecond line of it\n\n{PLAIN}".encode(), ",", '"', 3, 1, 4, 9),
    "padded title above": (f"My title,,,,,,,,\n{PLAIN}".encode(), ",", '"', 1, 1, 4, 9),
    "comments above": (f"# one\n# two, with comma\n{PLAIN}".encode(), ",", '"', 2, 1, 4, 9),
    "blank lines above": (f"\n\n{PLAIN}".encode(), ",", '"', 2, 1, 4, 9),
    "separator hint": (b"sep=;\na;b;c\n1;2;3\n4;5;6\n", ";", '"', 1, 1, 2, 3),
    "no header": (PLAIN.split("\n", 1)[1].encode(), ",", '"', 0, 0, 4, 9),
    "footer": (f"{PLAIN}\nTotal: 4 rows\n".encode(), ",", '"', 0, 1, 5, 9),
    "header alone": (PLAIN.split("\n", maxsplit=1)[0].encode(), ",", '"', 0, 1, 0, 9),
    "one row": ("\n".join(PLAIN.split("\n")[:2]).encode(), ",", '"', 0, 1, 1, 9),
    "one column of quoted sentences": (
        b'text\nno comma here\n"one, two, three"\n"so, ""quoted"", yes"\n"over\ntwo lines, this"\nplain; with another mark\n',
        ",",
        '"',
        0,
        1,
        5,
        1,
    ),
    "blanks": (b"id qty price\n1 2 3.5\n2 3 4.5\n3 4 5.5\n", " ", '"', 0, 1, 3, 3),
    "colons": (b"root:x:0:0\ndaemon:x:1:1\nbin:x:2:2\nsys:x:3:3\n", ":", '"', 0, 0, 4, 4),
    "one column of words": (b"name\nalice\nbob\ncarol\n", ",", '"', 0, 1, 3, 1),
    "one column of phrases": (b"city\nNew York\nLos Angeles\nLas Vegas\n", ",", '"', 0, 1, 3, 1),
    "one column of moments": (b"when\n2020-01-01 10:00:00\n2020-01-02 10:00:00\n", ",", '"', 0, 1, 2, 1),
    "row of units": (b"time,speed,mass\ns,m/s,kg\n1,2.5,3\n2,3.5,4\n3,4.5,5\n", ",", '"', 0, 2, 3, 3),
    "row of groups": (
        b"Site,Site,Soil,Soil\nid,code,ph,cm\nA,1,7.1,10\nB,2,6.5,20\nC,3,6.9,30\n",
        ",",
        '"',
        0,
        2,
        3,
        4,
    ),
    "years as names": (b"country,2001,2002,2003\nA,1,2,3\nB,4,5,6\n", ",", '"', 0, 1, 2, 4),
    "words only": (
        b"first,last,city\nJohn,Smith,Paris\nMary,Jones,Rome\nAnn,Lee,Oslo\n",
        ",",
        '"',
        0,
        1,
        3,
        3,
    ),
    "escaped delimiters": (b"a,b,c\nx\\,y,1,2\nz\\,w,3,4\nq,5,6\n", ",", '"', 0, 1, 3, 3),
    "escaped quotes": (b'a,b\n"he said \\"hi, you\\"",1\n"x",3\n"q",5\n', ",", '"', 0, 1, 3, 2),
    "line ends in cells": (b'id,text\n1,"one\ntwo, and\n\nthree"\n2,"x"\n3,"y\nz"\n', ",", '"', 0, 1, 3, 2),
    "line ends in names": (b'"id\nnumber",text\n1,a\n2,b\n', ",", '"', 0, 1, 2, 2),
    "decimal commas": (b"x;y\n1,5;2,5\n3,5;4,5\n5,5;6,5\n", ";", '"', 0, 1, 3, 2),
    "commas in tabbed text": (
        b"name\tnote\nA\thello, world, you\nB\tfoo, bar\nC\tx\n",
        "\t",
        '"',
        0,
        1,
        3,
        2,
    ),
    "json in cells": (b'id,data\n1,"{""a"": 1, ""b"": 2}"\n2,"{""a"": 3, ""b"": 4}"\n', ",", '"', 0, 1, 2, 2),
    "inch marks": (b'id,size,c\n1,5" disk,x\n2,3" disk,y\n3,7 in,z\n', ",", '"', 0, 1, 3, 3),
    "apostrophes": (b"id,text,n\n1,don't do it,4\n2,it's 'fine',5\n3,ok,6\n", ",", '"', 0, 1, 3, 3),
    "unnamed row names": (b'"","a","b"\n"1",2,3\n"2",4,5\n"3",4,5\n', ",", '"', 0, 1, 3, 3),
    "trailing delimiters": (b"a,b,c\n1,2,3,\n4,5,6,\n7,8,9,\n", ",", '"', 0, 1, 3, 3),
    "addresses": (b"url,n\nhttp://a.b/c?d=1&e=2,4\nhttp://a.b/c?d=1&e=3,5\n", ",", '"', 0, 1, 2, 2),
    "never closed": (b'a,b\n1,"x\n2,y\n', ",", None, 0, 1, 2, 2),
}


@pytest.mark.parametrize("name", FILES)
def test_a_messy_file_is_read_as_its_author_meant(tmp_path, name):
    raw, delimiter, quotechar, preamble, header_lines, rows, columns = FILES[name]
    path = tmp_path / "table.csv"
    path.write_bytes(raw)
    dialect = detect_dialect(path)
    table = read_table(path, dialect)
    found = (dialect.delimiter, dialect.quotechar, dialect.preamble_lines, dialect.header_lines, *table.shape)
    assert found == (delimiter, quotechar, preamble, header_lines, rows, columns)
    assert dialect.has_header is (header_lines > 0)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("utf-8", "id,name\n1,é\n"),
        ("utf-8-sig", "id,name\n1,中国\n"),
        ("utf-16", "id,name\n1,é\n"),
        ("utf-16-le", "id,name\n1,é\n"),
        ("utf-16-be", "id,name\n1,é\n"),
        ("utf-32", "id,name\n1,é\n"),
        ("utf-32-be", "id,name\n1,é\n"),
        ("latin-1", "id,name\n1,é\n"),
        ("cp1252", "name,price\ncafé,€5\nnaïve,£3 – “x”\n"),
        ("iso-8859-7", "id,name\n1,Νίκος\n2,Αλέξανδρος\n3,Μύρων\n"),
        ("cp1250", "jméno,město\nŽofie,Plzeň\nŘehoř,Ústí\nŠárka,České Budějovice\nLukáš,Děčín"),
        ("cp1251", "имя,город\nИван,Москва\nМария,Санкт-Петербург\nОльга,Казань"),  # noqa: RUF001  Cyrillic on purpose
        ("koi8-r", "имя,город\nИван,Москва\nМария,Казань"),  # noqa: RUF001
        ("gb18030", "姓名,城市\n张伟,北京\n王芳,上海"),
        ("shift_jis", "名前,都市\n田中さん,東京\n鈴木です,大阪"),
        ("euc-kr", "이름,도시\n김철수,서울\n이영희,부산"),
    ],
)
def test_the_encoding_found_gives_back_the_text(tmp_path, codec, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(codec))
    dialect = detect_dialect(path)
    assert path.read_bytes().decode(dialect.encoding) == text
    assert dialect.bom is (codec in {"utf-8-sig", "utf-16", "utf-32"})
    names = text.split("\n")[0].split(",")
    assert read_header(path, dialect).names == names
    assert read_table(path, dialect).rows()[0] == tuple(text.split("\n")[1].split(","))


def test_a_byte_far_behind_the_sample_decides_the_encoding(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"id,name\n" + b"1,plain words\n" * 5000 + "2,café\n".encode("latin-1"))
    dialect = detect_dialect(path, sample_bytes=4096)
    assert read_table(path, dialect)["name"][-1] == "café"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b'"', "no cell"),
        (b",,,\n,,,\n", "no cell"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
        (b"PK\x03\x04rest", "zip"),
        (b"%PDF-1.7\n", "PDF"),
        (b"a,b\n\x00\x00\x00\x01\x02" * 50, "NUL"),
        (bytes(range(1, 32)) * 20, "binary"),
    ],
)
def test_rubbish_is_refused_with_the_reason(tmp_path, raw, words):
    path = tmp_path / "table.csv"
    path.write_bytes(raw)
    with pytest.raises(Unreadable, match=words):
        read_table(path, detect_dialect(path))


WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäé", min_size=1, max_size=8)
ROW = st.tuples(
    st.integers(0, 99999).map(str),
    WORD,
    st.dates().map(lambda day: day.strftime("%Y-%m-%d").zfill(10)),
    st.one_of(WORD, st.tuples(WORD, st.sampled_from([", ", "; ", "\n", "|"]), WORD).map("".join)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROW, min_size=6, max_size=20),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quotechar=st.sampled_from(['"', "'"]),
    lineterminator=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_writer_wrote_under_any_dialect_is_read_back(
    tmp_path, rows, delimiter, quotechar, lineterminator, encoding
):
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        quotechar=quotechar,
        lineterminator=lineterminator,
        quoting=csv.QUOTE_NONNUMERIC,
    )
    writer.writerow(["number", "word", "day", "remark"])
    writer.writerows(rows)
    path = tmp_path / "table.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    table = read_table(path, detect_dialect(path))
    assert table.columns == ["number", "word", "day", "remark"]
    assert table.rows() == rows
