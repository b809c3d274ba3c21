"""Traps of tools, through the public door: names, choices, histories, groups, free text (G16-G21, G25, G74, G83, G84)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sent_tools
from road import APIS, BACKENDS, EXACT, FOUR, MODES, Road, body, build
from scripted import stream, whole
from vendors import DONE, Call, Json, Says, chunk, data

RULES = {
    "claude": r"[a-zA-Z0-9_-]{1,128}",
    "gemini": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    "vllm": r"[a-zA-Z0-9_-]{1,64}",
    "gpt": r"[a-zA-Z0-9_-]{1,64}",
    "lmstudio": r"[a-zA-Z0-9_-]{1,64}",
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
F = "get_weather"
HERE = "lmstudio"
"""A Responses server that is not OpenAI."""
EVERYWHERE = [(backend, api) for backend in FOUR for api in APIS if (backend, api) not in EXACT]
THE_OTHERS = ("claude", "gemini", "vllm", HERE)

translated = pytest.mark.parametrize(("backend", "api"), EVERYWHERE)
modes = pytest.mark.parametrize("stream_", MODES, ids=["whole", "stream"])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build("  either: {use: [claude, gpt]}") as built:
        yield built


def sent(road: Road, backend: str) -> sent_tools.Sent:
    return sent_tools.read(BACKENDS[backend][0], road.sent())


def offer(api: str, *tools: str | Json) -> Json:
    """Function tools by name, or any entries of Responses."""
    return {"tools": [_offered(api, tool) if isinstance(tool, str) else tool for tool in tools]}


def _offered(api: str, name: str) -> Json:
    function: Json = {"name": name, "description": "A tool.", "parameters": SCHEMA}
    if api == "responses":
        return {"type": "function", **function, "strict": False}
    return {"type": "function", "function": function}


def named(api: str, name: str, kind: str = "function") -> Json:
    return {"type": kind, "name": name} if api == "responses" else {"type": kind, kind: {"name": name}}


Made = tuple[str, str, str]
"""A call: id, name, arguments."""


def talk(api: str, calls: Sequence[Made], results: Sequence[tuple[str, str]], *then: str, **item: Any) -> Json:
    """The user asks, the model calls, results come, the user goes on. ``item``: more fields of a call."""
    if api == "responses":
        items: list[Json] = [{"role": "user", "content": "Weather?"}]
        items += [
            {"type": "function_call", "call_id": id_, "name": name, "arguments": told, **item}
            for id_, name, told in calls
        ]
        items += [{"type": "function_call_output", "call_id": id_, "output": said} for id_, said in results]
        return {"input": items + [{"role": "user", "content": said} for said in then]}
    made = [{"id": id_, "type": "function", "function": {"name": name, "arguments": told}} for id_, name, told in calls]
    messages: list[Json] = [{"role": "user", "content": "Weather?"}]
    messages += [{"role": "assistant", "content": None, "tool_calls": made}]
    messages += [{"role": "tool", "tool_call_id": id_, "content": said} for id_, said in results]
    return {"messages": messages + [{"role": "user", "content": said} for said in then]}


def refused(road: Road, api: str, asked: Json) -> Json:
    """The error of a 400 for which no upstream was asked."""
    before = len(road.upstream.asked)
    got = road.post(api, asked)
    assert got.status_code == 400, got.text
    assert len(road.upstream.asked) == before
    error: Json = got.json()["error"]
    return error


# --- G16 -----------------------------------------------------------------------------------------------------------

NAMES = ["github.com/x__list", "mcp__" + "server_" * 20 + "list", "fine_name-1", "名前"]


@modes
@translated
def test_g16_names_are_legal_upstream_and_the_clients_own_here(
    road: Road, backend: str, api: str, stream_: bool
) -> None:
    history = talk(
        api, [(f"call_{n}", name, "{}") for n, name in enumerate(NAMES)], [(f"call_{n}", "ok") for n in range(4)]
    )
    fields = {**history, **offer(api, *NAMES), "tool_choice": named(api, NAMES[0])}
    road.plays(backend, Says(("ok",)), stream=stream_)
    road.ask(api, backend, stream=stream_, **fields)
    seen = sent(road, backend)
    assert all(re.fullmatch(RULES[backend], name) for name in seen.names)
    assert len(set(seen.names)) == len(NAMES)
    assert seen.names[2] == NAMES[2]
    assert [name for name, _ in seen.calls] == seen.names
    assert seen.names[0] in json.dumps(seen.choice)
    road.plays(
        backend, Says((), [Call(name, {"city": "Rome"}, f"c{n}") for n, name in enumerate(seen.names)]), stream=stream_
    )
    got = road.hear(api, backend, stream=stream_, **fields)
    assert got.calls == [(name, {"city": "Rome"}) for name in NAMES]


# --- G17 -----------------------------------------------------------------------------------------------------------

OPENAIS = {"none": "none", "auto": "auto", "required": "required"}
CHOICES: dict[str, Json] = {
    "claude": {"none": {"type": "none"}, "auto": {"type": "auto"}, "required": {"type": "any"},
               "named": {"type": "tool", "name": F}},
    "gemini": {"none": {"mode": "NONE"}, "auto": {"mode": "AUTO"}, "required": {"mode": "ANY"},
               "named": {"mode": "ANY", "allowedFunctionNames": [F]}},
    "vllm": {**OPENAIS, "named": {"type": "function", "function": {"name": F}}},
    "gpt": {**OPENAIS, "named": {"type": "function", "name": F}},
}  # fmt: skip


@modes
@pytest.mark.parametrize("choice", ["none", "auto", "required", "named"])
@translated
def test_g17_the_choice_is_told_in_each_vendors_words(
    road: Road, backend: str, api: str, choice: str, stream_: bool
) -> None:
    told = named(api, F) if choice == "named" else choice
    road.plays(backend, Says(("ok",)), stream=stream_)
    road.ask(api, backend, stream=stream_, **offer(api, F, "other"), tool_choice=told)
    assert sent(road, backend).choice == CHOICES[backend][choice]


@modes
@translated
def test_g17_one_call_at_a_time(road: Road, backend: str, api: str, stream_: bool) -> None:
    fields: Json = {**offer(api, F), "parallel_tool_calls": False}
    road.plays(
        backend, Says(("Hm.",), [Call(F, {"city": "Rome"}, "c1"), Call(F, {"city": "Oslo"}, "c2")]), stream=stream_
    )
    got = road.hear(api, backend, stream=stream_, **fields)
    assert got.finish == "tool_calls"
    seen = sent(road, backend)
    if backend == "gemini":  # it has no switch: only the first call is told
        assert got.calls == [(F, {"city": "Rome"})]
    else:
        assert seen.parallel is False
        assert seen.choice in ({"type": "auto"}, None)


@pytest.mark.parametrize(
    "choice", ["sometimes", {"type": "function", "name": "x", "function": {"name": "x"}}, {"type": "?"}]
)
@translated
def test_g17_a_choice_that_means_nothing_is_refused(road: Road, backend: str, api: str, choice: Any) -> None:
    error = refused(road, api, body(api, backend, **offer(api, F), tool_choice=choice))
    assert error["param"].startswith("tool_choice")


def allowed(api: str, mode: str, *names: str) -> Json:
    told = {"mode": mode, "tools": [named(api, name) for name in names]}
    return {"type": "allowed_tools", **(told if api == "responses" else {"allowed_tools": told})}


@modes
@pytest.mark.parametrize("mode", ["auto", "required"])
@pytest.mark.parametrize("backend", THE_OTHERS)
@pytest.mark.parametrize("api", APIS)
def test_g17_only_allowed_tools_can_be_called(road: Road, backend: str, api: str, mode: str, stream_: bool) -> None:
    road.plays(backend, Says(("ok",)), stream=stream_)
    road.ask(api, backend, stream=stream_, **offer(api, F, "other"), tool_choice=allowed(api, mode, F))
    seen = sent(road, backend)
    if backend == "gemini":
        assert seen.choice == {"mode": "VALIDATED" if mode == "auto" else "ANY", "allowedFunctionNames": [F]}
    else:
        assert seen.names == [F]
        assert seen.choice == CHOICES["gpt" if backend == HERE else backend][mode]


# --- G18, G83 ------------------------------------------------------------------------------------------------------

ROME = ("call_1", F, '{"city":"Rome"}')


@modes
@translated
def test_g18_a_history_with_calls_and_no_tools_is_answered(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.plays(backend, Says(("A title",)), stream=stream_)
    got = road.hear(api, backend, stream=stream_, **talk(api, [ROME], [("call_1", "sunny")], "Give it a title."))
    assert got.text == "A title"
    seen = sent(road, backend)
    assert seen.calls == [(F, '{"city":"Rome"}')]
    if backend in ("claude", "gemini"):
        assert (seen.names, seen.choice) == ([F], CHOICES[backend]["none"])
    else:
        assert seen.tools == []


@modes
@pytest.mark.parametrize("then", [(), ("Never mind.",)], ids=["last", "aborted"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", THE_OTHERS)
def test_g83_a_call_without_a_result_gets_one(
    road: Road, backend: str, api: str, then: tuple[str, ...], stream_: bool
) -> None:
    calls = [ROME, ("call_2", F, '{"city":"Oslo"}')]
    road.plays(backend, Says(("ok",)), stream=stream_)
    road.ask(api, backend, stream=stream_, **talk(api, calls, [("call_2", "snow")], *then), **offer(api, F))
    told = dict(sent(road, backend).results)
    assert told["call_2"] == "snow"
    assert told["call_1"].startswith("No result")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", THE_OTHERS)
def test_g83_a_result_without_a_call_is_refused_by_name(road: Road, backend: str, api: str) -> None:
    asked = body(api, backend, **talk(api, [ROME], [("call_1", "sunny"), ("call_9", "?")]), **offer(api, F))
    error = refused(road, api, asked)
    assert error["param"] == ("input" if api == "responses" else "messages[3].tool_call_id")
    assert "'call_9'" in error["message"]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["claude", "gemini"])
def test_arguments_that_are_no_object_are_refused_by_name(road: Road, backend: str, api: str) -> None:
    calls = [ROME, ("call_2", F, '{"city":')]
    error = refused(road, api, body(api, backend, **talk(api, calls, []), **offer(api, F)))
    assert error["param"] == ("input" if api == "responses" else "messages[1].tool_calls[1]")
    assert "'call_2'" in error["message"]


# --- G19, G20 ------------------------------------------------------------------------------------------------------

GROUP: Json = {
    "type": "namespace",
    "name": "mcp__x",
    "description": "What x can do.",
    "tools": [
        {"type": "function", "name": "y", "description": "Does y.", "parameters": SCHEMA},
        {"type": "function", "name": "z"},
    ],
}


def grouped(answer: bytes, *, stream_: bool) -> list[tuple[str | None, str]]:
    """The calls of a Responses answer, as (namespace, name)."""
    if not stream_:
        items = json.loads(answer)["output"]
    else:
        events = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
        items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
        assert [item.get("namespace") for item in added] == [item.get("namespace") for item in items]
    return [(item.get("namespace"), item["name"]) for item in items if item["type"] == "function_call"]


@modes
@pytest.mark.parametrize("backend", THE_OTHERS)
def test_g19_a_groups_tools_reach_the_model_and_its_calls_come_back(road: Road, backend: str, stream_: bool) -> None:
    history = talk("responses", [("call_1", "y", "{}")], [("call_1", "ok")], "Again.", namespace="mcp__x")
    fields: Json = {
        **history,
        **offer("responses", "y", GROUP),
        "tool_choice": {**named("responses", "y"), "namespace": "mcp__x"},
    }
    road.plays(backend, Says((), [Call("mcp__x__y", {"city": "Rome"}, "c1"), Call("y", {}, "c2")]), stream=stream_)
    road.hear("responses", backend, stream=stream_, **fields)
    seen = sent(road, backend)
    assert seen.names == ["y", "mcp__x__y", "mcp__x__z"]
    assert seen.tools[1][1]["properties"] == SCHEMA["properties"]
    assert seen.descriptions == ["A tool.", "Does y.", "What x can do."]
    assert [name for name, _ in seen.calls] == ["mcp__x__y"]
    assert "mcp__x__y" in json.dumps(seen.choice)
    got = road.ask("responses", backend, stream=stream_, **fields)
    assert grouped(got.content, stream_=stream_) == [("mcp__x", "y"), (None, "y")]


def test_g19_openai_gets_the_group_as_it_is(road: Road) -> None:
    road.plays("gpt", Says(("ok",)), stream=False)
    road.ask("responses", "gpt", **offer("responses", GROUP))
    assert road.sent()["tools"] == [GROUP]


@modes
@pytest.mark.parametrize("backend", THE_OTHERS)
def test_tools_that_come_with_the_conversation_are_offered(road: Road, backend: str, stream_: bool) -> None:
    later = {"type": "additional_tools", "role": "developer", "tools": [{**GROUP, "name": "later"}]}
    search: Json = {"type": "tool_search"}
    deferred = {"type": "function", "name": "deep", "parameters": SCHEMA, "defer_loading": True}
    items = [
        {"role": "user", "content": "Hi!"},
        later,
        {"type": "tool_search_call", "call_id": "s1", "arguments": {}, "execution": "client"},
        {"type": "tool_search_output", "call_id": "s1", "tools": [{"type": "function", "name": "found"}]},
        {"role": "user", "content": "Go on."},
    ]
    road.plays(backend, Says((), [Call("later__y", {}, "c1")]), stream=stream_)
    got = road.ask("responses", backend, stream=stream_, input=items, **offer("responses", F, search, deferred))
    assert sent(road, backend).names == [F, "deep", "later__y", "later__z", "found"]
    assert grouped(got.content, stream_=stream_) == [("later", "y")]
    dropped = got.headers["x-turnout-dropped"]
    assert "tools[1]" in dropped
    assert "input.tool_search_call" in dropped


@pytest.mark.parametrize(
    "tools", [[F, {"type": "web_search"}], [GROUP, {"type": "web_search"}]], ids=["plain", "grouped"]
)
@pytest.mark.parametrize("backend", ["claude", "gemini", "vllm"])
def test_g20_a_tool_that_its_vendor_runs_is_refused_by_its_place(road: Road, backend: str, tools: Any) -> None:
    error = refused(road, "responses", body("responses", backend, **offer("responses", *tools)))
    assert (error["code"], error["param"]) == ("unsupported_parameter", "tools[1]")


@modes
def test_g20_another_target_that_can_is_asked(road: Road, stream_: bool) -> None:
    road.plays("gpt", Says(("ok",)), stream=stream_)
    asked = body("responses", "either", stream=stream_, **offer("responses", {"type": "web_search"}))
    assert road.post("responses", asked).status_code == 200
    assert road.sent()["tools"] == [{"type": "web_search"}]


# --- G84, G21 ------------------------------------------------------------------------------------------------------

GRAMMAR = 'start: "*** Begin Patch"'
PATCH = '*** Begin Patch\n+ "quoted" \\ 2512292042121000001 天気 🙂\n*** End Patch\n'


def free(api: str) -> Json:
    if api == "responses":
        shape: Json = {"type": "grammar", "syntax": "lark", "definition": GRAMMAR}
        return {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": shape}
    shape = {"type": "grammar", "grammar": {"syntax": "lark", "definition": GRAMMAR}}
    return {"type": "custom", "custom": {"name": "apply_patch", "description": "Edits.", "format": shape}}


def free_talk(api: str) -> Json:
    """An earlier call of the free-text tool, and what came of it."""
    if api == "responses":
        return {"input": [
            {"role": "user", "content": "Edit."},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "apply_patch", "input": PATCH},
            {"type": "custom_tool_call_output", "call_id": "call_1", "output": "done"},
        ]}  # fmt: skip
    call = {"id": "call_1", "type": "custom", "custom": {"name": "apply_patch", "input": PATCH}}
    return {"messages": [
        {"role": "user", "content": "Edit."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]}  # fmt: skip


def inputs(api: str, answer: bytes, *, stream_: bool) -> list[str]:
    """The free text of each call, as its client puts it together; Responses' done events must agree."""
    if not stream_:
        told = json.loads(answer)
        if api == "responses":
            return [item["input"] for item in told["output"] if item["type"] == "custom_tool_call"]
        return [call["custom"]["input"] for call in told["choices"][0]["message"]["tool_calls"]]
    events = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
    if api == "responses":
        deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
        (done,) = (event["input"] for event in events if event["type"] == "response.custom_tool_call_input.done")
        assert "".join(deltas) == done
        return [done]
    pieces = [
        piece for event in events for choice in event["choices"] for piece in choice["delta"].get("tool_calls") or []
    ]
    return ["".join(piece["custom"].get("input", "") for piece in pieces)]


@modes
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", THE_OTHERS)
def test_g84_free_text_tools_work_on_models_that_know_functions_only(
    road: Road, backend: str, api: str, stream_: bool
) -> None:
    fields = {**free_talk(api), **offer(api, free(api)), "tool_choice": named(api, "apply_patch", "custom")}
    road.plays(backend, Says((), [Call("apply_patch", {"input": PATCH}, "c1")]), stream=stream_)
    got = road.ask(api, backend, stream=stream_, **fields)
    seen = sent(road, backend)
    ((name, schema),) = seen.tools
    assert (name, schema["required"], schema["properties"]) == ("apply_patch", ["input"], {"input": {"type": "string"}})
    assert GRAMMAR in seen.descriptions[0]
    assert seen.calls == [("apply_patch", sent_tools.text({"input": PATCH}))]
    assert [said for _, said in seen.results] == ["done"]
    assert seen.choice == (CHOICES["gpt" if backend == HERE else backend]["named"] | named_as(backend))
    assert inputs(api, got.content, stream_=stream_) == [PATCH]
    assert "tools[0].format" in got.headers["x-turnout-dropped"]
    assert road.hear(api, backend, stream=stream_, **fields).calls == [("apply_patch", PATCH)]


def named_as(backend: str) -> Json:
    names: dict[str, Json] = {
        "claude": {"name": "apply_patch"},
        "gemini": {"allowedFunctionNames": ["apply_patch"]},
        "vllm": {"function": {"name": "apply_patch"}},
        HERE: {"name": "apply_patch"},
    }
    return names[backend]


@modes
def test_g84_openais_own_free_text_tools_stay(road: Road, stream_: bool) -> None:
    """Chat in front of Responses: the grammar is told flat (G36), and nothing is wrapped."""
    road.plays("gpt", Says(("ok",)), stream=stream_)
    road.ask("chat", "gpt", stream=stream_, **free_talk("chat"), **offer("chat", free("chat")))
    assert road.sent()["tools"] == [free("responses")]
    assert sent(road, "gpt").calls == [("apply_patch", PATCH)]


NUMBERS = '{"city":"天気 é 🙂","id":2512292042121000001,"price":1.10}'


@modes
@translated
def test_g21_digits_and_text_of_arguments_stay_as_they_are(road: Road, backend: str, api: str, stream_: bool) -> None:
    told: Json = {"city": "天気 é 🙂", "id": 2512292042121000001}
    road.plays(backend, Says((), [Call(F, told, "c1")]), stream=stream_)
    got = road.ask(
        api, backend, stream=stream_, **talk(api, [("call_1", F, NUMBERS)], [("call_1", "ok")]), **offer(api, F)
    )
    assert "2512292042121000001" in got.text
    assert "天気 é 🙂" in got.text
    assert road.hear(api, backend, stream=stream_, **offer(api, F)).calls == [(F, told)]
    road.ask(api, backend, stream=stream_, **talk(api, [("call_1", F, NUMBERS)], [("call_1", "ok")]), **offer(api, F))
    raw = road.upstream.asked[-1].raw.decode()
    assert NUMBERS in raw or json.dumps(NUMBERS, ensure_ascii=False) in raw


# --- G25 -----------------------------------------------------------------------------------------------------------


@modes
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["vllm", "ollama", "llama"])
def test_g25_tool_calls_if_and_only_if_there_are_some(road: Road, backend: str, api: str, stream_: bool) -> None:
    fields = {**offer(api, F), "tool_choice": "auto"}
    if stream_:
        parts = (chunk({"role": "assistant", "content": "Hm."}), chunk({"tool_calls": []}, "tool_calls"))
        road.upstream.script(stream(*map(data, parts), DONE))
    else:
        message = {"role": "assistant", "content": "Hm.", "tool_calls": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
        head = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1_790_000_000, "model": "m"}
        road.upstream.script(whole({**head, "choices": [choice]}))
    got = road.hear(api, backend, stream=stream_, **fields)
    assert (got.finish, got.calls, got.text) == ("stop", [], "Hm.")


# --- G74 -----------------------------------------------------------------------------------------------------------


def two(kind: str, one: str, other: str) -> list[Json]:
    return [{"type": kind, "text": one}, {"type": kind, "text": other}]


@modes
@translated
def test_g74_all_text_arrives_in_order(road: Road, backend: str, api: str, stream_: bool) -> None:
    if api == "chat":
        call = {"id": "call_1", "type": "function", "function": {"name": F, "arguments": "{}"}}
        fields: Json = {"messages": [
            {"role": "system", "content": two("text", "<1>", "<2>")},
            {"role": "user", "content": two("text", "<3>", "<4>")},
            {"role": "assistant", "content": two("text", "<5>", "<6>"), "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": two("text", "<7>", "<8>")},
        ]}  # fmt: skip
    else:
        fields = {"input": [
            {"role": "system", "content": two("input_text", "<1>", "<2>")},
            {"role": "user", "content": two("input_text", "<3>", "<4>")},
            {"role": "assistant", "content": two("output_text", "<5>", "<6>")},
            {"type": "function_call", "call_id": "call_1", "name": F, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": two("input_text", "<7>", "<8>")},
        ]}  # fmt: skip
    road.plays(backend, Says(("ok",)), stream=stream_)
    road.ask(api, backend, stream=stream_, **fields, **offer(api, F))
    told = road.sent()
    first = {"claude": ["system"], "gemini": ["systemInstruction"], "gpt": ["instructions"]}.get(backend, [])
    order = [*first, "messages", "contents", "input"]
    text = "".join(json.dumps(told[name]) for name in order if name in told)
    assert re.findall(r"<(\d)>", text) == list("12345678")


# --- the time before tools -----------------------------------------------------------------------------------------


@modes
@pytest.mark.parametrize("backend", FOUR)
def test_functions_are_answered_with_function_call(road: Road, backend: str, stream_: bool) -> None:
    legacy: Json = {
        "functions": [{"name": F, "description": "A tool.", "parameters": SCHEMA}],
        "function_call": {"name": F},
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "function_call": {"name": F, "arguments": '{"city":"Oslo"}'}},
            {"role": "function", "name": F, "content": "snow"},
            {"role": "user", "content": "And Rome?"},
        ],
    }
    calls = [Call(F, {"city": "Rome"}, "c1"), Call(F, {"city": "Bonn"}, "c2")]
    road.plays(backend, Says((), calls), stream=stream_)
    got = road.ask("chat", backend, stream=stream_, **legacy)
    seen = sent(road, backend)
    assert (seen.names, seen.choice) == ([F], CHOICES[backend]["named"])
    assert (seen.calls, [said for _, said in seen.results]) == ([(F, '{"city":"Oslo"}')], ["snow"])
    road.hear("chat", backend, stream=stream_, **legacy)
    if not stream_:
        (choice,) = got.json()["choices"]
        told, finish = choice["message"]["function_call"], choice["finish_reason"]
        assert "tool_calls" not in choice["message"]
    else:
        chunks = [json.loads(line[6:]) for line in got.text.splitlines() if line.startswith("data: {")]
        choices = [choice for one in chunks for choice in one["choices"]]
        pieces = [choice["delta"]["function_call"] for choice in choices if "function_call" in choice["delta"]]
        told = {"name": pieces[0]["name"], "arguments": "".join(piece["arguments"] for piece in pieces)}
        finish = choices[-1]["finish_reason"]
        assert not any("tool_calls" in choice["delta"] for choice in choices)
    assert (told["name"], json.loads(told["arguments"]), finish) == (F, {"city": "Rome"}, "function_call")
