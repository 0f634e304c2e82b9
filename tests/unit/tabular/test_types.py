"""Values in, column type and rule out."""

from __future__ import annotations

import random
import string
from decimal import Decimal

import pytest

from contracts.schema import ColumnType, Role
from tabular import profile, tally
from tabular.profile import profile_table

RNG = random.Random(3)
ROWS = 300


def pick(*values):
    return [RNG.choice(values) for _ in range(ROWS)]


def made(make):
    return [make(index) for index in range(ROWS)]


def word():
    return "".join(RNG.choices(string.ascii_lowercase, k=RNG.randint(3, 8)))


def write(path, columns):
    names = list(columns)
    lines = [names, *zip(*columns.values(), strict=True)]
    path.write_text(
        "\n".join(",".join('"' + str(cell).replace('"', '""') + '"' for cell in row) for row in lines),
        "utf-8",
    )
    return path


def profile_column(tmp_path, values, name="thing", files=()):
    columns = {"anchor": [f"{index % 7}.5" for index in range(len(values))], name: values}
    return profile_table(write(tmp_path / "table.csv", columns), files=files).column(name)


# what it is: values, type, rule
COLUMNS = {
    "decimals": (made(lambda _: f"{RNG.gauss(0, 9):.3f}"), ColumnType.NUMERIC, "numbers-with-decimals"),
    "exponents": (made(lambda _: f"{RNG.gauss(0, 9):.3e}"), ColumnType.NUMERIC, "numbers-with-decimals"),
    "integers": (made(lambda _: str(RNG.randint(-500, 5000))), ColumnType.NUMERIC, "integers"),
    "years": (made(lambda _: str(RNG.randint(1950, 2020))), ColumnType.NUMERIC, "integers"),
    "counts that thin out": (made(lambda _: str(min(9, int(RNG.expovariate(0.9))))), ColumnType.NUMERIC, "integers"),
    "even levels": (pick(*"12345"), ColumnType.CATEGORICAL, "even-integer-levels"),
    "decimal commas": (made(lambda _: f"{RNG.random() * 99:.4f}".replace(".", ",")), ColumnType.NUMERIC, "formatted-numbers"),
    "grouped": (made(lambda _: f"{RNG.randint(1000, 9999999):,}"), ColumnType.NUMERIC, "formatted-numbers"),
    "money": (made(lambda _: f"${RNG.random() * 2000:,.2f}"), ColumnType.NUMERIC, "formatted-numbers"),
    "percents": (made(lambda _: f"{RNG.random() * 100:.1f}%"), ColumnType.NUMERIC, "formatted-numbers"),
    "units": (made(lambda _: f"{RNG.random() * 100:.1f} kg"), ColumnType.NUMERIC, "formatted-numbers"),
    "row numbers": (made(str), ColumnType.IDENTIFIER, "row-numbers"),
    "post codes": (made(lambda _: f"{RNG.randint(1, 80):05d}"), ColumnType.CATEGORICAL, "leading-zeros"),
    "article codes": (made(lambda index: f"{index * 37:06d}"), ColumnType.IDENTIFIER, "leading-zeros"),
    "phone codes": (made(lambda index: f"+{index + 100}"), ColumnType.IDENTIFIER, "plus-signs"),
    "uuids": (made(lambda _: f"{RNG.getrandbits(64):016x}"), ColumnType.IDENTIFIER, "nearly-all-distinct"),
    "person names": (made(lambda _: f"{word().title()} {word().title()}"), ColumnType.IDENTIFIER, "nearly-all-distinct"),
    "addresses": (made(lambda index: f"https://a.b/{index}"), ColumnType.IDENTIFIER, "addresses"),
    "colours": (pick("red", "green", "blue"), ColumnType.CATEGORICAL, "repeated-values"),
    "two words": (pick("ham", "spam"), ColumnType.CATEGORICAL, "repeated-values"),
    "sentences": (made(lambda _: " ".join(word() for _ in range(9))), ColumnType.TEXT, "many-words"),
    "short phrases": (made(lambda _: f"{word()} {word()}"), ColumnType.TEXT, "many-words"),
    "chinese sentences": (made(lambda index: f"这是第{index}个很长的句子没有空格"), ColumnType.TEXT, "many-words"),
    "yes and no": (pick("yes", "no"), ColumnType.BOOLEAN, "truth-words"),
    "TRUE and FALSE": (pick("TRUE", "FALSE"), ColumnType.BOOLEAN, "truth-words"),
    "zero and one": (pick("0", "1"), ColumnType.BOOLEAN, "zero-one"),
    "iso days": (made(lambda _: f"20{RNG.randint(10, 20)}-0{RNG.randint(1, 9)}-1{RNG.randint(0, 9)}"), ColumnType.DATETIME, "dates"),
    "one value": (["same"] * ROWS, ColumnType.CONSTANT, "one-value"),
    "nothing": ([""] * ROWS, ColumnType.CONSTANT, "no-values"),
    "image names": (made(lambda index: f"img/{index}.JPG"), ColumnType.IMAGE, "image-files"),
    "two images a cell": (made(lambda index: f"{index}.jpg;{index}b.jpg"), ColumnType.IMAGE, "image-files"),
}  # fmt: skip


@pytest.mark.parametrize("what", COLUMNS)
def test_a_column_gets_its_type_with_a_rule_and_figures(tmp_path, what):
    values, kind, rule = COLUMNS[what]
    column = profile_column(tmp_path, values)
    assert (column.type, column.rule) == (kind, rule)
    assert column.why.endswith(".")
    assert column.rows == ROWS


@pytest.mark.parametrize(
    ("values", "decimal", "thousands", "prefix", "suffix", "maximum"),
    [
        (["1.5", "2.25", "3"], ".", None, "", "", 3),
        (["1,5", "2,25", "3"], ",", None, "", "", 3),
        (["0,123", "0,456", "0,789"], ",", None, "", "", 0.789),
        (["1,234", "2,345", "17"], ".", ",", "", "", 2345),
        (["1.234,5", "2.345,25", "17,5"], ",", ".", "", "", 2345.25),
        (["1 234,5", "2 345,25", "17,5"], ",", " ", "", "", 2345.25),
        (["1'234.5", "2'345.25", "17.5"], ".", "'", "", "", 2345.25),
        (["$1,234.50", "$17.00", "$3.25"], ".", ",", "$", "", 1234.5),
        (["12,5 €", "17,5 €", "3,5 €"], ",", None, "", "€", 17.5),
        (["(12.5)", "17.5", "3.5"], ".", None, "", "", 17.5),
        (["0", "0", "0", "0", "$4.99"], ".", None, "$", "", 4.99),
        (["10%", "20%", "35%"], ".", None, "", "%", 35),
    ],
)
def test_numbers_are_read_in_the_format_of_the_whole_column(
    tmp_path, values, decimal, thousands, prefix, suffix, maximum
):
    column = profile_column(tmp_path, values * 40)
    assert column.type is ColumnType.NUMERIC
    form = column.number_format
    assert (form.decimal, form.thousands, form.prefix, form.suffix) == (decimal, thousands, prefix, suffix)
    assert column.statistics.maximum == maximum


@pytest.mark.parametrize(
    ("values", "form", "earliest"),
    [
        (["13/02/2020", "01/03/2020", "02/04/2020"], "%d/%m/%Y", "2020-02-13"),
        (["02/13/2020", "03/01/2020", "04/02/2020"], "%m/%d/%Y", "2020-02-13"),
        (["13-02-20", "01-03-20", "02-04-20"], "%d-%m-%y", "2020-02-13"),
        (["13.02.2020 10:00", "01.03.2020 11:30"], "%d.%m.%Y %H:%M", "2020-02-13"),
        (["2020/02/13", "2020/03/01"], "%Y/%m/%d", "2020-02-13"),
        (["February 13, 2020", "March 1, 2020"], "%B %d, %Y", "2020-02-13"),
        (["13 Feb 2020", "1 Mar 2020"], "%d %b %Y", "2020-02-13"),
        (["2020-02-13", "2020-03-01"], "%Y-%m-%d", "2020-02-13"),
        (["2020-02-13T10:00:00Z", "2020-03-01T10:00:00+03:00"], "iso8601", "2020-02-13"),
        (["20200213", "20200301", "20200302", "20200303", "20200304", "20200305"], "%Y%m%d", "2020-02-13"),
    ],
)
def test_day_and_month_are_told_apart_over_the_whole_column(tmp_path, values, form, earliest):
    column = profile_column(tmp_path, values * 20)
    assert (column.type, column.datetime_format) == (ColumnType.DATETIME, form)
    assert column.statistics.earliest.startswith(earliest)


@pytest.mark.parametrize(
    ("values", "tokens", "kind"),
    [
        ([*["1.5", "2.5"] * 50, "NA", "-", "?"], ["-", "?", "NA"], ColumnType.NUMERIC),
        ([*["1", "2", "3", "4"] * 50, "\\N", "n/a", "null"], ["\\N", "n/a", "null"], ColumnType.CATEGORICAL),
        ([*["2020-01-01", "2021-01-01"] * 50, "unknown"], ["unknown"], ColumnType.DATETIME),
        ([*["yes", "no"] * 50, "N/A"], ["N/A"], ColumnType.BOOLEAN),
        ([*["red", "blue"] * 50, "-", "nan"], ["-", "nan"], ColumnType.CATEGORICAL),
        ([*["FR", "DE", "IT", "US"] * 50, "NA"], [], ColumnType.CATEGORICAL),
        ([*["+", "-", "/"] * 50], [], ColumnType.CATEGORICAL),
        ([*["none", "mild", "severe"] * 50], [], ColumnType.CATEGORICAL),
    ],
)
def test_missing_tokens_are_judged_by_their_column(tmp_path, values, tokens, kind):
    column = profile_column(tmp_path, values)
    assert (column.missing_tokens, column.type) == (tokens, kind)
    assert column.missing == len([value for value in values if value in tokens])


def test_values_that_do_not_fit_are_shown_and_counted(tmp_path):
    column = profile_column(tmp_path, [*["1.5", "2.5", "3.5"] * 50, "Free", "1.0.0", "Free"])
    assert column.type is ColumnType.NUMERIC
    assert (set(column.disagreeing), column.disagreeing_count) == ({"Free", "1.0.0"}, 3)


def test_statistics_of_a_numeric_column_are_those_of_its_values(tmp_path):
    statistics = profile_column(tmp_path, [str(value) for value in [1.5, 2, 3, 4, 10.5] * 20]).statistics
    assert (statistics.minimum, statistics.maximum, statistics.mean, statistics.median) == (
        1.5,
        10.5,
        4.2,
        3.0,
    )
    assert statistics.std == pytest.approx(3.26497, abs=1e-4)
    assert sum(bar.count for bar in statistics.histogram) == 100
    assert statistics.top_values[0].count == 20


LARGEST = "1.7976931348623157e308"


@pytest.mark.parametrize(
    "some",
    [
        ["1", "2", "1e155"],
        ["1", "2", "1" + "0" * 200],
        ["1e308", LARGEST],
        [f"-{LARGEST}", LARGEST],
        [*["7", "8"] * 9, LARGEST],
        ["3e-320", "1e-320"],
    ],
    ids=lambda some: f"{some[0]} to {some[-1][:12]}",
)
@pytest.mark.parametrize("distinct", [0, 600], ids=["counted", "streamed"])
def test_figures_are_true_near_the_largest_float(tmp_path, monkeypatch, some, distinct):
    monkeypatch.setattr(tally, "EXACT_DISTINCT", 300)
    monkeypatch.setattr(profile, "_BLOCK_BYTES", 4_000)
    values = [*some * 20, *(f"{number}.5" for number in range(distinct)), *some * 20]
    column = profile_column(tmp_path, values)
    figures = column.statistics
    mean, std = mean_and_std([Decimal(value) for value in values])
    assert column.type is ColumnType.NUMERIC
    assert figures.mean == pytest.approx(float(mean), rel=1e-6, abs=float(std) * 1e-12)
    assert figures.std == pytest.approx(float(std), rel=1e-6)
    edges = [figures.histogram[0].low, *(bar.high for bar in figures.histogram)]
    assert (edges[0], edges[-1]) == (figures.minimum, figures.maximum)
    assert edges == sorted(edges)
    assert sum(bar.count for bar in figures.histogram) == len(values)
    assert figures.minimum <= figures.median <= figures.maximum


def mean_and_std(numbers):
    mean = sum(numbers) / len(numbers)
    return mean, (sum((number - mean) ** 2 for number in numbers) / len(numbers)).sqrt()


@pytest.mark.parametrize("digits", [310, 5000])
def test_more_digits_than_a_float_holds_are_no_number(tmp_path, digits):
    column = profile_column(tmp_path, [*["1.5", "2.5", "3.5"] * 20, "9" * digits])
    assert (column.type, column.disagreeing_count) == (ColumnType.NUMERIC, 1)
    headed = write(tmp_path / "headed.csv", {name: ["1", "2"] for name in ["9" * digits, "name"]})
    assert len(profile_table(headed).columns) == 2


def test_identifiers_and_constants_are_left_out_and_the_last_balanced_column_is_the_target(tmp_path):
    columns = {
        "id": made(lambda index: str(index + 1)),
        "height": made(lambda _: f"{RNG.gauss(170, 9):.1f}"),
        "same": ["x"] * ROWS,
        "note": made(lambda _: " ".join(word() for _ in range(9))),
        "outcome": pick("good", "bad", "ugly"),
    }
    schema = profile_table(write(tmp_path / "table.csv", columns))
    roles = {column.name: column.role for column in schema.columns}
    assert roles == {
        "id": Role.LEAVE_OUT, "height": Role.FEATURE, "same": Role.LEAVE_OUT, "note": Role.FEATURE, "outcome": Role.TARGET,
    }  # fmt: skip
    assert (schema.targets[0].column, schema.targets[0].classes) == ("outcome", 3)


def test_names_are_made_unique_and_the_finding_says_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,name,id,,id\n1,a,2,3,x\n2,b,3,4,y\n")
    schema = profile_table(path)
    assert [column.name for column in schema.columns] == ["id", "name", "id_2", "column_4", "id_3"]
    assert {"duplicate-names", "blank-names"} <= {finding.code for finding in schema.findings}
