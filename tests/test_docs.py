"""The generated pages of the documentation are those of the code."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_validation_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_validation", ROOT / "docs" / "make_validation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "validation.md").read_text(encoding="utf-8") == module.validation_text()
