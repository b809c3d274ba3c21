"""``turnout check`` on words that are right and say nothing, or nothing that can ever be so: told, not served."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import turnout

BASE = """\
backends:
  oss: {provider: vllm, model: m, base_url: "http://127.0.0.1:9/v1"}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-nobody-may-see-this}
aliases: {auto: {policy: p}}
teams: {interns: {}}
"""
LAST = "policies: {p: {rules: [{use: [oss]}]}}\n"


def told(tmp_path: Path, text: str) -> tuple[int, str]:
    file = tmp_path / "proxy.yaml"
    file.write_text(BASE + text)
    result = turnout("check", file)
    return result.exit_code, (result.stdout + result.stderr).replace(str(file), "proxy.yaml")


def rule(line: str) -> str:
    return f"policies:\n  p:\n    rules:\n      - {line}\n      - {{use: [oss]}}\n"


def when(words: str) -> str:
    return rule(f"{{when: {{{words}}}, use: [claude]}}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (when("language: english"), "9: policies.p.rules[0].when.language: unknown value 'english': one of: ar, bn,"),
        (when("weekday: mon-"), "9: policies.p.rules[0].when.weekday: takes days such as"),
        (when("score: 50%"), "9: policies.p.rules[0].when.score: is no share: write a plain number"),
        (when("input_tokens: '>50%'"), "9: policies.p.rules[0].when.input_tokens: is no share"),
        (when("headers: {'x team': blue}"), "when.headers.x team: 'x team' is not the name of a header"),
        (rule("{use: [oss], ttft_target: 0s}"), "9: policies.p.rules[0].ttft_target: must be more than 0s, or never, not '0s'"),
        (rule("{deny: ' '}"), "9: policies.p.rules[0].deny: is empty: say why"),
        (rule("{set: {}, continue: true}"), "9: policies.p.rules[0].set: is empty"),
        (rule("{continue: true}"), "9: policies.p.rules[0]: goes on without having done anything"),
        (
            rule("{use: [oss, claude], order: weighted, weights: {oss: 0, claude: 0}}"),
            "9: policies.p.rules[0].weights: are all 0, so that nobody is ever drawn",
        ),
        ("policies: {p: {extends: p}}\n", "6: policies.p.extends: 'p' extends itself: name another policy"),
        (
            "policies: {p: {retries: {attempts: 0, base: -1}, rules: [{use: [oss]}]}}\n",
            "6: policies.p.retries.attempts: must be a whole number of at least 1, not 0\n"
            "proxy.yaml:6: policies.p.retries.base: must be a number of seconds of at least 0, not -1",
        ),
        (LAST + 'classifier: {hook: {url: "http://127.0.0.1:9/c", timeout: never}}\n', "classifier.hook.timeout: every call"),
        (LAST + 'classifier: {hook: {url: "http://127.0.0.1:9/c", timeout: 0s}}\n', "classifier.hook.timeout: every call"),
        (
            LAST + "classifier: {calibration: {weights: w, simple_below: 0.9, complex_from: 0.1}}\n",
            "7: classifier.calibration.simple_below: is over complex_from",
        ),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_place_and_its_mend(tmp_path: Path, text: str, said: str) -> None:
    code, output = told(tmp_path, text)

    assert code == 1
    assert said in output
    assert output.count("proxy.yaml:") == said.count("proxy.yaml:") + 1


def test_a_guard_without_a_deed_is_told_once(tmp_path: Path) -> None:
    code, output = told(tmp_path, LAST + "guards: [{when: {class: simple}}]\n")

    assert (code, output) == (1, "proxy.yaml:7: guards[0]: a guard must have `only` or `deny`\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (when("alias: autoo"), "never matches 'autoo': there is no such alias, did you mean 'auto'?"),
        (
            when("not: {any: [{team: intrns}]}"),
            "not.any[0].team never matches 'intrns': there is no such team, did you",
        ),
        (
            rule("{when: {stream: true}, only: {local: true}, use: [claude]}"),
            "policies.p.rules[0].use: nobody is left of it, for `only` leaves all of them out",
        ),
        (
            rule("{when: {stream: true}, set: {data_class: restricted}, use: [claude]}"),
            "policies.p.rules[0].use: nobody is left of it, for none of them is `local: true`",
        ),
        ("policies: {p: {}}\n", "policies.p: has no rules, so that it refuses every request"),
    ],
)
def test_what_can_never_be_so_is_warned_of(tmp_path: Path, text: str, said: str) -> None:
    code, output = told(tmp_path, text)

    assert code == 0
    assert said in output
    assert "1 warning" in output


@pytest.mark.parametrize(
    "text",
    [
        when(
            "alias: [auto, 'gpt-*', backend/oss], team: interns, weekday: [mon-fri, sat], score: '>-0.5', language: pt"
        ),
        "policies: {p: {extends: hybrid}, hybrid: {extends: hybrid, retries: {attempts: 1, base: 0, deadline: 9}}}\n",
        LAST + 'classifier: {hook: {url: "http://127.0.0.1:9/c", timeout: 5s}}\n',
        rule("{when: {stream: true}, use: [oss, claude], order: weighted, weights: {oss: 0}}"),
        rule("{when: {stream: true}, set: {data_class: restricted}, use: [claude, oss], ttft_target: never}"),
    ],
)
def test_what_is_right_is_not_warned_of(tmp_path: Path, text: str) -> None:
    code, output = told(tmp_path, text)

    assert (code, "0 warnings" in output) == (0, True), output


@pytest.mark.parametrize(
    ("away", "said"),
    [
        ("stored: readonly", "10: state.away.stored: 'readonly' is not taken: did you mean 'read_only'?"),
        ("limits: shared", "10: state.away.limits: 'shared' is not taken: did you mean 'share'?"),
        ("budgets: close", "10: state.away.budgets: 'close' is not taken: did you mean 'closed'?"),
        ("keys: known", "10: state.away.keys: unknown key"),
    ],
)
def test_what_holds_while_redis_is_away_has_its_words(tmp_path: Path, away: str, said: str) -> None:
    text = f"{LAST}server: {{secret: s}}\nstate:\n  redis: redis://127.0.0.1\n  away: {{{away}}}\n"
    code, output = told(tmp_path, text)
    assert code == 1
    assert said in output
