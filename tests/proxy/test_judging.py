"""The judge of answers: what it finds wrong, what it takes for no schema, and how long a hostile one can hold it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from adapters import ir
from proxy.judging import Fault, Judge, judge

FIELD = "response_format.json_schema.schema"
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"enum": ["x"]}}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "text", "keywords"),
    [
        (SCHEMA, '{"a":1,"b":["x"]}', []),
        (SCHEMA, "{}", ["required"]),
        (SCHEMA, '{"a":"1"}', ["type"]),
        (SCHEMA, '{"a":1,"b":["y"],"c":1}', ["additionalProperties", "enum"]),
        (SCHEMA, "[]", ["type"]),
        (SCHEMA, '{"a":1', ["json"]),
        (SCHEMA, '{"a":1} ', []),
        (SCHEMA, "", ["json"]),
        (SCHEMA, "```json\n{}\n```", ["json"]),
        (SCHEMA, "[" * 100_000, ["json"]),
        (None, "{}", []),
        (None, "[]", ["type"]),
        (None, "null", ["type"]),
        (None, "x", ["json"]),
        (True, "5", []),
        (False, "5", ["falseSchema"]),
        ({"type": "array", "items": {"type": "null"}}, "[1,2,3,4,5,6,7]", ["type"] * 5),
    ],
)
def test_what_is_wrong(schema: Any, text: str, keywords: list[str]) -> None:
    assert sorted(fault.keyword for fault in Judge(schema, FIELD).faults(text)) == keywords


def test_it_says_where() -> None:
    (fault,) = Judge(SCHEMA, FIELD).faults('{"a":1,"b":["x","y"]}')
    assert fault.words.startswith("At $['b'][1]: ")
    text = json.dumps({"k" * 9000: "v" * 9000})
    (long,) = Judge({"additionalProperties": {"maxLength": 1}}, FIELD).faults(text)
    assert len(long.words) < 600


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{}", "it must be an object"),
        ([], "it must be an object"),
        (5, "it must be an object"),
        ({"type": "objekt"}, "'anyOf' is not met at type"),
        ({"required": "a"}, "'type' is not met at required"),
        ({"properties": {"a": {"minLength": -1}}}, "'minimum' is not met at properties/a/minLength"),
        ({"pattern": "("}, "'format' is not met at pattern"),
        ({"$ref": "http://127.0.0.1:1/x"}, "it refers to 'http://127.0.0.1:1/x'"),
        ({"$ref": "file:///etc/passwd"}, "it refers to 'file:///etc/passwd'"),
        ({"$ref": "#/$defs/none"}, "is not met at its top level"),
        ({"$schema": "http://127.0.0.1:1/meta"}, "is not met at its top level"),
        ({"properties": {"a": {"$id": "http://127.0.0.1:1/x"}}}, "an '$id' of its own"),
        ({"$ref": "#"}, "applies itself"),
    ],
)
def test_what_is_no_schema(schema: Any, why: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        Judge(schema, FIELD)
    failure = caught.value.failure
    assert (failure.status, failure.param, failure.code) == (400, FIELD, "invalid_json_schema")
    assert FIELD in failure.message
    assert why in failure.message


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}, '{"a":' * 60 + "1" + "}" * 60),
        ({"pattern": "^(a+)+$"}, '"' + "a" * 60 + 'b"'),
        ({"pattern": "^(?=(a+)+$)(a|aa)+$"}, '"' + "a" * 60 + 'b"'),
        ({"items": {"anyOf": [{"const": n} for n in range(500)]}}, "[" + "501," * 5000 + "501]"),
        ({"uniqueItems": True}, "[" + ",".join(str(n) for n in range(50_000)) + "]"),
    ],
)
def test_a_hostile_schema_is_over_within_a_second(schema: Any, text: str) -> None:
    started = time.perf_counter()
    assert len(Judge(schema, FIELD).faults(text)) <= 5
    assert time.perf_counter() - started < 1


class Slow:
    """A judge that ends only when the loop says so."""

    def __init__(self) -> None:
        self.said = threading.Event()

    def faults(self, _: str) -> list[Fault]:
        return [] if self.said.wait(10) else [Fault("time", "")]


def test_answers_are_judged_beside_the_loop() -> None:
    slow = Slow()
    attempt: Any = SimpleNamespace(judge=slow)
    events: list[ir.Event] = [
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "{}"),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]

    async def both() -> None:
        judging = asyncio.create_task(judge(attempt, ir.collect(events)))
        await asyncio.sleep(0)
        slow.said.set()
        await judging

    asyncio.run(both())
