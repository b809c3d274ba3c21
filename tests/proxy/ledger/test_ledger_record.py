"""The row: D19's keys, facts within their bound, and nothing that looks like a key."""

from collections.abc import Callable

import msgspec
import pytest

from proxy.ledger.record import PUBLIC, UsageRecord, clean, pack_facts, storable
from proxy.ledger.report import rows_json

Row = Callable[..., UsageRecord]

D19 = [
    "request_id", "client_request_id", "parent_id", "attempt", "started_at", "tenant", "alias", "policy", "rule",
    "class", "backend", "upstream_model", "api", "stream", "status", "outcome", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens", "reasoning_source", "cost_nano_usd", "generation",
    "duration_ms", "ttft_ms",
]  # fmt: skip


def test_rows_json_has_exactly_the_keys_of_d19_and_null_for_unknown(record: Row) -> None:
    lines = list(rows_json([record(), record(attempt=2)]))
    row = msgspec.json.decode(lines[0])
    assert len(lines) == 2
    assert list(row) == D19 == list(PUBLIC)
    assert row["class"] == "simple"
    assert row["stream"] is True
    assert row["started_at"] == "2026-11-20T12:00:00.123Z"
    assert row["input_tokens"] is None
    assert row["cost_nano_usd"] is None


def test_facts_are_versioned_and_bounded_and_name_what_was_left_out() -> None:
    assert msgspec.json.decode(pack_facts({"class": "simple"})) == {"v": 1, "class": "simple"}
    packed = pack_facts({"a": "x" * 300, "b": "y" * 200, "class": "simple", "score": 0.1})
    assert len(packed.encode()) <= 400
    assert msgspec.json.decode(packed) == {"v": 1, "b": "y" * 200, "class": "simple", "score": 0.1, "cut": 1}
    assert len(pack_facts({f"k{i}": "é" * 20 for i in range(50)}).encode()) <= 400


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abc123DEF456ghi",
        "Bearer abc.def.ghi is wrong",
        "key AIzaSyA1234567890abcdef",
    ],
)
def test_c13_error_texts_lose_their_keys(text: str) -> None:
    assert "[key]" in clean(text)
    assert not any(secret in clean(text) for secret in ("abc123", "abc.def", "SyA123"))


def test_error_texts_are_one_bounded_line() -> None:
    assert clean("a\n\tb\r\n c") == "a b c"
    assert len(clean("x" * 1000)) == 200


def test_u16_values_that_no_database_takes_become_storable(record: Row) -> None:
    mended = storable(record(alias="a\ud800b", input_tokens=2**70, output_tokens=5))
    assert (mended.alias, mended.input_tokens, mended.output_tokens) == ("a?b", None, 5)
