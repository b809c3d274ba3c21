"""What ``make compliance`` makes of the suite's results, and what it says where there is no suite."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from open_responses_suite import table, verdict

RENAMED = "Event validation failed for response.reasoning_text.delta: [...]"
OTHER = "Event validation failed for response.output_text.delta: [...]"


def result(case: str, status: str = "failed", *errors: str) -> dict[str, Any]:
    return {"id": case, "status": status, "errors": list(errors)}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (result("basic-response", "passed"), "passed"),
        (result("basic-response", "failed", "HTTP 500"), "FAILED"),
        (result("basic-response", "failed"), "FAILED"),
        (result("basic-response", "skipped"), "FAILED"),
        (result("websocket-response", "failed", "WebSocket connection failed"), "not built: WebSocket"),
        (result("compact-response", "failed", "HTTP 404"), "not built: compaction"),
        (result("streaming-response", "failed", RENAMED, RENAMED), "openai's name"),
        (result("streaming-response", "failed", RENAMED, OTHER), "FAILED"),
    ],
)
def test_only_what_is_not_built_or_renamed_may_fail(told: dict[str, Any], expected: str) -> None:
    assert verdict(told) == expected


def test_a_case_that_one_dialect_did_not_tell_has_failed() -> None:
    lines = table({"chat": [result("a", "passed"), result("b", "passed")], "claude": [result("a", "passed")]})

    assert [line.split() for line in lines.split("\n")] == [
        ["case", "openai_chat", "anthropic_messages"],
        ["a", "passed", "passed"],
        ["b", "passed", "FAILED"],
    ]


@pytest.mark.parametrize("env", [{}, {"OPENRESPONSES_DIR": "/nowhere"}], ids=["unset", "wrong"])
def test_without_the_suite_it_says_what_is_missing(env: dict[str, str]) -> None:
    run = Path(__file__).with_name("run")
    got = subprocess.run([run], env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, check=False)

    assert (got.returncode, got.stdout) == (2, "")
    assert "set OPENRESPONSES_DIR to a checkout of github.com/openresponses/openresponses" in got.stderr
