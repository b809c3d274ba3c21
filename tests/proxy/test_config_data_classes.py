"""``data_classes:`` and the classes of teams and keys: mistakes with line and mend, and what becomes of good ones."""

from __future__ import annotations

import pytest

from proxy.settings.source import ConfigError
from proxy.snapshot import Snapshot, build_text

FILE = """version: 1
backends:
  oss: {provider: vllm, base_url: "http://127.0.0.1:8000/v1", model: m}
"""


def built(more: str) -> Snapshot:
    return build_text(FILE + more, file="proxy.yaml", generation=1, env={})


@pytest.mark.parametrize(
    ("more", "line", "told"),
    [
        ("data_classes:\n  detect: {cards: restricted}\n", 5, "did you mean 'card'?"),
        ("data_classes:\n  detect:\n    card: restrited\n", 6, "did you mean 'restricted'?"),
        ("data_classes:\n  patterns:\n    - {name: a, match: '(b', data_class: hr}\n", 6, "cannot be read"),
        ("data_classes:\n  patterns:\n    - {name: a, match: '(?=b)c', data_class: hr}\n", 6, "lookaround"),
        ("data_classes:\n  patterns:\n    - {name: A B, match: b, data_class: hr}\n", 6, "small letters"),
        ("data_classes:\n  patterns:\n    - {nam: a, match: b, data_class: hr}\n", 6, "did you mean"),
        ("teams:\n  ward: {data_class: Restricted}\n", 5, "small letters"),
        ("keys:\n  - {name: a, secret: sk-a, data_class: restrict}\n", 5, "did you mean 'restricted'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(more: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        built(more)
    assert any(problem.line == line and told in problem.message for problem in caught.value.problems), str(caught.value)


def test_a_key_has_its_own_class_beside_its_teams() -> None:
    made = built(
        "teams: {ward: {data_class: confidential}}\nkeys: [{name: a, secret: sk-a, team: ward, data_class: restricted}]\n"
    )
    [caller] = made.callers.values()
    assert (caller.data_class, caller.team_data_class) == ("restricted", "confidential")


def test_patterns_are_ready_to_search() -> None:
    assert built("").sought is None
    sought = built("data_classes: {detect: {card: restricted}}\n").sought
    assert sought is not None
    assert sought.find(["4111 1111 1111 1111"]) == {"card": "restricted"}
