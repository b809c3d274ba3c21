"""The readable report of one call: its route, its attempts, tokens, reasoning against completion, money and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from policies.reasoning import by_characters
from policies.savings import Saved
from proxy.ledger.legs import is_compared, leg
from proxy.ledger.record import UsageRecord, iso

_UNKNOWN = "unknown"


_decode = msgspec.json.Decoder(dict[str, Any]).decode
_WORDS = {
    "cache_write_1h": "written for 1 h", "cache_write_12h": "written for 12 h", "input_audio": "sound in",
    "input_image": "images in", "input_video": "video in", "cached_audio": "sound cached",
    "cached_image": "images cached", "cached_video": "video cached", "output_audio": "sound out",
    "output_image": "images out", "output_video": "video out", "tool_input": "brought in by tools",
}  # fmt: skip
"""Classes of tokens in ``parts`` -> how they are told."""


def dollars(nano: int | None) -> str:
    """Nano-dollars as dollars, exact, with no fewer than two decimals."""
    if nano is None:
        return _UNKNOWN
    sign, (whole, part) = "-" * (nano < 0), divmod(abs(nano), 10**9)
    return f"{sign}${whole:,}.{f'{part:09}'.rstrip('0'):0<2}"


def show(records: Sequence[UsageRecord]) -> str:
    """The report of one call from its rows, oldest attempt first, and its helper calls after them. What nobody told is
    printed as ``unknown``."""
    if not records:
        return "no such call in the ledger\n"
    call = [record for record in records if record.request_id == records[0].request_id][-1]
    lines = [*_head(call), *_route(call)]
    spent: int | None = 0
    for record in records:
        if record.attempt > 0:
            spent = None if spent is None or record.cost_nano_usd is None else spent + record.cost_nano_usd
        lines += ["", *_attempt(record, spent, _sum(records, record))]
    return "\n".join([*lines, *_savings(records)]) + "\n"


def _savings(records: Sequence[UsageRecord]) -> Iterator[str]:
    """What the baseline would have cost for this call, and what was saved; both signed, and unknown where a term is."""
    compared = next((record for record in records if is_compared(record)), None)
    if compared is None:
        return
    found = Saved()
    found.add([leg(record) for record in records])
    net = _UNKNOWN if found.unknown else dollars(found.saved)
    share = f" ({found.share:.0%})" if found.share is not None and not found.unknown else ""
    yield ""
    yield _line("instead", f"{compared.baseline}: {dollars(compared.baseline_nano_usd)}, so saved {net}{share}")


def _sum(records: Sequence[UsageRecord], until: UsageRecord) -> int:
    """What is known to be spent up to and with this attempt."""
    return sum(r.cost_nano_usd or 0 for r in records[: records.index(until) + 1])


def _head(call: UsageRecord) -> Iterator[str]:
    yield _line("request", call.request_id)
    if call.client_request_id:
        yield _line("client id", call.client_request_id)
    if call.parent_id:
        yield _line("child of", call.parent_id)
    yield _line("time", iso(call.started_at))
    yield _line("caller", f"tenant {call.tenant}" + (f", key {call.key_id}" if call.key_id else ""))
    below = [f"user {call.user}" if call.user else "", f"session {call.session}" if call.session else ""]
    below += [f"{name}={value}" for name, value in (_decode(call.tags) if call.tags else {}).items()]
    if any(below):
        yield _line("for", ", ".join(filter(None, below)))
    yield _line("asked", f"{call.api}, {'streamed' if call.stream else 'whole'}, model {call.alias or _UNKNOWN}")


def _route(call: UsageRecord) -> Iterator[str]:
    told = (("policy", call.policy), ("rule", call.rule), ("class", call.cls), ("generation", call.generation))
    yield _line("decided", ", ".join(f"{name} {value}" for name, value in told if value is not None) or _UNKNOWN)
    if call.decision_reason:
        yield _line("because", call.decision_reason)
    for number, step in enumerate((call.trace or "").splitlines()):
        yield _line("route" if number == 0 else "", step)


def _attempt(record: UsageRecord, spent: int | None, known: int) -> Iterator[str]:
    helps = f" to {record.purpose}" if record.purpose else ""
    yield _line(f"attempt {record.attempt}", f"{_outcome(record)}{helps}")
    if record.error_code or record.error_message:
        yield _line("  error", ": ".join(text for text in (record.error_code, record.error_message) if text))
    if record.cached_from:
        yield _line("  kept from", f"{record.cached_from}: nobody was asked, nothing was spent")
    if record.flags:
        yield _line("  flags", record.flags)
    if record.attempt == 0:
        return
    yield _line("  tokens", _tokens(record))
    if rare := _rare(record):
        yield _line("", rare)
    yield _line("  reasoning", _reasoning(record))
    sofar = dollars(spent) if spent is not None else f"{dollars(known)} + {_UNKNOWN}"
    source = f" ({record.price_source})" if record.price_source else ""
    yield _line("  cost", f"{dollars(record.cost_nano_usd)}{source}, so far {sofar}")
    if record.machine_ms is not None:
        yield _line("  machine", f"{_ms(record.machine_ms)} of its time")
    yield _line("  time", _times(record))
    if record.effort:
        yield _line("  effort", record.effort)
    if record.dropped:
        yield _line("  dropped", record.dropped)
    if record.upstream_request_id:
        yield _line("  at source", record.upstream_request_id)


def _outcome(record: UsageRecord) -> str:
    status = record.upstream_status or record.status
    where = f"{record.backend} ({record.upstream_model or _UNKNOWN})" if record.backend else "no backend"
    ended = f", finished {record.finish_reason}" if record.finish_reason else ""
    return f"{where}: {record.outcome}{f' {status}' if status else ''}{ended}"


def _tokens(record: UsageRecord) -> str:
    total = None
    if record.input_tokens is not None and record.output_tokens is not None:
        total = record.input_tokens + record.output_tokens
    parts = (("cached", record.cached_tokens), ("cache write", record.cache_write_tokens))
    within = ", ".join(f"{name} {_count(value)}" for name, value in parts if value is not None)
    return (
        f"in {_count(record.input_tokens)}{f' ({within})' if within else ''}, "
        f"out {_count(record.output_tokens)}, total {_count(total)}"
    )


def _rare(record: UsageRecord) -> str:
    """Classes of tokens that most calls have none of, calls of the vendor's tools, and an unusual tier."""
    told = _parts(record)
    found = [f"{word} {told[name]:,}" for name, word in _WORDS.items() if told.get(name)]
    found += [f"{tool} x {times}" for tool, times in told.get("calls", {}).items()]
    found += [f"tier {record.service_tier}"] if record.service_tier else []
    return ", ".join(found)


def _reasoning(record: UsageRecord) -> str:
    completion = None
    if record.output_tokens is not None and record.reasoning_tokens is not None:
        completion = record.output_tokens - record.reasoning_tokens
    source = f" ({record.reasoning_source})" if record.reasoning_source else ""
    return f"{_count(record.reasoning_tokens)}{source}, completion {_count(completion)}{_by_characters(record)}"


def _by_characters(record: UsageRecord) -> str:
    """What the share of the characters gives, beside what somebody has counted."""
    told = _parts(record)
    thought, said = told.get("reasoning_chars", 0), told.get("answer_chars", 0)
    if not record.output_tokens or not thought or record.reasoning_source == "estimated":
        return ""
    share = by_characters(record.output_tokens, thought, said)
    return f"; by characters {_count(share)} ({thought:,} of {thought + said:,})"


def _parts(record: UsageRecord) -> Mapping[str, Any]:
    return {} if record.parts is None else _decode(record.parts)


def _times(record: UsageRecord) -> str:
    return (
        f"first token {_ms(record.ttft_ms)}, total {_ms(record.duration_ms)}, Turnout's own {_ms(record.overhead_ms)}"
    )


def _count(tokens: int | None) -> str:
    return _UNKNOWN if tokens is None else f"{tokens:,}"


def _ms(millis: float | None) -> str:
    return _UNKNOWN if millis is None else f"{millis:,.1f} ms"


def _line(name: str, text: str) -> str:
    return f"{name:<13}{text}".rstrip()
