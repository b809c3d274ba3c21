"""What makes one question another, which answers are kept, and the words of a rule's ``cache``."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from book_kit import TARGETS, ask, rules, tool
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies import caching
from policies.caching import MAX_TTL, Caching, Wish
from policies.rules.grammar import RuleErrors

RULE = Caching(ttl=60.0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["messages", "tools", "temperature", "user", "metadata", "seed", "odd", "n"]), JSON, max_size=5
)
ASKED: dict[str, Any] = {
    "tenant": "t", "data_class": frozenset({"internal"}), "alias": "auto", "api": "chat", "policy_hash": "h",
    "rule": "p[0]", "headers": {"anthropic-beta": "a"},
}  # fmt: skip


def key(body: dict[str, Any] | bytes = b'{"messages":[]}', request: ir.Request | None = None, **changes: Any) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    top = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return caching.key(top, request or ask(), **(ASKED | changes))


# --- the key -------------------------------------------------------------------------------------------------------


def shuffled(value: Any) -> Any:
    """The same value, the keys of all its objects the other way round."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(FIELDS, st.sampled_from([None, 1, 4]), st.booleans())
def test_the_order_of_keys_and_white_space_do_not_count(
    fields: dict[str, Any], indent: int | None, ascii_: bool
) -> None:
    other = json.dumps(shuffled(fields), indent=indent, ensure_ascii=ascii_).encode()
    assert key(fields) == key(other)


@given(FIELDS, FIELDS)
def test_any_other_value_is_another_question(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(one) == key(other)) == (
        msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    )


@given(FIELDS, st.dictionaries(st.sampled_from(["stream", "stream_options", "prompt_cache_key", "model"]), JSON))
def test_how_it_is_told_and_what_its_prefix_costs_do_not_count(fields: dict[str, Any], form: dict[str, Any]) -> None:
    assert key(fields | form) == key(fields)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "u"}, {"data_class": frozenset()}, {"data_class": frozenset({"internal", "hr"})}, {"alias": "b"},
        {"api": "responses"}, {"policy_hash": "i"}, {"rule": "p[1]"}, {"headers": {"anthropic-beta": "b"}},
        {"headers": {}},
    ],
    ids=["tenant", "no class", "two classes", "alias", "api", "policy", "rule", "header", "no header"],
)  # fmt: skip
def test_who_asks_and_what_was_decided_count(change: dict[str, Any]) -> None:
    assert key(**change) != key()


@pytest.mark.parametrize(
    "change",
    [{"effort": "low"}, {"max_output_tokens": 5}, {"temperature": 0.5}, {"top_p": 0.5}, {"thinking_budget": 9}],
    ids=str,
)
def test_what_defaults_and_rules_change_counts(change: dict[str, Any]) -> None:
    assert key(request=ask(**change)) != key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"x":12345678901234567890123}', b'{"x":12345678901234567890124}'),
        (b'{"x":1e999}', b'{"x":1e998}'),
        (b'{"x":1e999}', b'{"x":"1e999"}'),
        (b'{"x":null}', b"{}"),
        (b'{"x":"1"}', b'{"x":1}'),
        (b'{"a":["b"]}', b'{"a":"b"}'),
        (b'{"x":"\xff"}', b'{"x":"\xfe"}'),
    ],
)
def test_values_that_look_alike_are_not_taken_for_each_other(one: bytes, other: bytes) -> None:
    assert key(one) != key(other)


def test_no_prompt_is_in_the_key() -> None:
    assert len(key({"messages": "secret" * 100})) == 32


# --- may it be kept ------------------------------------------------------------------------------------------------

CALL = ir.Message("assistant", (ir.ToolCall("c", "f", "{}"),))
RAN = ir.Message("assistant", (ir.Opaque("openai", "web_search_call", msgspec.Raw(b"{}")),))


@pytest.mark.parametrize(
    ("request_", "api", "why"),
    [
        (ask(), "chat", None),
        (ask(), "messages", None),
        (ask(temperature=1.0, n=3), "chat", None),
        (ask(), "responses", "stored"),
        (ask(store=False), "responses", None),
        (ask(store=True), "responses", "stored"),
        (ask(store=True), "chat", "stored"),
        (ask(), "embeddings", "embeddings"),
        (ask(), "completions", "completions"),
        (ask(), "count_tokens", "count_tokens"),
        (ask(tools=(tool(),)), "chat", "tools"),
        (ask(messages=(CALL,)), "chat", "tools"),
        (ask(messages=(RAN,)), "chat", "tools"),
        (ask(extras={"web_search_options": msgspec.Raw(b"{}")}), "chat", "tools"),
    ],
)
def test_which_requests_pass_it_by(request_: ir.Request, api: str, why: str | None) -> None:
    assert caching.bypass(request_, api, RULE) == why
    if why == "tools":
        assert caching.bypass(request_, api, Caching(ttl=1.0, tools=True)) is None


def reply(*finishes: ir.Finished, text: str = "Hi", **changes: Any) -> ir.Reply:
    blocks = [ir.ReplyBlock("text", 0, finished.choice, {}, text) for finished in finishes]
    given: dict[str, Any] = {
        "blocks": blocks, "finishes": {end.choice: end for end in finishes}, "ended": ir.Ended(),
    }  # fmt: skip
    return ir.Reply(**(given | changes))


STOP = ir.Finished(0, "stop")


@pytest.mark.parametrize(
    ("answer", "choices", "why"),
    [
        (reply(STOP), 1, None),
        (reply(STOP, ir.Finished(1, "stop")), 2, None),
        (reply(ir.Finished(0, "tool_calls"), text="", blocks=[ir.ReplyBlock("tool_call", 0, 0, {})]), 1, None),
        (reply(STOP, failure=ir.Failure("timeout", 504, "late")), 1, "failed"),
        (reply(ir.Finished(0, "length")), 1, "cut"),
        (reply(ir.Finished(0, "content_filter")), 1, "cut"),
        (reply(ir.Finished(0, "stop", "odd", known=False)), 1, "cut"),
        (reply(ir.Finished(0, "stop", "pause_turn")), 1, "cut"),
        (reply(STOP, ended=None), 1, "cut"),
        (reply(), 1, "cut"),
        (reply(STOP), 2, "cut"),
        (reply(STOP, ir.Finished(1, "length")), 2, "cut"),
        (reply(STOP, text=""), 1, "empty"),
        (reply(STOP, blocks=[ir.ReplyBlock("reasoning", 0, 0, {}, "hm")]), 1, "empty"),
    ],
)
def test_which_answers_are_kept(answer: ir.Reply, choices: int, why: str | None) -> None:
    assert caching.unfit(answer, choices, {"pause_turn"}) == why


@pytest.mark.parametrize(
    ("told", "wish"),
    [
        ("", Wish()),
        ("no-cache", Wish(look=False)),
        ("No-Cache, max-age=5", Wish(look=False, age=5.0)),
        ("no-store", Wish(look=False, keep=False)),
        ("max-age=0", Wish(age=0.0)),
        ("max-age = 60 , x", Wish(age=60.0)),
        ("max-age=-1", Wish()),
        ("max-age=soon", Wish()),
        ("max-age=" + "9" * 5000, Wish(age=999_999_999.0)),
        ("private, only-if-cached", Wish()),
    ],
)
def test_what_a_client_may_wish(told: str, wish: Wish) -> None:
    assert caching.wish(told) == wish


# --- the rule's words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "place", "text"),
    [
        ("{ttl: 1h, tool: true}", ("tool",), "did you mean 'tools'?"),
        ("{ttl: 1h, tools: 1}", ("tools",), "takes true or false"),
        ("{tools: true}", ("ttl",), "is missing: say how long, such as {ttl: 1h}"),
        ("{ttl: soon}", ("ttl",), "is not a duration"),
        ("{ttl: 0s}", ("ttl",), "must be more than 0s and at most 30d"),
        ("{ttl: never}", ("ttl",), "must be more than 0s and at most 30d"),
        ("{ttl: 31d}", ("ttl",), "must be more than 0s and at most 30d"),
        ("1h", (), "must be a mapping such as {ttl: 1h}"),
    ],
)
def test_a_mistake_is_told_once_with_its_place_and_mend(words: str, place: tuple[str, ...], text: str) -> None:
    with pytest.raises(RuleErrors) as raised:
        rules(f"{{set: {{cache: {words}}}, continue: true}}", "{use: [oss]}")
    [(path, told)] = raised.value.problems
    assert path == ("policies", "p", "rules", 0, "set", "cache", *place)
    assert text in told


def test_a_rule_says_how_long() -> None:
    book = rules("{set: {cache: {ttl: 30d, tools: true}}, continue: true}", "{use: [oss]}")
    [line, _] = book.policies["p"].lines
    assert line.terms.cache == Caching(ttl=MAX_TTL, tools=True)
    assert "oss" in TARGETS


def test_explain_is_told_the_rule_and_why_it_is_passed_by() -> None:
    assert caching.told(None, None) is None
    assert caching.told(RULE, "tools") == {"ttl": 60.0, "tools": False, "bypass": "tools"}
