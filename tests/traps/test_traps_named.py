"""Every trap of the list has a test of its name."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
ELSEWHERE = {27, 42, 44, 55}
"""Numbers that the list does not use."""
IDS = set(range(1, 88)) - ELSEWHERE


def test_each_trap_of_the_list_has_a_test_of_its_name() -> None:
    text = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    named = {int(found) for line in re.findall(r"^def (test_g\d\w*)\(", text, re.MULTILINE) for found in _ids(line)}
    assert not IDS - named


def test_these_are_the_traps_of_the_list(shared: Path) -> None:
    text = (shared / "design" / "traps.md").read_text("utf-8")
    assert {int(found) for found in re.findall(r"^\*\*G(\d+)\*\*", text, re.MULTILINE)} == IDS


def _ids(name: str) -> list[str]:
    """``test_g06_g07_a_cut`` -> 06, 07."""
    return re.findall(r"(?:^test|(?<=\d))_g(\d+)(?=_)", name)
