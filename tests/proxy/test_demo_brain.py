"""The demo's mind: schemas filled, tokens counted, answers cut."""

from typing import Any

import pytest

from proxy.demo.brain import Prompt, Said, Tool, think
from proxy.demo.filling import fill
from proxy.demo.tokens import count, fragments, pieces

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
    "$ref": "#/$defs/node",
}


def prompt(text: str = "Hi", **more: Any) -> Prompt:
    return Prompt(said=(Said("user", text),), **more)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "Weather in Paris", "Paris"),
        ({"type": "string"}, 'Say "hello there"', "hello there"),
        ({"type": "string"}, "", "demo"),
        ({"type": "string", "minLength": 6, "maxLength": 7}, "", "demoxx"),
        ({"type": "string", "format": "date"}, "x", "2026-11-20"),
        ({"type": "string", "pattern": r"^\d+$"}, "x", "1"),
        ({"enum": ["celsius", "fahrenheit"]}, "in Fahrenheit please", "fahrenheit"),
        ({"enum": [3, 4]}, "x", 3),
        ({"const": "c"}, "x", "c"),
        ({"type": "integer"}, "I am 33", 33),
        ({"type": "INTEGER", "minimum": 40}, "I am 33", 40),
        ({"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4}, "x", 8),
        ({"type": "number", "maximum": -2}, "x", -2),
        ({"type": ["null", "boolean"]}, "x", True),
        ({"type": "null"}, "x", None),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "x", 1),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3}, "x", [True, True, True]),
        ({"type": "array", "items": {"type": "boolean"}, "maxItems": 0}, "x", []),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "type": "array"}, "x", [1, 2]),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
            "x",
            {"b": 2, "a": 1},
        ),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "x", {"key": 1}),
        ({"type": "object", "required": ["free"]}, "", {"free": "demo"}),
        (True, "x", "demo"),
    ],
)
def test_fill(schema: Any, text: str, value: Any) -> None:
    assert fill(schema, text) == value


def test_a_recursive_schema_ends() -> None:
    node = fill(TREE)
    depth = 0
    while node is not None:
        node, depth = node["next"], depth + 1
    assert depth < 10


@pytest.mark.parametrize("text", ["", " ", "a  b\n", "“Größe” 日本語🙂 — ok?", "x" * 40, "1,2\t"])
def test_pieces_and_fragments_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert "".join(fragments(text)) == text
    assert count(text) == len(pieces(text))


@pytest.mark.parametrize("limit", range(60))
def test_a_limit_is_kept_and_reasoning_is_spent_first(limit: int) -> None:
    answer = think(prompt(effort="low", limit=limit))
    whole = think(prompt(effort="low"))
    assert answer.tokens.output == min(limit, whole.tokens.output)
    assert (answer.finish == "length") == (limit < whole.tokens.output)
    assert count(answer.reasoning) == answer.tokens.reasoning
    assert answer.text == "" or answer.reasoning == whole.reasoning


def test_more_effort_is_more_reasoning() -> None:
    counts = [
        think(prompt(effort=effort)).tokens.reasoning for effort in (None, "low", "medium", "high", "xhigh", "max")
    ]
    assert counts == sorted(set(counts))
    assert counts[0] == 0


def test_a_tool_call_that_does_not_fit_is_not_made() -> None:
    tools = (Tool("f", {"type": "object", "properties": {"city": {"type": "string"}}}),)
    assert think(prompt(tools=tools)).finish == "tool_calls"
    cut = think(prompt(tools=tools, limit=2))
    assert (cut.finish, cut.calls) == ("length", ())


def test_only_a_prompt_that_ends_in_results_is_answered_in_text() -> None:
    tools = (Tool("f", {"type": "object"}), Tool("g", {"type": "object"}))
    results = (Said("user", "Go"), Said("assistant", "f", "call"), Said("tool", "one", "result"))
    done = Prompt(said=results, tools=tools)
    assert "the tool said one" in think(done).text
    assert think(Prompt(said=(*results, Said("user", "Again")), tools=tools)).calls
    assert think(Prompt(said=results, tools=tools, choice="required", only=("g",))).calls[0].tool.name == "g"
    assert think(prompt(tools=tools, choice="none")).calls == ()
    assert len(think(prompt("in parallel", tools=tools)).calls) == 2
    assert len(think(prompt("in parallel", tools=tools, parallel=False)).calls) == 1


def test_an_instruction_to_answer_in_json_is_followed() -> None:
    said = (Said("system", "Answer with one JSON object only: no prose."), Said("user", "Hi"))
    assert think(Prompt(said=said)).text == think(prompt("Hi", json_object=True)).text
    assert think(Prompt(said=(Said("user", "one json object only?"),))).text.startswith("Demo answer")
