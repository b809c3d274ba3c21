"""The column ``parts``: only what is rare, told and not 0; and a row gives back the usage that it was made from."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from adapters.usage import COUNTS, checked
from policies.pricing import Price, cost
from policies.tariff import tier_of
from proxy.ledger import parts
from proxy.ledger.record import UsageRecord

OWN_COLUMNS = ("input", "output", "cached", "cache_write", "reasoning", "total")
PRICE = Price(
    input=7, output=31, cached=3, cache_write=11, cache_write_1h=13, cache_write_12h=17, input_audio=19, cached_audio=23,
    input_image=29, cached_image=37, input_video=41, output_audio=43, output_image=47, output_video=53,
    calls={"web_search": 59 * 10**6},
)  # fmt: skip


def row(usage: ir.Usage, thought: int = 0, said: int = 0) -> UsageRecord:
    """As an attempt's row is made."""
    return UsageRecord(
        request_id="r",
        started_at=0,
        api="chat",
        outcome="ok",
        input_tokens=usage.input,
        cached_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        reasoning_tokens=usage.reasoning,
        reasoning_source=None if usage.reasoning is None else "reported",
        parts=parts.pack(usage, thought, said),
        service_tier=tier_of(usage),
    )


@pytest.mark.parametrize(
    ("usage", "thought", "told"),
    [
        (ir.Usage(10, 5, 4, 3, reasoning=2, total=15), 0, None),
        (ir.Usage(10, 5, cache_write_1h=0, input_audio=0, calls={}), 0, None),
        (ir.Usage(10, 5, 4, 3, cache_write_1h=2, input_audio=1), 0, '{"cache_write_1h":2,"input_audio":1}'),
        (ir.Usage(10, 5, total=20), 0, '{"total":20}'),
        (ir.Usage(calls={"web_search": 2}), 0, '{"calls":{"web_search":2}}'),
        (ir.Usage(10, 5, speed="fast", service_tier="standard"), 0, '{"speed":"fast"}'),
        (ir.Usage(10, 5, speed="fast", service_tier="priority"), 0, '{"speed":"fast","service_tier":"priority"}'),
        (ir.Usage(10, 5, speed="standard", service_tier="priority"), 0, None),
        (ir.Usage(10, 5), 300, '{"reasoning_chars":300,"answer_chars":100}'),
        (ir.Usage(None, 5, flaws=("input",)), 0, '{"flaws":["input"]}'),
    ],
)
def test_only_what_is_rare_and_told(usage: ir.Usage, thought: int, told: str | None) -> None:
    assert parts.pack(usage, thought, 100) == told


@pytest.mark.parametrize(
    ("tier", "speed", "column"),
    [(None, None, None), ("default", None, None), ("standard", "standard", None), ("on_demand", None, None), ("flex", None, "flex"),
     ("standard", "fast", "fast"), ("priority", "fast", "priority+fast"), ("fast", None, "fast")],
)  # fmt: skip
def test_the_tier_stands_in_the_row_where_it_is_not_the_usual_one(
    tier: str | None, speed: str | None, column: str | None
) -> None:
    assert tier_of(ir.Usage(service_tier=tier, speed=speed)) == column


def test_flags_name_the_columns() -> None:
    assert parts.flag(ir.Usage(10, 5)) is None
    assert parts.flag(ir.Usage(flaws=("input", "total", "cached"))) == "bad_usage input_tokens total cached_tokens"


_COUNT = st.none() | st.integers(0, 200)
_USAGE = st.builds(
    ir.Usage,
    **dict.fromkeys(COUNTS, _COUNT),
    service_tier=st.none() | st.sampled_from(["flex", "priority", "fast"]),
    speed=st.none() | st.just("fast"),
    calls=st.dictionaries(st.sampled_from(["web_search", "maps", "web_fetch"]), st.integers(1, 3), max_size=2),
).map(checked)


@given(_USAGE)
def test_a_row_gives_back_what_it_was_made_from(usage: ir.Usage) -> None:
    again = parts.usage_of(row(usage, 3, 4))
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    if total is not None and (usage.input is None or usage.output is None):
        assert again.total == total
    rare = {name: getattr(usage, name) or None for name in COUNTS if name not in OWN_COLUMNS}
    assert again == msgspec.structs.replace(usage, total=total, **rare)
    assert cost(again, PRICE) == cost(usage, PRICE)


def test_an_estimated_split_is_nothing_that_the_upstream_told() -> None:
    made = msgspec.structs.replace(row(ir.Usage(10, 5, reasoning=3)), reasoning_source="estimated")
    assert parts.usage_of(made) == ir.Usage(10, 5, total=15)
