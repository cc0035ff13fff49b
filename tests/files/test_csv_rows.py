"""Tables as spreadsheets of several countries write them, and every error of a broken one at once."""

from __future__ import annotations

import time

import pytest

from eqci_space.errors import DataError
from eqci_space.files.csv_rows import CsvError, csv_header, csv_records, keyed_rows, numbered_rows, read_csv_table

NUMBERS = ("length_km", "loss_db")


def rows_of(text, **options):
    table = read_csv_table(text, "t.csv", **{"required": ("link", *NUMBERS), "numbers": NUMBERS, **options})
    return [(line, row["link"], row["length_km"], row["loss_db"]) for line, row in table.rows()]


def problems_of(text, **options):
    with pytest.raises(CsvError) as caught:
        rows_of(text, **options)
    return caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        "link,length_km,loss_db\nA-B,145.5,31.9\n",
        "\ufefflink,length_km,loss_db\r\nA-B,145.5,31.9\r\n".lstrip("\ufeff"),
        "link;length_km;loss_db\nA-B;145.5;31.9\n",
        "link;length_km;loss_db\nA-B;145,5;31,9\n",
        "link\tlength_km\tloss_db\nA-B\t145,5\t31,9\n",
        'link,length_km,loss_db\n"A-B","145.5","31.9"\n',
        'link,length_km,loss_db\nA-B,"145,5","31,9"\n',
        "link,length_km,loss_db,,\nA-B, 145.5 ,31.9,,\n",
        "link;length_km;loss_db\nA-B;1,455e2;+31,9\n;;\n",
    ],
)
def test_a_table_reads_the_same_however_it_is_separated(text):
    ((_, link, length, loss),) = rows_of(text)
    assert (link, float(length), float(loss)) == ("A-B", 145.5, 31.9)


def test_the_line_of_spreadsheets_comments_and_blank_lines_are_passed_over_and_counted():
    text = "sep=;\n# measured 2026\nlink;length_km;loss_db\n\nA-B;1;2\n# next\nB-C;3;\n"
    assert rows_of(text) == [(5, "A-B", "1", "2"), (7, "B-C", "3", "")]


def test_a_minus_sign_of_typesetting_is_one():
    assert rows_of("link,length_km,loss_db\nA,\N{MINUS SIGN}1.5,2\n") == [(2, "A", "-1.5", "2")]


def test_a_cell_of_several_lines_ends_its_row_on_the_last():
    assert rows_of('link,length_km,loss_db\n"A\nB",1,2\nC,3,4\n') == [(3, "A\nB", "1", "2"), (4, "C", "3", "4")]


def test_all_errors_are_told_at_once_with_line_and_column():
    text = (
        "link,length_km,loss_db,note\nA-B,145,5,31,9\nB-C,true,31.9,x\nC-D,12 km,1e999,x\nD-E,7\n"
        "E-F,3,4,x\nF-G,nan,0x10,x\n"
    )
    assert problems_of(text) == [
        "t.csv line 2: 5 cells; expected 4, as in the header; if numbers have decimal commas, write points, or "
        "separate the cells by semicolons",
        "t.csv line 3, length_km: 'true' is no number; write digits, at most one decimal point, and no unit",
        "t.csv line 4, length_km: '12 km' is no number; write digits, at most one decimal point, and no unit",
        "t.csv line 4, loss_db: '1e999' is beyond all numbers; mend it",
        "t.csv line 5: 2 cells; expected 4, as in the header; the last ones, from 'loss_db' on, are missing; leave "
        "them blank between separators",
        "t.csv line 7, length_km: 'nan' is no number; write digits, at most one decimal point, and no unit",
        "t.csv line 7, loss_db: '0x10' is no number; write digits, at most one decimal point, and no unit",
    ]


def test_texts_for_what_is_unknown_are_blanks_where_they_are_stated():
    assert rows_of("link,length_km,loss_db\nA,nan,2\n", unknown=("nan",)) == [(2, "A", "", "2")]


def test_points_and_commas_do_not_stand_for_decimals_in_one_file():
    assert problems_of("link;length_km;loss_db\nA;1.250;2\nB;31,9;4\nC;5,5;6\n") == [
        f"t.csv line {line}, length_km: '{cell}' has a decimal comma, and numbers such as that of line 2 a point; "
        "write all with points" for line, cell in ((3, "31,9"), (4, "5,5"))
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["1,500", "12,345,678", "-1,500"])
def test_what_may_be_thousands_between_commas_is_refused(cell):
    assert problems_of(f'link,length_km,loss_db\nA,"{cell}",2\n') == [
        f"t.csv line 2, length_km: '{cell}' "
        + ("may be thousands or have a decimal comma; write a decimal point and no thousands separator"
           if cell.count(",") == 1 else "is no number; write digits, at most one decimal point, and no unit")
    ]  # fmt: skip
    if cell == "1,500":
        assert rows_of("link;length_km;loss_db\nA;1,500;2\n") == [(2, "A", "1.500", "2")]


def test_missing_and_doubled_columns_are_told_at_once():
    assert problems_of("Link,loss_db,loss_db\nA,1,2\n") == [
        "t.csv: columns 'link', 'length_km' are missing; found ['Link', 'loss_db', 'loss_db']; did you mean 'Link'?; "
        "add what is missing",
        "t.csv: column 'loss_db' stands twice; keep one of them",
    ]


def test_a_value_under_no_name_is_surplus_and_quotation_marks_must_match():
    assert "line 2: 4 cells; expected 3" in problems_of("link,length_km,loss_db,\nA,1,2,3\n")[0]
    assert problems_of('link,length_km,loss_db\nA,1,2\nB,"3,4\n') == [
        "t.csv line 3: not valid CSV: unexpected end of data; mend its quotation marks"
    ]


def test_only_wanted_columns_are_kept_and_the_header_can_be_had_alone():
    text = "a;b;c\n1;2;3\n"
    assert read_csv_table(text, "t.csv", wanted=("c", "a")).columns == {"a": ["1"], "c": ["3"]}
    assert csv_header(text, "t.csv", required=("b",)) == ["a", "b", "c"]


def test_broken_rows_of_a_table_of_records_leave_the_others():
    found = list(csv_records("a;b\n1,5;x,y\n2\n3,5;\n", "t.csv", numbers=("a",)))
    assert [(line, record, bool(problem)) for line, record, problem in found] == [
        (2, {"a": "1.5", "b": "x,y"}, False), (3, {"a": "2"}, True), (4, {"a": "3.5", "b": ""}, False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("link,länge\n".encode("latin-1"), r"t\.csv: not UTF-8 text \(.* at byte 6; save it as UTF-8\)"),
        ("link,b\n".encode("utf-16"), r"not UTF-8 text \(text in UTF-16, as PowerShell writes it; save it as UTF-8\)"),
        (b"<!DOCTYPE html><title>404 Not Found</title>", "t.csv: it is a web page titled '404 Not Found', not data"),
        (b"PK\x03\x04\xff\xfe", r"not UTF-8 text \(a file packed with zip; unpack it\)"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        numbered_rows(tmp_path / "t.csv")


def test_ids_are_judged_together(tmp_path):
    (tmp_path / "t.csv").write_text("id;x\nA;1\nA;2\nB|C;3\n", encoding="utf-8")
    with pytest.raises(CsvError) as caught:
        keyed_rows(tmp_path / "t.csv", "id", columns=("id", "x"))
    assert caught.value.problems == [
        "t.csv line 3: id 'A' stands twice; ids must differ",
        "t.csv line 4: id 'B|C' is no name; use text without '|', '/' and line breaks",
    ]


def test_long_digits_and_wide_tables_take_no_time():
    begun = time.process_time()
    assert "is no number" in problems_of(f"link,length_km,loss_db\nA,{'1' * 40_000},2\n")[0]
    assert "500 columns; expected at most 400" in problems_of(",".join(f"c{i}" for i in range(500)))[0]
    assert time.process_time() - begun < 1.0
