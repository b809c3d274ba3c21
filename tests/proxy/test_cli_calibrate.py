"""``turnout classify`` and ``turnout calibrate``: streams of prompts in, classes out; a share or a budget in, thresholds
out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import CONFIG, said, turnout
from live import Live, demo_config, demo_upstream
from ruamel.yaml import YAML

from policies.classify import shipped
from proxy.snapshot import build_text

WORDS = (
    "why", "ships", "rust", "2", "x^2", "prove", "river", "(a+b)", "quickly", "energy", "the", "of", "is", "list", "sum",
    "integral", "colour", "between", "14.5", "kg",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)


def prompts(many: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 60))) + rng.choice("?.") for _ in range(many)]


def lines(*values: Any) -> str:
    return "".join(msgspec.json.encode(value).decode() + "\n" for value in values)


def simple(given: str) -> float:
    """The share of simple ones among these lines."""
    result = turnout("classify", given=given)
    assert result.exit_code == 0, result.output
    classes = [msgspec.json.decode(line)["class"] for line in result.stdout.splitlines()]
    return classes.count("simple") / len(classes)


def test_classify_tells_class_score_and_reasons_that_add_up() -> None:
    told = [
        {"id": "a", "model": "auto", "messages": [{"role": "user", "content": "Create a FastAPI server"}]},
        {"id": 2, "model": "auto", "input": "Hi!"},
        {"prompt": "What is the derivative of x^3 * sin(x) at 2.5?"},
    ]
    result = turnout("classify", given=lines(*told))
    assert result.exit_code == 0, result.output
    first, second, third = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    assert (first["id"], first["class"], first["gate"]) == ("a", "complex", "action_verb")
    assert (second["id"], second["class"], second["gate"]) == (2, "simple", "greeting")
    assert third["id"] is None
    for each in (first, second, third):
        assert sum(part["contribution"] for part in each["reasons"]) == pytest.approx(each["score"], abs=1e-4)
        assert 0 <= each["p_local_worse"] <= 1
        assert each["latency_us"] > 0
        assert each["weights"] == shipped().version


def test_classify_goes_on_past_a_bad_line_and_says_so() -> None:
    result = turnout("classify", given='{"prompt": "Hi!"}\n\n{"prompt": 3}\nnot json\n{"model": "x", "input": 5}\n')
    assert result.exit_code == 1
    told = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    assert [each.get("line") for each in told] == [None, 3, 4, 5]
    assert all("error" in each for each in told[1:])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_a_share_is_met_on_prompts_that_come_later(tmp_path: Path, share: float) -> None:
    (tmp_path / "a.jsonl").write_text(lines(*({"prompt": text} for text in prompts(500, 1))))
    result = turnout("calibrate", "--local-share", str(share), "--prompts", "a.jsonl", "--write")
    assert result.exit_code == 0, result.output
    assert abs(simple(lines(*({"prompt": text} for text in prompts(2_000, 2)))) - share) <= 0.03


def test_what_is_written_is_what_is_printed_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text("# mine\n" + CONFIG.replace("version: 1", "version: 1   # the first\nmedia: {fetch: false}"))
    (tmp_path / "a.jsonl").write_text(lines(*({"prompt": text} for text in prompts(100, 1))))
    result = turnout("calibrate", "--local-share", "0.5", "--prompts", "a.jsonl", "--write")
    printed = YAML(typ="safe").load(result.stdout.partition("\n\n")[2])
    text = path.read_text()
    assert text.startswith("# mine\nversion: 1   # the first\nmedia: {fetch: false}\n")
    assert YAML(typ="safe").load(text)["classifier"] == printed["classifier"]
    found = build_text(text, file="proxy.yaml", generation=1, env={})
    assert found.weights.model.thresholds.simple_below == printed["classifier"]["calibration"]["simple_below"]
    assert turnout("check", "proxy.yaml").exit_code == 0


def test_labels_move_the_weights_or_leave_them(tmp_path: Path) -> None:
    rng = random.Random(5)
    random_ones = [{"prompt": text, "local_worse": rng.random() < 0.5} for text in prompts(300, 3)]
    (tmp_path / "noise.jsonl").write_text(lines(*random_ones))
    kept = said(turnout("calibrate", "--labels", "noise.jsonl", "--local-share", "0.5", "--json"))
    assert kept["refit"]["kept_prior"]
    assert kept["calibration"]["adjust"] == {}
    telling = [{"prompt": text, "weak": float(len(text) < 180), "strong": 1.0} for text in reversed(prompts(300, 3))]
    (tmp_path / "long.jsonl").write_text(lines(*telling))
    moved = said(turnout("calibrate", "--labels", "long.jsonl", "--local-share", "0.5", "--json"))
    if not moved["refit"]["kept_prior"]:
        assert moved["refit"]["refit_apgr"] > moved["refit"]["prior_apgr"]
        assert moved["calibration"]["adjust"]
    assert moved["calibration"]["labels"] == 300


def test_from_the_ledger_by_share_and_by_budget(tmp_path: Path) -> None:
    with demo_upstream() as url:
        config = demo_config(url).replace(
            "model: claude-sonnet-5,", "model: claude-sonnet-5, price: {input: 3, output: 15},"
        )
        with Live(config, folder=tmp_path) as live:
            for text in prompts(120, 4):
                body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
                status, _ = live.call(
                    "POST", "/v1/chat/completions", msgspec.json.encode(body), {"content-type": "application/json"}
                )
                assert status == 200
    half = said(turnout("calibrate", "--local-share", "0.5", "--json"))
    assert half["calibration"]["prompts"] == 120
    assert half["share"] == pytest.approx(0.5, abs=0.03)
    rich = said(turnout("calibrate", "--budget", "100000", "--json"))
    poor = said(turnout("calibrate", "--budget", "0.01", "--json"))
    assert rich["asked"] == 0
    assert poor["asked"] > 0.9


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ((), 2, "turnout calibrate: say what is wanted: --local-share, --budget or --labels"),
        (("--local-share", "60"), 2, "turnout calibrate: --local-share is between 0 and 1"),
        (("--local-share", "0.5", "--prompts", "gone.jsonl"), 2, "turnout calibrate: cannot read gone.jsonl"),
        (("--local-share", "0.5", "--prompts", "few.jsonl"), 1, "turnout calibrate: 1 prompts are too few"),
        (("--local-share", "0.5", "--prompts", "bad.jsonl"), 1, "bad.jsonl:1: "),
        (("--labels", "few.jsonl"), 1, "few.jsonl: no line has a label"),
        (("--local-share", "0.5"), 1, "there is no ledger at turnout.db"),
    ],
)
def test_wrong_uses_are_told(tmp_path: Path, words: tuple[str, ...], status: int, told: str) -> None:
    (tmp_path / "few.jsonl").write_text('{"prompt": "Hi!"}\n')
    (tmp_path / "bad.jsonl").write_text("{\n")
    result = turnout("calibrate", *words)
    assert result.exit_code == status
    assert result.stderr.startswith(told)


def test_a_calibration_of_other_weights_does_not_count_and_is_told_of(tmp_path: Path) -> None:
    old = "classifier: {calibration: {weights: of-yesterday, simple_below: 0.9, complex_from: 0.95}}\n"
    (tmp_path / "proxy.yaml").write_text(CONFIG + old)
    result = turnout("check", "proxy.yaml")
    assert result.exit_code == 0
    assert "classifier.calibration does not count: it was made with the weights of-yesterday" in result.output
    assert build_text(CONFIG + old, file="p", generation=1, env={}).weights.model == shipped()
