"""Writing whole or not at all, without litter, and in one place: nothing else in the package writes to a path."""

import ast
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import eqci_space
from eqci_space.errors import DataError
from eqci_space.files import atomic
from eqci_space.files.atomic import disk_errors, replaced_directory, replaced_file, write_atomically

PACKAGE = Path(eqci_space.__file__).parent


def contents(folder):
    """Every file and folder below, hidden ones included."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def break_off(writer, target, error):
    """Write half of a file, or of a file in a folder, and raise."""
    with writer(target) as work:
        (work / "f" if writer is replaced_directory else work).write_bytes(b"half")
        raise error


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "t", "a\r\nµ\n")
    write_atomically(tmp_path / "b", b"\x00\xff")
    assert contents(tmp_path) == {"t": b"a\r\n\xc2\xb5\n", "b": b"\x00\xff"}
    write_atomically(tmp_path / "t", "")
    assert contents(tmp_path) == {"t": b"", "b": b"\x00\xff"}


def test_a_file_is_out_of_sight_until_it_is_whole(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"old")
    with replaced_file(tmp_path / "a.csv") as work:
        assert (work.name, work.parent.parent) == ("a.csv", tmp_path)
        assert stat.S_IMODE(work.parent.stat().st_mode) == 0o700
        work.write_bytes(b"ne")
        work.with_name("a.csv-journal").write_bytes(b"left beside it")
        assert (tmp_path / "a.csv").read_bytes() == b"old"
        work.write_bytes(b"new")
    assert contents(tmp_path) == {"a.csv": b"new"}


def test_places_to_work_differ_each_time(tmp_path):
    with replaced_file(tmp_path / "a") as one, replaced_file(tmp_path / "a") as two:
        assert one != two
        one.write_bytes(b"1")
        two.write_bytes(b"2")
    assert contents(tmp_path) == {"a": b"1"}  # the outer block ended last


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
@pytest.mark.parametrize("writer", [replaced_file, replaced_directory])
def test_what_breaks_off_leaves_what_was_there(tmp_path, writer, error):
    target = tmp_path / "x"
    if writer is replaced_file:
        target.write_bytes(b"old")
    else:
        target.mkdir()
        (target / "f").write_bytes(b"old")
    before = contents(tmp_path)
    with pytest.raises(error):
        break_off(writer, target, error)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("writer", [replaced_file, replaced_directory])
def test_errors_of_the_disk_name_file_cause_and_remedy(tmp_path, writer):
    words = r"cannot write 'x' in '.*': No space left on device; make room or choose another folder"
    with pytest.raises(DataError, match=words):
        break_off(writer, tmp_path / "x", OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DataError, match=r"cannot write 'x' in '.*missing': No such file"):
        break_off(writer, tmp_path / "missing" / "x", ValueError())
    assert contents(tmp_path) == {}


def test_an_error_without_a_number_shows_its_words(tmp_path):
    words = r"cannot write 'x' in '.*': GDAL gave up; make room"
    with pytest.raises(DataError, match=words), disk_errors(tmp_path / "x"):
        raise OSError("GDAL gave up")


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot write 'x'"), replaced_file(tmp_path / "x"):
        pass
    assert contents(tmp_path) == {}


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "secret").write_bytes(b"kept")
    (tmp_path / "a").symlink_to(tmp_path / "secret")
    write_atomically(tmp_path / "a", b"new")
    assert not (tmp_path / "a").is_symlink()
    assert contents(tmp_path) == {"secret": b"kept", "a": b"new"}


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_modes_are_those_of_the_umask(tmp_path, mask, file_mode, folder_mode):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "f", b"")
        with replaced_directory(tmp_path / "d") as work:
            (work / "g").write_bytes(b"")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("f", "d", "d/g")}
    assert modes == {"f": file_mode, "d": folder_mode, "d/g": file_mode}


def test_a_long_name_still_has_a_place_to_work(tmp_path):
    write_atomically(tmp_path / ("n" * 255), b"")
    assert contents(tmp_path) == {"n" * 255: b""}


def test_a_directory_is_replaced_as_a_whole(tmp_path):
    with replaced_directory(tmp_path / "run") as work:
        (work / "one").write_bytes(b"1")
        assert not (tmp_path / "run").exists()
    with replaced_directory(tmp_path / "run") as work:
        (work / "two").write_bytes(b"2")
        assert contents(tmp_path / "run") == {"one": b"1"}
    assert contents(tmp_path) == {"run": None, "run/two": b"2"}


@pytest.mark.parametrize("error", [OSError(errno.EXDEV, "Invalid cross-device link"), KeyboardInterrupt()])
def test_a_directory_that_cannot_be_renamed_leaves_the_earlier_one(tmp_path, monkeypatch, error):
    with replaced_directory(tmp_path / "run") as work:
        (work / "one").write_bytes(b"1")
    rename, calls = os.replace, []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise error
        rename(source, target)

    monkeypatch.setattr(atomic.os, "replace", second_fails)
    expected = DataError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected), replaced_directory(tmp_path / "run") as work:
        (work / "two").write_bytes(b"2")
    assert contents(tmp_path) == {"run": None, "run/one": b"1"}


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from eqci_space.files.atomic import replaced_directory, replaced_file
with replaced_directory(Path(sys.argv[1]) / "run") as folder, replaced_file(folder / "a") as work:
    work.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_from_outside_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr
    assert contents(tmp_path) == {}


# ---------------------------------------------------------------- one place that writes

# Calls that write to the path they are given, or to the path they are called on.
GIVEN = {
    "to_csv", "to_parquet", "to_json", "to_excel", "to_file", "to_netcdf", "to_feather", "to_pickle", "to_html",
    "savefig", "write_dataframe", "ParquetWriter", "savez", "savetxt", "tofile",
}  # fmt: skip
CALLED_ON = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to"}
MOVES = {
    ("os", "replace"), ("os", "rename"), ("os", "renames"), ("os", "link"), ("os", "symlink"), ("shutil", "move"),
    ("shutil", "copy"), ("shutil", "copy2"), ("shutil", "copyfile"), ("shutil", "copytree"), ("pq", "write_table"),
}  # fmt: skip
EXCEPTIONS = {
    ("studies/batch.py", "_append"): "writes parts to the path that replaced_file gave its caller",
    ("report/coverage_io.py", "_write_gpkg"): "is given the path of replaced_file",
    ("report/exports/tables.py", "_write_layers"): "is given the path of replaced_file",
    ("report/exports/workbook.py", "_without_clock"): "into memory",
    ("report/page/svg.py", "svg_text"): "into memory",
    ("report/plots/flown.py", "save_flown"): "into memory",
    ("report/plots/style.py", "_repr_png_"): "into memory",
    ("weather/content_io.py", "unpacked"): "unpacks into a temporary folder of its own, which goes when it is read",
}


def mode_of(call):
    """Mode of a call of open, or of a path's open."""
    at = 0 if ast.unparse(call.func).endswith(".open") else 1
    given = [k.value for k in call.keywords if k.arg == "mode"] or call.args[at : at + 1]
    return given[0].value if given and isinstance(given[0], ast.Constant) else "r"


def writes(call):
    """What a call writes to, as source; None if it writes to no path."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    on = call.func.value if isinstance(call.func, ast.Attribute) else None
    bare = not call.keywords and len(call.args) == 1
    found = None
    if on is not None and (ast.unparse(on), name) in MOVES:
        found = call.args[1]
    elif name in ("open", "ZipFile") and isinstance(mode_of(call), str) and set(mode_of(call)) & set("wax+"):
        found = on if ast.unparse(call.func).endswith(".open") else call.args[0]
    elif name in CALLED_ON and on is not None:
        found = on
    elif name in ("replace", "rename") and on is not None and bare and not isinstance(call.args[0], ast.Constant):
        found = call.args[0]  # Path.rename and Path.replace; a text's takes two arguments, a table's names them
    elif name in GIVEN and call.args:
        at = 1 if name == "write_dataframe" else 0
        found = call.args[at] if len(call.args) > at else None
    return None if found is None else ast.unparse(found)


def written_elsewhere(tree):
    """Function, line and target of all that is written outside a block of `replaced_file` for its path."""
    found = []

    def visit(node, function, granted):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.With):
            for item in node.items:
                if ast.unparse(item.context_expr).startswith(("replaced_file(", "replaced_directory(")):
                    granted = granted | {ast.unparse(item.optional_vars)}
                else:
                    visit(item.context_expr, function, granted)
            for child in node.body:
                visit(child, function, granted)
            return
        if isinstance(node, ast.Call):
            target = writes(node)
            if target is not None and target not in granted:
                found.append((function, node.lineno, target))
        for child in ast.iter_child_nodes(node):
            visit(child, function, granted)

    visit(tree, "", frozenset())
    return found


def test_nothing_else_in_the_package_writes_to_a_path():
    used = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name == "files/atomic.py":
            continue
        for function, line, target in written_elsewhere(ast.parse(path.read_text(encoding="utf-8"))):
            assert (name, function) in EXCEPTIONS, f"{name}:{line}: writes to {target}; use files.atomic"
            used.add((name, function))
    assert used == set(EXCEPTIONS), "exceptions that nothing needs any more"


@pytest.mark.parametrize(
    "line",
    [
        "os.replace(a, b)", "os.rename(a, b)", "path.rename(target)", "work.replace(path)", "open(path, 'w')",
        "path.open('wb')", "path.open(mode='a')", "path.write_text('x')", "path.write_bytes(b'')", "table.to_csv(path)",
        "table.to_parquet(folder / 'x')", "figure.savefig(path, dpi=3)", "pyogrio.write_dataframe(t, path)",
        "shutil.copy(a, b)", "pq.write_table(t, path)",
        "zipfile.ZipFile(path, 'w')", "with replaced_file(a) as work:\n    b.write_text('x')",
    ],
)  # fmt: skip
def test_the_search_for_writers_finds_them(line):
    assert len(written_elsewhere(ast.parse(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "text.replace('a', 'b')", "time.replace(tzinfo=UTC)", "replace(record, a=1)", "table.rename(columns=names)",
        "series.rename('x')", "open(path)", "path.open('rb')", "zipfile.ZipFile(path)",
        "table.to_csv()", "table.to_csv(index=False)",
        "with replaced_file(a) as work:\n    work.write_text('x')",
        "with replaced_file(a) as work, work.open('w') as stream:\n    stream.write('x')",
    ],
)  # fmt: skip
def test_the_search_for_writers_passes_what_writes_to_no_path(line):
    assert written_elsewhere(ast.parse(line)) == []
