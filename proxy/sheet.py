"""The shipped price sheet, genai-prices: offline, dated, and wrapped so that it never guesses.

It brings pydantic (13 MiB, 0.2 s), so it is loaded when somebody first asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import convert, structs

from policies.pricing import Price, per_million
from policies.tariff import Tariff, unusual

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

UNKNOWN_MODEL = "unknown model"
_CLASSES = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
    "input_audio": "input_audio_mtok",
    "cached_audio": "cache_audio_read_mtok",
    "input_image": "input_image_mtok",
    "cached_image": "cache_image_read_mtok",
    "input_video": "input_video_mtok",
    "output_audio": "output_audio_mtok",
    "output_image": "output_image_mtok",
    "output_video": "output_video_mtok",
}
_CALLS = {
    "web_search": "web_searches_kcount",
    "file_search": "storage_searches_kcount",
    "code_execution": "code_executions_kcount",
    "code_interpreter": "code_executions_kcount",
    "x_search": "social_searches_kcount",
}
"""The words of ``ir.Usage.calls``; the sheet tells dollars per thousand."""
_FREE = {"anthropic": {"web_fetch": 0}}
"""Tools that are on no sheet because their vendor charges nothing for them beside the tokens."""
_UNCOUNTED = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")
"""What some vendors charge for every text beside its tokens, and nobody here counts."""
_TIERS = ("service_tier", "processing", "speed")
"""What the sheet calls a tier, by vendor."""


def tariff(provider: str, model: str, now: float) -> Tariff | str:
    """What ``model`` is charged for at ``now`` (seconds since 1970), in every tier that is listed; or why nobody
    knows."""
    info = _find(provider, model)
    return UNKNOWN_MODEL if info is None else _tariff(provider, info, now)


def another(provider: str, model: str, answered: str) -> bool:
    """Does the sheet know both, as two models? A dated snapshot of a model is the same one."""
    one, two = _find(provider, model), _find(provider, answered)
    return one is not None and two is not None and one.id != two.id


def dearest(provider: str, now: float) -> Tariff | None:
    """Of the model of this provider that has the dearest tier, by its output rate and then its input rate."""
    found, when = _provider(provider), datetime.fromtimestamp(now, UTC)
    ranked = sorted(found.models if found is not None else (), key=lambda info: _rank(info, when), reverse=True)
    told = (_tariff(provider, info, now) for info in ranked)
    return next((each for each in told if isinstance(each, Tariff)), None)


def providers() -> list[str]:
    """Whose prices are on the sheet."""
    return [each.id for each in _snapshot().providers]


def models(provider: str) -> list[str]:
    """The models of this provider that are on the sheet."""
    found = _provider(provider)
    return [info.id for info in found.models] if found is not None else []


def version() -> str:
    """``genai-prices 0.2.3``."""
    import genai_prices

    return f"genai-prices {genai_prices.__version__}"


def _snapshot() -> DataSnapshot:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _provider(name: str) -> Provider | None:
    """By its exact name: the sheet's own loose match would price ``openai_compatible`` as OpenAI."""
    return next((each for each in _snapshot().providers if each.id == name), None)


def _find(provider: str, model: str) -> ModelInfo | None:
    if _provider(provider) is None:
        return None
    try:
        return _snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None


def _tariff(provider: str, info: ModelInfo, now: float) -> Tariff | str:
    when = datetime.fromtimestamp(now, UTC)
    free = _FREE.get(provider, {})
    usual = info.get_prices(when)
    if usual.input_mtok is None or any(getattr(usual, unit) is not None for unit in _UNCOUNTED):
        return "not priced by tokens alone"
    tiers = {word: _price(info.get_prices(when, context), free) for word, context in _variants(info, when)}
    return Tariff(_price(usual, free), tiers, f"{version()} {provider}/{info.id}")


def _rank(info: ModelInfo, when: datetime) -> tuple[Decimal, Decimal]:
    told = [info.get_prices(when), *(info.get_prices(when, context) for _, context in _variants(info, when))]
    return max((_base(prices.output_mtok), _base(prices.input_mtok)) for prices in told)


def _base(told: Any) -> Decimal:
    return Decimal(getattr(told, "base", told) or 0)


def _variants(info: ModelInfo, when: datetime) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The tiers that are listed for that time. (Asked for one that is not, the sheet tells the usual rates in
    silence.)"""
    for variant in info.price_variants or ():
        [(kind, word), *more] = variant.when.items()
        tier = unusual(word) if kind in _TIERS and not more else None
        if tier is not None and (variant.constraint is None or variant.constraint.active(when)):
            yield tier, variant.when


def _price(prices: ModelPrice, free: Mapping[str, int]) -> Price:
    calls = {**free, **_calls(prices)}
    starts = sorted({start for unit in _CLASSES.values() for start, _ in _steps(prices, unit)})
    above = tuple((start, structs.replace(_rates(prices, start + 1), calls=calls)) for start in starts)
    return structs.replace(_rates(prices, 0), calls=calls, above=above)


def _calls(prices: ModelPrice) -> Mapping[str, int]:
    told = ((tool, getattr(prices, unit)) for tool, unit in _CALLS.items())
    return {tool: per_million(dollars * 1000) for tool, dollars in told if isinstance(dollars, Decimal)}


def _rates(prices: ModelPrice, input_tokens: int) -> Price:
    return convert({name: _rate(prices, unit, input_tokens) for name, unit in _CLASSES.items()}, Price)


def _rate(prices: ModelPrice, unit: str, input_tokens: int) -> int | None:
    told = getattr(prices, unit)
    if told is None:
        return None
    rate = per_million(getattr(told, "base", told))
    for start, dearer in _steps(prices, unit):
        if input_tokens > start:
            rate = dearer
    return rate


def _steps(prices: ModelPrice, unit: str) -> Iterator[tuple[int, int]]:
    for step in getattr(getattr(prices, unit), "tiers", ()):
        yield step.start, per_million(step.price)
