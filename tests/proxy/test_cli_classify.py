"""``turnout classify``: lines as they are found in logs and batches, good and bad ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from command_line import turnout


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def classified(*lines: str) -> tuple[int, list[dict[str, Any]]]:
    result = turnout("classify", given="\n".join(lines))
    return result.exit_code, [msgspec.json.decode(line) for line in result.stdout.splitlines()]


def test_a_request_needs_no_model_to_be_classified() -> None:
    code, found = classified(
        '{"id": "a", "messages": [{"role": "user", "content": "Create a FastAPI server"}]}',
        '{"id": 2, "input": "Hi!"}',
        '{"id": "c", "model": "gpt-4o", "input": [{"role": "user", "content": "What is 2+2?"}]}',
        '{"id": "d", "prompt": "@Ulf sobe uma API"}',
    )

    assert code == 0
    assert [(each["id"], each["class"]) for each in found] == [
        ("a", "complex"), (2, "simple"), ("c", "simple"), ("d", "complex"),
    ]  # fmt: skip
    assert all(each["latency_us"] > 0 and 0 <= each["p_local_worse"] <= 1 for each in found)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"id": 7}', "no chat, Responses or Messages request"),
        ('{"id": 7, "messages": []}', "'messages'"),
        ('{"id": 7, "model": 5, "messages": [{"role": "user", "content": "Hi!"}]}', "'model'"),
    ],
)
def test_a_bad_line_is_told_by_its_id_and_number_and_does_not_stop_the_others(line: str, error: str) -> None:
    code, (bad, good) = classified(line, '{"id": 8, "prompt": "Hi!"}')

    assert code == 1
    assert (bad["id"], bad["line"], good["id"], good["class"]) == (7, 1, 8, "simple")
    assert error in bad["error"]


@pytest.mark.parametrize("label", ['"local_worse": 5', '"weak": -1, "strong": 1', '"weak_mean": 40, "strong_mean": 60'])
def test_a_label_beyond_0_to_1_is_no_label(label: str) -> None:
    code, (bad,) = classified(f'{{"prompt": "Hi!", {label}}}')

    assert (code, bad["line"]) == (1, 1)
    assert "Expected `float`" in bad["error"]
