"""SECURITY.md promises what is tested: the tests that it names are there, and each row of ours has one of its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
TESTS = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/*.-]*test_[\w*]+\.py)`", PAGE))))
def test_what_it_names_is_there(name: str) -> None:
    assert [path for path in TESTS if path.match(name)]


@pytest.mark.parametrize("row", ["c5", "c6", "c9", "c10", "c11", "c12", "c13", "c14", "c15", "c16", "u15", "u18"])
def test_each_row_has_a_test_of_its_name(row: str) -> None:
    assert [path for path, text in TESTS.items() if f"def test_{row}_" in text]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_what_it_links_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()
