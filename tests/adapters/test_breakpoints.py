"""Cache breakpoints of either vendor: where they stand, how many are kept, and who is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from vendor_types import assert_anthropic_request

from adapters import breakpoints, ir
from adapters.catalog import DIALECTS

FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
CAN = ir.Capabilities(cache_minimum=1024, max_output=9000, sampling=False)
CLAUDE = ir.Upstream(provider="p", dialect="anthropic_messages", model="c", family="anthropic", capabilities=CAN)
CONTEXT = ir.Context("0", 0)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def chat(*messages: dict[str, Any], **fields: Any) -> ir.Request:
    return DIALECTS["openai_chat"].read_request(msgspec.json.encode({"model": "m", "messages": messages, **fields}))


def responses(*items: dict[str, Any], **fields: Any) -> ir.Request:
    return DIALECTS["openai_responses"].read_request(msgspec.json.encode({"model": "m", "input": items, **fields}))


def claude(request: ir.Request, **to: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """-> what Claude is sent, and what is named."""
    dialect, target = DIALECTS["anthropic_messages"], msgspec.structs.replace(CLAUDE, **to)
    body = msgspec.json.decode(dialect.write_request(request, target, CONTEXT).body)
    assert_anthropic_request(body)
    return body, {named.name: named.why for named in dialect.refuses(request, target)}


def user(text: str, mark: object = None) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text, **({"cache_control": mark} if mark else {})}]}


@pytest.mark.parametrize(
    ("extras", "told"),
    [
        ({}, None),
        ({"cache_control": FIVE}, FIVE),
        ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, FIVE),
        ({"cache_control": HOUR}, HOUR),
        ({"cache_control": None}, None),
        ({"cache_control": "x"}, None),
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, FIVE),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}, FIVE),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, HOUR),
        ({"prompt_cache_breakpoint": {"mode": "implicit"}}, None),
    ],
)
def test_both_vendors_words(extras: dict[str, Any], told: object) -> None:
    assert breakpoints.of({name: raw(value) for name, value in extras.items()}) == told


def test_four_are_kept_and_the_last_ones_win() -> None:
    turns = [user(str(number), FIVE) for number in range(6)]
    body, named = claude(chat(*turns))
    marked = [part["text"] for part in body["messages"][0]["content"] if "cache_control" in part]
    assert (marked, named) == (["2", "3", "4", "5"], {"cache_control": "the last 4 of 6 breakpoints are sent"})


def test_a_longer_ttl_does_not_follow_a_shorter_one() -> None:
    body, named = claude(chat(user("a", HOUR), user("b", FIVE), user("c", HOUR)))
    assert [part["cache_control"] for part in body["messages"][0]["content"]] == [HOUR, FIVE, FIVE]
    assert list(named) == ["cache_control"]


def test_a_breakpoint_on_a_whole_message_stands_on_its_last_block() -> None:
    system = {"role": "system", "content": "s", "cache_control": HOUR}
    body, named = claude(chat(system, {"role": "user", "content": "q", "cache_control": FIVE}))
    assert body["system"] == [{"type": "text", "text": "s", "cache_control": HOUR}]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "q", "cache_control": FIVE}]}]
    assert named == {}


def test_openais_breakpoints_reach_claude_from_responses() -> None:
    part = {"type": "input_text", "text": "q", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    body, _ = claude(responses({"role": "user", "content": [part]}))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "q", "cache_control": HOUR}]


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("request_", "to", "set_"),
    [
        (chat(user(LONG)), {}, True),
        (chat(user("short")), {}, False),
        (chat(user(LONG)), {"prompt_cache": False}, False),
        (chat(user(LONG, FIVE)), {}, False),
        (chat(user(LONG), prompt_cache_options={"mode": "explicit"}), {}, False),
        (chat(user(LONG), prompt_cache_options={"mode": "implicit"}), {}, True),
        (chat(user(LONG)), {"capabilities": ir.Capabilities()}, False),
        (chat(user(LONG)), {"options": {"cache_control": HOUR}}, True),
    ],
)
def test_the_automatic_breakpoint(request_: ir.Request, to: dict[str, Any], set_: bool) -> None:
    body, _ = claude(request_, **{"prompt_cache": True, **to})
    assert ("cache_control" in body) is set_


def test_a_clients_own_automatic_breakpoint_is_one_of_the_four() -> None:
    body, named = claude(chat(*(user(str(number), FIVE) for number in range(4)), cache_control=FIVE))
    assert body["cache_control"] == FIVE
    assert ["cache_control" in part for part in body["messages"][0]["content"]] == [False, True, True, True]
    assert list(named) == ["cache_control"]


def test_the_same_request_is_the_same_bytes() -> None:
    request = chat(user(LONG))
    dialect, target = DIALECTS["anthropic_messages"], msgspec.structs.replace(CLAUDE, prompt_cache=True)
    bodies = {dialect.write_request(request, target, ir.Context(seed, now)).body for seed, now in (("a", 1), ("b", 2))}
    assert len(bodies) == 1


def test_g61_an_exact_relay_to_openai_loses_them_and_nothing_else() -> None:
    fields = {
        "messages": raw(
            [{"role": "user", "content": [{"type": "text", "text": "é", "cache_control": FIVE}], "n": 1.50}]
        ),
        "tools": raw([{"type": "function", "cache_control": FIVE, "function": {"parameters": {"cache_control": {}}}}]),
        "cache_control": raw(FIVE),
        "input": raw("x"),
    }
    named = breakpoints.strip(fields)
    assert [each.name for each in named] == ["cache_control"]
    assert msgspec.json.decode(fields["messages"]) == [
        {"role": "user", "content": [{"type": "text", "text": "é"}], "n": 1.50}
    ]
    assert msgspec.json.decode(fields["tools"]) == [
        {"type": "function", "function": {"parameters": {"cache_control": {}}}}
    ]
    assert breakpoints.strip(fields) == []


def test_a_schema_with_that_name_alone_is_not_touched() -> None:
    tools = raw([{"type": "function", "function": {"parameters": {"cache_control": {}}}}])
    fields = {"tools": tools}
    assert (breakpoints.strip(fields), bytes(fields["tools"])) == ([], bytes(tools))
