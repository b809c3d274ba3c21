"""``turnout policy test``: cases in a file, decided and compared; the exit status is what CI looks at."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command_line import CONFIG, said, turnout

GOOD = """
- {name: a greeting stays here, text: "Hi!", key: intern-ci, expect: {backend: oss, class: simple, denied: false}}
- {text: "Create a FastAPI server", expect: {backend: claude, plan: [claude, oss], policy: hybrid, rule: "hybrid[4]"}}
- {text: "Create a FastAPI server", down: [claude], expect: {backend: oss, skipped: [claude, gemini]}}
- {text: "Hi!", model: nobody, expect: {status: 404, code: model_not_found}}
- name: restricted data is denied
  model: night
  headers: {X-Turnout-Data-Class: restricted}
  request: {messages: [{role: user, content: "Hi!"}]}
  expect: {denied: true, status: 403, rule: "night.before[0]", data_class: [restricted]}
- request: {input: "Hi!", temperature: 0.5, seed: 3}
  expect: {backend: oss, dropped: []}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)


def test_cases_that_are_as_expected(tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(GOOD)
    result = turnout("policy", "test", "cases.yaml")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "ok    a greeting stays here"
    assert result.stdout.splitlines()[-1] == "6 cases, all as expected"


def test_a_difference_is_shown_with_the_trace_and_fails() -> None:
    result = turnout("policy", "test", "-", given='- {text: "Hi!", expect: {backend: claude, class: complex}}\n')
    assert result.exit_code == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[:3] == [
        "FAIL  Hi!",
        "backend: expected claude, got oss",
        "class: expected complex, got simple",
    ]
    assert any("hybrid[2] applies" in line for line in lines)
    assert lines[-1] == "1 cases, 1 failed"


def test_as_json_for_machines() -> None:
    result = turnout("policy", "test", "-", "--json", given='cases: [{text: "Hi!", expect: {rule: x}}]')
    assert result.exit_code == 1
    told = msgspec.json.decode(result.stdout)
    assert (told["cases"], told["failed"]) == (1, 1)
    assert told["results"][0]["differs"] == [{"what": "rule", "expected": "x", "got": "hybrid[2]"}]
    good = said(turnout("policy", "test", "-", "--json", given='- {text: "Hi!", expect: {}}'))
    assert good["failed"] == 0


def test_the_moment_of_a_case(tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text(
        CONFIG.replace(
            "policies:\n",
            "policies:\n"
            "  busy:\n    rules:\n"
            '      - {when: {budget_used: ">90%"}, deny: "spent"}\n'
            '      - {when: {budget_pace: ">150%"}, deny: "too fast"}\n'
            '      - {when: {time: "22-6"}, use: [oss], reason: night}\n'
            '      - {when: {load: {oss: ">80%"}}, use: [claude]}\n'
            "      - {when: {health: {claude: down}}, use: [oss]}\n"
            "      - {use: [claude, oss]}\n",
        ).replace("  night: {policy: night}\n", "  night: {policy: night}\n  busy: {policy: busy}\n")
    )
    cases = """
- {text: a, model: busy, time: "2026-11-21T12:00", expect: {rule: "busy[5]"}}
- {text: a, model: busy, time: "2026-11-21T23:30", expect: {rule: "busy[2]"}}
- {text: a, model: busy, time: "2026-11-21T12:00", load: {oss: 0.9}, expect: {rule: "busy[3]"}}
- {text: a, model: busy, time: "2026-11-21T12:00", down: [claude], expect: {rule: "busy[4]"}}
- {text: a, model: busy, time: "2026-11-21T23:30", budget_used: 0.95, expect: {denied: true}}
- {text: a, model: busy, time: "2026-11-21T23:30", budget_used: 0.5, budget_pace: 1.6, expect: {denied: true}}
"""
    result = turnout("policy", "test", "-", given=cases)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ('- {text: "Hi!", expekt: {}}', "-:1: cases[0].expekt: unknown key 'expekt': did you mean 'expect'?"),
        ('\n- {text: "Hi!", expect: {bakcend: oss}}', "-:2: cases[0].expect.bakcend: unknown key 'bakcend': did you mean 'backend'?"),
        ("- {expect: {}}", "-:1: cases[0]: write 'text' or 'request', one of them"),
        ("[]", "-:1: cases: there are none: write a list of cases"),
        ("- {text: a, key: nobody, expect: {}}", "turnout policy test: a: there is no key 'nobody' in the configuration"),
        ("- {text: a, down: [osss], expect: {}}", "turnout policy test: a: there is no backend 'osss' in the configuration"),
        ("- {text: a, time: noon, expect: {}}", "turnout policy test: a: 'noon' is no time: write 2026-11-21T22:30"),
        ("- {text: a, load: {oss: 90}, expect: {}}", "-:1: cases[0].load.oss: expected float <= 1.0"),
        ("- {text: a, draw: 1, expect: {}}", "-:1: cases[0].draw: expected float < 1.0"),
        ("- {", "-:1: not valid YAML"),
    ],
)  # fmt: skip
def test_bad_cases_are_told_with_place_and_mend(cases: str, told: str) -> None:
    result = turnout("policy", "test", "-", given=cases)
    assert result.exit_code == 2
    assert result.stderr.startswith(told)


def test_a_file_that_is_not_there() -> None:
    result = turnout("policy", "test", "nowhere.yaml")
    assert result.exit_code == 2
    assert "cannot read nowhere.yaml" in result.stderr
