"""Random requests of the hub, for hypothesis: each as the reader of one dialect would give it, so that its writer can
say all of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct

from adapters import ir, names

Drawn = st.SearchStrategy[Any]
Draw = Callable[[Drawn], Any]

MODEST = settings(
    max_examples=30,
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""For properties of whole conversations, which are slow to draw. CI tries the same examples every time."""
MODEL = "some-model"
CAN = ir.Capabilities(
    custom_tools=True, files=True, audio=True, thinking="effort", efforts=("low", "high"), verbosity=True,
    service_tiers=True, mid_system=True, prefill=True, max_stop=None,
)  # fmt: skip
"""A backend that takes whatever its dialect can say."""


def texts(most: int = 20) -> Drawn:
    """Words of any script, without white space around them: not every vendor keeps that."""
    letters = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t")
    return st.text(letters, min_size=1, max_size=most).map(str.strip).filter(bool)


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
NUMBERS = st.integers(0, 2**40)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | texts()
OBJECTS = st.dictionaries(NAMES, _SCALARS | st.lists(_SCALARS, max_size=2), max_size=3)
ARGUMENTS = OBJECTS.map(lambda told: msgspec.json.encode(told).decode())
DATA = st.binary(min_size=1, max_size=6).map(msgspec.to_builtins)
"""Bytes, as base64."""
_TYPES = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "boolean"}}])
SCHEMAS = st.dictionaries(NAMES, _TYPES, min_size=1, max_size=3).map(
    lambda fields: {
        "type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False,
    }
)  # fmt: skip


def maybe(what: Drawn) -> Drawn:
    return st.none() | what


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


class Speech(Struct, frozen=True, kw_only=True):
    """What one dialect can say, for ``requests``."""

    dialect: str
    family: ir.Family
    provider: str
    wire: Literal["exact", "variant"] = "exact"
    can: ir.Capabilities = CAN
    told: bool = True
    """Its reader says which dialect it was."""
    said: Drawn
    """A user's content."""
    parts: int = 3
    """The most that one turn of a user holds."""
    before: Drawn
    """What an assistant's turn may begin with: reasoning, or nothing."""
    spoken: Drawn
    """An assistant's own words: a list of blocks."""
    result: Callable[[ir.ToolCall], Drawn]
    """What answers a call."""
    gathers: bool
    """All results of one step are one message."""
    instructs: tuple[ir.Role, ...] = ()
    """Roles of instructions among the messages; without any they stand at the top."""
    tools: Drawn
    choice: Callable[[Sequence[ir.Tool]], Drawn]
    params: tuple[Drawn, ...]
    """Groups of parameters that go together."""
    special: tuple[Drawn, ...] = ()
    """Groups that many other backends cannot be told."""
    customs: bool = False
    states: Drawn = st.none()
    """What a call may be signed with."""

    @property
    def upstream(self) -> ir.Upstream:
        return ir.Upstream(
            provider=self.provider,
            dialect=self.dialect,
            model=MODEL,
            family=self.family,
            wire=self.wire,
            capabilities=self.can,
        )


# --- conversations -------------------------------------------------------------------------------------------------


@st.composite
def requests(draw: Draw, speech: Speech) -> ir.Request:
    """A question: a conversation that ends with the user or with the results of tools, tools, and parameters."""
    special = speech.special if draw(st.booleans()) else ()
    messages = draw(conversations(speech))
    system: tuple[ir.Text, ...] = ()
    if draw(st.booleans()):
        words = ir.Text(draw(texts()))
        if speech.instructs:
            messages = (ir.Message(draw(st.sampled_from(speech.instructs)), (words,)), *messages)
        else:
            system = (words,)
    fields: dict[str, Any] = {}
    for group in (*speech.params, *special):
        fields |= draw(st.just({}) | group)
    tools: tuple[ir.Tool, ...] = ()
    if draw(st.booleans()):
        tools = tuple(draw(st.lists(speech.tools, min_size=1, max_size=3, unique_by=lambda tool: tool.name)))
        fields |= draw(st.just({}) | speech.choice(tools))
    return ir.Request(
        model=MODEL,
        messages=messages,
        family=speech.family,
        dialect=speech.dialect if speech.told else None,
        system=system,
        tools=tools,
        **fields,
    )


@st.composite
def conversations(draw: Draw, speech: Speech) -> tuple[ir.Message, ...]:
    told: list[ir.Message] = []
    for turn in range(draw(st.integers(0, 2))):
        told.append(draw(_asked(speech)))
        for step in range(draw(st.integers(0, 2))):
            told += draw(_step(speech, f"call_{turn}{step}"))
        told.append(ir.Message("assistant", (*draw(speech.before), *draw(speech.spoken))))
    told.append(draw(_asked(speech)))
    return tuple(told + (draw(_step(speech, "call_z")) if draw(st.booleans()) else []))


def _asked(speech: Speech) -> Drawn:
    return st.lists(speech.said, min_size=1, max_size=speech.parts).map(
        lambda blocks: ir.Message("user", tuple(blocks))
    )


@st.composite
def _step(draw: Draw, speech: Speech, prefix: str) -> list[ir.Message]:
    """Calls, and what the tools answered."""
    calls = [draw(_call(speech, f"{prefix}{number}")) for number in range(draw(st.integers(1, 3)))]
    words = draw(st.just([]) | speech.spoken)
    results = [draw(speech.result(call)) for call in calls]
    answered = [tuple(results)] if speech.gathers else [(result,) for result in results]
    turn = ir.Message("assistant", (*draw(speech.before), *words, *calls))
    return [turn, *(ir.Message("tool", blocks) for blocks in answered)]


@st.composite
def _call(draw: Draw, speech: Speech, id_: str) -> ir.ToolCall:
    if speech.customs and draw(st.booleans()):
        return ir.ToolCall(id_, draw(NAMES), draw(texts()), custom=True)
    return ir.ToolCall(id_, draw(NAMES), draw(ARGUMENTS), state=draw(speech.states))


TEXT = texts().map(ir.Text)
IMAGE = st.builds(lambda data: ir.Media("image", data=data, media_type="image/png"), DATA) | st.builds(
    lambda path: ir.Media("image", url=f"https://example.com/{path}.png"), NAMES
)
NOTHING: Drawn = st.just(())
WORDS = st.lists(TEXT, min_size=1, max_size=2)


def plain_result(call: ir.ToolCall, content: Drawn = TEXT, **more: Drawn) -> Drawn:
    blocks = st.lists(content, min_size=1, max_size=2).map(tuple)
    return st.builds(ir.ToolResult, st.just(call.id), blocks, custom=st.just(call.custom), **more)


# --- tools and choices ---------------------------------------------------------------------------------------------

FUNCTIONS = st.builds(
    ir.Tool, NAMES, description=maybe(texts()), parameters=SCHEMAS, strict=maybe(st.booleans())
)  # fmt: skip
UNSTRICT = st.builds(ir.Tool, NAMES, description=maybe(texts()), parameters=SCHEMAS)
_GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}
CUSTOMS = st.builds(
    ir.Tool, NAMES, st.just("custom"), maybe(texts()), format=st.sampled_from([None, {"type": "text"}, _GRAMMAR])
)  # fmt: skip


def called(tool: ir.Tool) -> str:
    """What a choice calls it."""
    return names.qualified(tool.namespace, tool.name)


def modes(tools: Sequence[ir.Tool]) -> Drawn:
    return st.sampled_from(["none", "auto", "required"]).map(lambda mode: {"tool_choice": ir.ToolChoice(mode)})


def named(tools: Sequence[ir.Tool]) -> Drawn:
    def choice(tool: ir.Tool) -> Mapping[str, Any]:
        return {"tool_choice": ir.ToolChoice("named", (called(tool),), custom=tool.kind == "custom")}

    return st.sampled_from(tools).map(choice)


def allowed(tools: Sequence[ir.Tool]) -> Drawn:
    chosen = st.lists(st.sampled_from(tools), min_size=1, unique_by=lambda tool: tool.name)
    return st.builds(
        lambda found, required: {"tool_choice": ir.ToolChoice("allowed", tuple(map(called, found)), required)},
        chosen,
        st.booleans(),
    )


def openais_choice(tools: Sequence[ir.Tool]) -> Drawn:
    parallel = st.booleans().map(lambda told: {"parallel_tool_calls": told})
    offered = [tool for tool in tools if tool.kind != "hosted"]
    return modes(tools) | parallel | (named(offered) | allowed(offered) if offered else st.just({}))


# --- parameters ----------------------------------------------------------------------------------------------------


def one(name: str, what: Drawn) -> Drawn:
    return what.map(lambda told: {name: told})


TEMPERATURE = one("temperature", st.sampled_from([0.0, 0.25, 1.0]))
TOP_P = one("top_p", st.sampled_from([0.0, 0.5, 1.0]))
LIMIT = one("max_output_tokens", st.integers(2048, 9999))
STOP = one("stop", st.lists(texts(8), min_size=1, max_size=4).map(tuple))
USER = one("user", NAMES)
WORDY = (
    USER,
    one("safety_identifier", NAMES),
    one("prompt_cache_key", NAMES),
    one("metadata", st.dictionaries(NAMES, NAMES, min_size=1, max_size=2)),
    one("store", st.booleans()),
    one("verbosity", st.sampled_from(["low", "medium", "high"])),
    one("service_tier", st.sampled_from(["auto", "default", "flex", "priority"])),
)
EFFORT = one("effort", st.sampled_from(["low", "high"]))
SHAPE = one(
    "format",
    st.builds(
        ir.Format, st.just("json_schema"), NAMES, SCHEMAS, maybe(st.booleans()), maybe(texts())
    ) | st.just(ir.Format("json_object")),
)  # fmt: skip
