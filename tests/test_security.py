"""No code from data, no shell, no entities: what the source of the package may not contain, and what readers refuse."""

import ast
import re
from pathlib import Path

import pytest

from eqci_space.errors import DataError, ElementsError
from eqci_space.files import limits
from eqci_space.files.limits import file_beside, name_problem, oversize, text_problem, tree_problems
from eqci_space.orbits.elements_io import read_elements

PACKAGE = Path(__file__).parents[1] / "eqci_space"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Modules that run what they read, or start what they are told to.
BANNED_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "subprocess", "pty",
    "commands", "code", "codeop", "imp", "yaml", "socket", "requests", "urllib", "http", "ftplib", "telnetlib",
    "smtplib", "xmlrpc", "ctypes",
}  # fmt: skip
# XML by expat only, with entities refused; the parsers of xml.etree, minidom, sax and lxml expand them.
ALLOWED_XML = {"xml.parsers", "xml.parsers.expat", "xml.sax.saxutils"}
BANNED_NAMES = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint", "input"}
BANNED_ATTRIBUTES = {
    "system", "popen", "popen2", "spawnl", "spawnv", "execv", "execve", "execvp", "startfile", "fork", "read_pickle",
    "to_pickle", "from_py_extension_type", "UnknownExtensionType",
}  # fmt: skip


def findings(tree):
    """What a module has of all that is banned, with the line of each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in BANNED_MODULES or (name.split(".")[0] == "xml" and name not in ALLOWED_XML):
                    yield node.lineno, f"import {name}"
        if isinstance(node, ast.Name) and node.id in BANNED_NAMES:
            yield node.lineno, node.id
        if isinstance(node, ast.Attribute) and node.attr in BANNED_ATTRIBUTES:
            yield node.lineno, f".{node.attr}"
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if (keyword.arg in ("shell", "allow_pickle") and value is not False) or (
                    keyword.arg == "autoescape" and value is not True
                ):
                    yield node.lineno, f"{keyword.arg}={value}"
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "Environment" and "autoescape" not in [k.arg for k in node.keywords]:
                yield node.lineno, "Environment without autoescape"
            if ast.unparse(node.func) in ("np.load", "numpy.load"):
                yield node.lineno, "np.load"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_the_package_runs_no_data_and_no_shell(path):
    allowed = {("input", "cli")}  # none of the package asks at a prompt but the command line
    found = [
        (line, what) for line, what in findings(ast.parse(path.read_text(encoding="utf-8")))
        if not any(what == name and folder in path.parts for name, folder in allowed)
    ]  # fmt: skip
    assert found == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from pickle import loads", "import xml.etree.ElementTree", "eval('1')", "f = exec",
     "os.system('x')", "run('x', shell=True)", "np.load('x', allow_pickle=True)", "np.load('x')", "pd.read_pickle('x')",
     "import subprocess", "yaml.load('x')\nimport yaml", "Environment(loader=None)", "Environment(autoescape=False)",
     "__import__('os')"],
)  # fmt: skip
def test_the_search_finds_what_is_banned(code):
    assert list(findings(ast.parse(code)))


def test_templates_mark_nothing_as_safe_but_what_the_package_escapes_itself():
    marked = [m for p in PACKAGE.rglob("*.j2") for m in re.findall(r"{{[^}]*\|\s*safe[^}]*}}", p.read_text("utf-8"))]
    assert {re.sub(r"[^\w.]+", " ", m).strip() for m in marked} <= {f"scripts {i} safe" for i in range(3)} | {
        "t.html safe"
    }


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>',
    ],
)
def test_xml_with_a_document_type_is_refused(tmp_path, head):
    (tmp_path / "x.xml").write_text(f"<?xml version='1.0'?>\n{head}\n<omm><EPOCH>&a;</EPOCH></omm>", encoding="utf-8")
    with pytest.raises(ElementsError, match=r"x\.xml line 2: a document type or entity; remove it"):
        read_elements(tmp_path / "x.xml")


# ---------------------------------------------------------------- the rules for input


def test_all_limits_of_input_stand_in_one_module():
    pattern = re.compile(r"^_?(MAX|MOST|LONGEST|LARGEST)?_?\w*(_BYTES|_MEMBER)\b.* = [\d_]{7,}", re.MULTILINE)
    own = {p.name: pattern.findall(p.read_text(encoding="utf-8")) for p in MODULES if p.name != "limits.py"}
    assert not {name for name, found in own.items() if found}
    sizes = {n: getattr(limits, n) for n in limits.__all__ if n.endswith("_BYTES")}
    assert sizes == {
        "SCENARIO_BYTES": 5_000_000, "TABLE_BYTES": 5_000_000, "ORBIT_BYTES": 50_000_000, "NOTE_BYTES": 50_000_000,
        "WEATHER_TEXT_BYTES": 200_000_000, "GRID_BYTES": 8_000_000_000,
    }  # fmt: skip


def test_a_file_is_too_large_by_one_byte(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert oversize(tmp_path / "x", 5) == ""
    assert oversize(tmp_path / "x", 4) == "5 bytes; expected at most 4; keep only what is used"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ""), ("Zwei\n\tZeilen, 量子 👩‍🚀 אב <b>", ""), ("x" * 10_000, ""),
        ("x" * 10_001, "10001 characters; expected at most 10000; shorten it"),
        *((c, f"holds the control character U+{ord(c):04X}; remove it") for c in "\0\r\x1b\x7f\x9b\u2028\u202e\ud800"),
    ],
)  # fmt: skip
def test_texts_are_of_sane_length_and_show_what_they_are(text, problem):
    assert text_problem(text) == problem


@pytest.mark.parametrize("name", ["GRAZ", "a b", "é", "👩‍🚀", "..", "con", "<b>", "x" * 80, "1"])
def test_free_names_are_names(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", ["", " ", "\t", "a|b", "a/b", "a\nb", "a\0", "\u202e", "x" * 81])
def test_names_that_break_ids_or_lines_are_none(name):
    assert name_problem(name)


def test_every_text_of_a_tree_is_looked_at_with_its_place():
    tree = {"a": ["ok", {"b": "\0"}], "c\n": 1, "d": {"\x1b": {"e": "\0"}}}
    assert sorted(path for path, _ in tree_problems(tree)) == ["", "a.1.b", "d"]
    deep = {"x": 1}
    for _ in range(40):
        deep = {"x": deep}
    assert [message for _, message in tree_problems(deep)] == [
        "tables and lists are nested more than 32 deep; nest less"
    ]


@pytest.mark.parametrize(
    "name", ["a.csv", "sub/a.csv", "./a.csv", "sub/../a.csv", "é 👩‍🚀.csv", "..a.csv", "...", "~/x"]
)
def test_files_beside_a_scenario_may_be_named(tmp_path, name):
    assert file_beside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["../a.csv", "/etc/passwd", "sub/../../a.csv", "..", "C:\\a.csv", "c:a.csv", "a\0b"])
def test_files_elsewhere_may_not_be_named(tmp_path, name):
    with pytest.raises(DataError, match=r"leads out of the scenario's folder; put the file beside|can be no file name"):
        file_beside(tmp_path, name)


def test_links_are_followed_before_a_name_is_accepted(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in")
    with pytest.raises(DataError, match="leads out"):
        file_beside(tmp_path / "in", "out/secret.csv")
    assert file_beside(tmp_path / "in", "self/a.csv").name == "a.csv"
