"""The recipe of the weights: the measure is RouteLLM's, folds keep groups whole, and the files come out as shipped."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the training recipe has its own extra: pip install 'turnout[train]'")

import numpy as np

from policies.classify import PromptView, classify, shipped
from policies.classify.model import NUMBERS, TABLE, build
from policies.classify.training import fit, folds, measure, trial
from policies.classify.training.data import Row, read

ROWS = [
    Row(id=str(i), source="ab"[i % 2], group=f"g{i % 7}", prompt=f"Question {'on ' * (i % 40)}what {i} is",
        weak=float(i % 40 < 15), strong=1.0)
    for i in range(400)
]  # fmt: skip


def test_apgr_is_a_half_at_random_and_one_side_each_way() -> None:
    gap = np.array([row.strong - row.weak for row in ROWS])
    assert measure.apgr(np.zeros(len(ROWS)), ROWS) == pytest.approx(0.5)
    best, worst = measure.apgr(gap, ROWS), measure.apgr(-gap, ROWS)
    assert best == pytest.approx(1 - gap.mean() / 2, abs=0.01)
    assert best + worst == pytest.approx(1)
    assert measure.cpt50(gap, ROWS) == pytest.approx(gap.mean() / 2, abs=0.01)


def test_no_subject_is_on_both_sides() -> None:
    judged = []
    for learn, judge in folds.by_subject(ROWS, 3, seed=0):
        assert not {ROWS[i].subject for i in learn} & {ROWS[i].subject for i in judge}
        judged += list(judge)
    assert sorted(judged) == list(range(len(ROWS)))


def test_a_source_that_is_left_out_is_not_learned_from() -> None:
    for learn, judge in folds.by_source(ROWS):
        assert not {ROWS[i].source for i in learn} & {ROWS[i].source for i in judge}


def test_what_was_trained_is_what_the_classifier_adds_up() -> None:
    """The arrays of the trainer and the proxy's own code give one score; a longer prompt is worse, as in the rows."""
    bench = trial.bench(ROWS)
    files = trial.train(ROWS, bench.learn, fit.Recipe(penalty=30, word_penalty=30))
    found = trial.scores(files, bench.judge)
    model = build(*files)
    assert [classify(PromptView(text=row.prompt), model).score for row in ROWS[:50]] == pytest.approx(
        list(found[:50]), abs=1e-4
    )
    assert measure.apgr(found, ROWS) > 0.6


def test_the_recipe_makes_the_shipped_files(shared: Path, tmp_path: Path) -> None:
    """Word weights may differ in their last bit where another processor adds up in another order."""
    data = shared / "data" / "routing"
    command = [sys.executable, "-m", "policies.classify.train", "--data", str(data), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    table = (tmp_path / TABLE).read_bytes()
    differing = sum(a != b for a, b in zip(table, shipped().word_table, strict=True))
    assert differing <= len(table) // 100
    made = build(fit.msgspec.json.decode((tmp_path / NUMBERS).read_bytes(), type=fit.Numbers), table)
    assert dict(made.weights) == pytest.approx(dict(shipped().weights), abs=2e-4)
    assert made.bias == pytest.approx(shipped().bias, abs=1e-3)


def test_rows_without_scores_are_no_training_data(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text('{"id": "1", "label": "simple", "prompt": "Hi"}\n')
    (tmp_path / "rows.jsonl").write_text('{"id":"2","source":"s","prompt":"Hi\\nAnswer:","weak":0.0,"strong":1.0}\n')
    (row,) = read(tmp_path)
    assert (row.question, row.local, row.cloud) == ("Hi", 0.0, 1.0)
