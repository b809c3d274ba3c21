"""The probe in front of the engine: a tiny model that can do next to nothing is told to be one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from front import config
from live import ENTRY, ROOT

SECONDS = 300


@pytest.mark.real
def test_what_the_tables_say_of_the_engine_is_what_is_measured(engine: Engine, tmp_path: Path) -> None:
    text = config(engine.url, engine.url).replace("{first_byte: 3s, total: 3s}", "{first_byte: 60s, total: 60s}")
    (tmp_path / "proxy.yaml").write_text(text)
    done = subprocess.run(
        [*ENTRY, "probe", "chat", "--quick", "--json"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    card: dict[str, Any] = json.loads(done.stdout)["card"]
    for ability in ("tools", "json_enforced", "vision"):
        assert card[ability].get("right", 0) == 0, (ability, card[ability])
    assert card["requests"] > 8
    assert (tmp_path / "cards.json").exists()
