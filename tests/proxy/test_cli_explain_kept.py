"""``turnout explain`` where a rule uses the cache: what it would do, and a past call that was given a kept answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CONFIG, said, turnout

from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger

KEPT = UsageRecord(
    request_id="0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d", attempt=0, started_at=1_700_000_000_000, alias="faq", api="chat",
    policy="faq", rule="local_fallback[0]", backend="oss", upstream_model="gpt-oss", status=200, outcome="ok",
    cached_from="0198c5b2-0000-7a41-9c3d-2f4e5a6b7c8d", cost_nano_usd=0,
)  # fmt: skip
FAQ = "  faq: {extends: local_fallback, before: [{set: {cache: {ttl: 1h}}, continue: true}]}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = CONFIG.replace("policies:\n", f"policies:\n{FAQ}").replace("aliases:\n", "aliases:\n  faq: {policy: faq}\n")
    (tmp_path / "proxy.yaml").write_text(f"{text}ledger: {{url: 'sqlite:///{tmp_path}/book.db'}}\n")
    ledger = Ledger(tmp_path / "book.db")
    ledger.write([KEPT])
    ledger.close()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("x-nothing: 1", "cache     an answer is kept for 3600 s"),
        ("cache-control: no-cache", "cache     passed by: no-cache"),
    ],
)
def test_the_cache_is_told_with_its_time_or_why_it_is_passed_by(header: str, told: str) -> None:
    assert told in turnout("explain", "--model", "faq", "--header", header, "When do you open?").stdout.splitlines()


def test_a_kept_answer_was_not_denied() -> None:
    found = said(turnout("explain", KEPT.request_id, "--json"))
    assert (found["denied"], found["cached_from"], found["backend"]) == (None, KEPT.cached_from, "oss")
    told = turnout("explain", KEPT.request_id).stdout
    assert f"attempt   the answer of {KEPT.cached_from} again, first given by oss (gpt-oss)" in told
