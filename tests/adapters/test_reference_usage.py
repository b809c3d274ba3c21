"""Protocol.md 3.6: every vendor's counts as every client counts them, whole and streamed; unknown is never 0."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from reference_answers import answer, frames
from reference_kit import CHAT, CLIENTS, GEMINI, MESSAGES, RESPONSES, Json, heard, streamed

from adapters import ir
from policies import pricing
from policies.pricing import Price

CLAUDE: Json = {
    "input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
    "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "priority",
}  # fmt: skip
GOOGLE: Json = {
    "promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 6,
    "toolUsePromptTokenCount": 3, "totalTokenCount": 24,
}  # fmt: skip
OPENAI: Json = {
    "input_tokens": 17, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 22,
}  # fmt: skip


def chat(prompt: int, completion: int, ins: Json | None = None, outs: Json | None = None, **more: Any) -> Json:
    details = {"prompt_tokens_details": ins, "completion_tokens_details": outs}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counts, **{name: told for name, told in details.items() if told is not None}, **more}


ROWS: list[tuple[str, str, Json, Mapping[str, int | None]]] = [
    # name, vendor, its counts, in the hub's words (OpenAI's: parts of input and output)
    ("claude", MESSAGES, CLAUDE, {
        "input": 17, "cached": 4, "cache_write": 3, "cache_write_1h": 2, "output": 5, "reasoning": 2, "total": 22}),
    ("claude without a split", MESSAGES, {"input_tokens": 10, "output_tokens": 5}, {
        "input": 10, "cached": None, "cache_write": None, "output": 5, "reasoning": None, "total": 15}),
    ("gemini", GEMINI, GOOGLE, {
        "input": 13, "cached": 4, "cache_write": None, "output": 11, "reasoning": 6, "tool_input": 3, "total": 24}),
    ("gemini without thoughts", GEMINI, {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}, {
        "input": 10, "cached": None, "output": 5, "reasoning": 0, "total": 15}),
    ("gemini with thoughts untold", GEMINI, {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 20}, {
        "input": 10, "output": 5, "reasoning": None, "total": 20}),
    ("openai chat", CHAT, chat(17, 5, {"cached_tokens": 4, "cache_write_tokens": 3}, {"reasoning_tokens": 2}), {
        "input": 17, "cached": 4, "cache_write": 3, "output": 5, "reasoning": 2, "total": 22}),
    ("vllm with details", CHAT, chat(17, 5, {"cached_tokens": 4, "created_cache_tokens": 3}, {"reasoning_tokens": 0}), {
        "input": 17, "cached": 4, "cache_write": 3, "output": 5, "reasoning": 0}),
    ("vllm as shipped", CHAT, chat(17, 5, None, {"reasoning_tokens": 2}), {"cached": None, "reasoning": 2}),
    ("llama.cpp", CHAT, chat(17, 5, {"cached_tokens": 4}), {"input": 17, "cached": 4, "cache_write": None, "reasoning": None}),
    ("ollama", CHAT, chat(17, 5), {"input": 17, "cached": None, "output": 5, "reasoning": None, "total": 22}),
    ("openai responses", RESPONSES, OPENAI, {
        "input": 17, "cached": 4, "cache_write": 3, "output": 5, "reasoning": 2, "total": 22}),
]  # fmt: skip
ENDS = {MESSAGES: "end_turn", GEMINI: "STOP", CHAT: "stop", RESPONSES: "completed"}


def told_by(client: str, usage: Json | None) -> Mapping[str, int | None]:
    """A client's own usage object in the hub's words; what it does not say is None."""
    told = usage or {}
    if client == MESSAGES:
        fresh, cached, written = (told.get(f"{name}input_tokens") for name in ("", "cache_read_", "cache_creation_"))
        known = [count for count in (fresh, cached, written) if count is not None]
        return {"input": sum(known), "cached": cached, "cache_write": written, "output": told.get("output_tokens"),
                "reasoning": told.get("output_tokens_details", {}).get("thinking_tokens"),
                "cache_write_1h": told.get("cache_creation", {}).get("ephemeral_1h_input_tokens")}  # fmt: skip
    ins, outs = ("prompt", "completion") if client == CHAT else ("input", "output")
    read, written_out = told.get(f"{ins}_tokens_details", {}), told.get(f"{outs}_tokens_details", {})
    return {"input": told.get(f"{ins}_tokens"), "output": told.get(f"{outs}_tokens"), "total": told.get("total_tokens"),
            "cached": read.get("cached_tokens"), "cache_write": read.get("cache_write_tokens"),
            "reasoning": written_out.get("reasoning_tokens")}  # fmt: skip


def meant(row: Mapping[str, int | None], client: str) -> dict[str, int | None]:
    """What the client is to be told. Responses requires every count, and chat's total is a sum."""
    names = {CHAT: "input output total cached cache_write reasoning", RESPONSES: "input output total cached cache_write reasoning",
             MESSAGES: "input output cached cache_write cache_write_1h reasoning"}[client].split()  # fmt: skip
    want = {name: row[name] for name in names if name in row}
    if client == RESPONSES:
        want = {name: count or 0 for name, count in want.items()}
    if "total" in want:
        want["total"] = (row.get("input") or 0) + (row.get("output") or 0)
    return want


def last_usage(client: str, raw: bytes) -> Json:
    events = [json.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: {")]
    if client == CHAT:
        (usage,) = [event["usage"] for event in events if event["usage"]]
        assert not [event for event in events if event["usage"] and event["choices"]], "in a chunk of its own"
    elif client == RESPONSES:
        (usage,) = [event["response"]["usage"] for event in events if event["type"] == "response.completed"]
    else:
        (begun,) = [event["message"]["usage"] for event in events if event["type"] == "message_start"]
        (usage,) = [{**begun, **event["usage"]} for event in events if event["type"] == "message_delta"]
    found: Json = usage
    return found


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("source", "usage", "row"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_counts_are_the_same_for_every_client_in_both_modes(
    source: str, usage: Json, row: Mapping[str, int | None], client: str
) -> None:
    whole = heard(source, answer(source, ENDS[source], usage=usage), client)
    assert not isinstance(whole, ir.Failure)
    want = meant(row, client)
    assert {name: told_by(client, whole["usage"])[name] for name in want} == want
    relay, raw = streamed(source, frames(source, ENDS[source], usage=usage), client)
    streamed_counts = told_by(client, last_usage(client, raw))
    assert {name: streamed_counts[name] for name in want} == want
    assert relay.usage is not None
    assert {name: getattr(relay.usage, name) for name in row} == row, "and for the ledger"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_counts_nothing_is_not_said_to_have_counted_zero(client: str) -> None:
    told = heard(CHAT, {**answer(CHAT, "stop"), "usage": None}, client)
    assert not isinstance(told, ir.Failure)
    if client == MESSAGES:  # its schema has no unknown
        assert (told["usage"]["input_tokens"], told["usage"]["cache_read_input_tokens"]) == (0, None)
    else:
        assert told.get("usage") is None


def test_the_tier_that_was_really_used_is_echoed() -> None:
    for client in CLIENTS:
        told = heard(MESSAGES, answer(MESSAGES, "end_turn", usage=CLAUDE), client)
        assert not isinstance(told, ir.Failure)
        assert (told["usage"] if client == MESSAGES else told)["service_tier"] == "priority"
        told = heard(GEMINI, answer(GEMINI, "STOP", usage={**GOOGLE, "serviceTier": "flex"}), client)
        assert not isinstance(told, ir.Failure)
        assert client == MESSAGES or told["service_tier"] == "flex"


def test_what_changes_the_price_is_kept() -> None:
    """Cached and written tokens are parts of the input, and an hour's writes cost more."""
    more = {"server_tool_use": {"web_search_requests": 2}, "inference_geo": "us", "speed": "fast"}
    relay, _ = streamed(MESSAGES, frames(MESSAGES, "end_turn", usage=CLAUDE | more), CHAT)
    usage = relay.usage
    assert usage is not None
    assert {"server_tool_use", "inference_geo", "speed"} <= usage.extras.keys()
    rates = {"input": 1000, "output": 10_000, "cached": 100, "cache_write": 1250, "cache_write_1h": 2000}
    price = Price(**{name: rate * 1_000_000 for name, rate in rates.items()}, calls={"web_search": 7_000_000})
    assert pricing.cost(usage, price) == 10 * 1000 + 4 * 100 + 1 * 1250 + 2 * 2000 + 5 * 10_000 + 2 * 7
