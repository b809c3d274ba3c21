"""``turnout check`` on rules: every mistake with its line, its reason and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import turnout

BASE = """\
backends:
  oss: {provider: vllm, model: m, base_url: "http://vllm:8000/v1"}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-canary}
pools: {ours: [oss]}
aliases: {auto: {policy: p}}
"""


def checked(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    file = tmp_path / "proxy.yaml"
    file.write_text(BASE + text)
    result = turnout("check", str(file))
    lines = (result.stdout + result.stderr).splitlines()
    return result.exit_code, [line.replace(f"{file}", "proxy.yaml") for line in lines]


def rule(line: str) -> str:
    return f"policies:\n  p:\n    rules:\n      - {line}\n      - {{use: [oss]}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            rule("{wehn: {class: simple}, use: [oss]}"),
            "9: policies.p.rules[0].wehn: unknown key 'wehn': did you mean 'when'?",
        ),
        (
            rule("{when: {clas: simple}, use: [oss]}"),
            "9: policies.p.rules[0].when.clas: unknown condition 'clas': did you mean 'class'?",
        ),
        (rule("{when: {class: simpel}, use: [oss]}"), "unknown value 'simpel': did you mean 'simple'?"),
        (
            rule("{when: {any: [{class: simpel}]}, use: [oss]}"),
            "9: policies.p.rules[0].when.any[0].class: unknown value",
        ),
        (
            rule("{when: {input_tokens: lots}, use: [oss]}"),
            "9: policies.p.rules[0].when.input_tokens: takes a comparison",
        ),
        (rule("{when: {time: 9-17 Europe/Berln}, use: [oss]}"), "did you mean 'Europe/Berlin'?"),
        (
            rule("{when: {health: {osss: up}}, use: [oss]}"),
            "when.health.osss: there is no backend, pool or role 'osss': did you mean 'oss'?",
        ),
        (
            rule("{use: [our]}"),
            "9: policies.p.rules[0].use[0]: there is no backend, pool or role 'our': did you mean 'ours'?",
        ),
        (rule("{use: oss}"), "9: policies.p.rules[0].use: expected"),
        (
            rule("{use: [oss], order: cheepest}"),
            "9: policies.p.rules[0].order: 'cheepest' is not taken: did you mean 'cheapest'?",
        ),
        (
            rule("{use: [oss], order: weighted, weights: {oos: 1}}"),
            "9: policies.p.rules[0].weights.oos: there is no backend, pool or role 'oos': did you mean 'oss'?",
        ),
        (rule("{use: [oss], order: weighted, weights: {oss: much}}"), "9: policies.p.rules[0].weights"),
        (
            rule("{use: [oss], weights: {oss: 1}}"),
            "9: policies.p.rules[0].weights: nobody draws by them: add `order: weighted`",
        ),
        (
            rule("{use: [oss], set: {efort: low}}"),
            "9: policies.p.rules[0].set.efort: cannot be set 'efort': did you mean 'effort'?",
        ),
        (
            rule("{use: [oss], set: {max_output_tokens: {maxi: 9}}}"),
            "9: policies.p.rules[0].set.max_output_tokens: takes a value, or bounds",
        ),
        (rule("{use: [oss], set: {cache: {tll: 1h}}}"), "9: policies.p.rules[0].set.cache"),
        (
            rule("{use: [oss], condense: loca}"),
            "9: policies.p.rules[0].condense: there is no backend, pool or role 'loca': did you mean 'local'?",
        ),
        (rule("{use: [oss], escalate: [refusall]}"), "9: policies.p.rules[0].escalate"),
        (
            rule("{use: [oss], sticky: conversaton}"),
            "9: policies.p.rules[0].sticky: 'conversaton' is not taken: did you mean 'conversation'?",
        ),
        (rule("{use: [oss], ttft_target: soon}"), "9: policies.p.rules[0].ttft_target"),
        (
            rule("{use: [oss], only: {backends: [cluade]}}"),
            "9: policies.p.rules[0].only.backends[0]: there is no backend, pool or role 'cluade'",
        ),
        (
            "policies:\n  p:\n    extends: hybird\n",
            "8: policies.p.extends: there is no policy 'hybird': did you mean 'hybrid'?",
        ),
        (
            "policies:\n  p: {extends: q}\n  q:\n    extends: r\n  r: {extends: p}\n",
            "policies.r.extends: 'r' extends itself by way of 'p': break the circle",
        ),
        (
            "policies:\n  p: {rules: [{use: [oss]}]}\nguards:\n  - {when: {data_class: x}, onyl: {local: true}}\n",
            "9: guards[0].onyl: unknown key 'onyl': did you mean 'only'?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_right_word(tmp_path: Path, text: str, said: str) -> None:
    status, lines = checked(tmp_path, text)
    assert status == 1
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("{use: [oss]}", "policies.p.rules[1]: is never reached: p[0] before it always applies (line 10)"),
        ("{when: {input_tokens: '<0'}, use: [oss]}", "policies.p.rules[0]: can never apply: its conditions"),
        (
            "{when: {budget_used: '>80%'}, use: [oss]}",
            "policies.p.rules[0].when.budget_used never matches but for keys of the store",
        ),
        ("{when: {not: {budget_used: '>80%'}}, use: [oss]}", "policies.p.rules[0].when.not.budget_used never matches"),
    ],
)
def test_a_rule_that_never_applies_is_warned_of_with_its_line(tmp_path: Path, first: str, said: str) -> None:
    status, lines = checked(tmp_path, rule(first))
    assert status == 0
    assert any(said in line for line in lines), lines


def test_a_rule_that_asks_for_health_and_load_is_not_warned_of(tmp_path: Path) -> None:
    status, lines = checked(tmp_path, rule("{when: {health: {oss: down}, load: {ours: '>90%'}}, use: [claude]}"))
    assert (status, len(lines)) == (0, 1)
