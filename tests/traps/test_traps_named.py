"""Every trap of issue 2 has a test of its name here."""

from __future__ import annotations

import re
from pathlib import Path

IDS = [*range(1, 15), 22, 37, 38, 39, 46, 65, 78, 86]


def test_each_trap_of_the_list_has_a_test_of_its_name() -> None:
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_traps_*.py"))
    named = {int(found) for found in re.findall(r"^def test_g(\d+)_", text, re.MULTILINE)}
    assert named >= set(IDS)
