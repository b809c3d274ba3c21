"""Protocol.md 3.2, sentence by sentence: turns, calls, results, media and refusals, from every client to every backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from reference_kit import BACKENDS, CHAT, CLIENTS, GEMINI, MESSAGES, RESPONSES, Json, told

PNG, PDF = "iVBORw0KGgo=", "JVBERi0="
SCHEMA = {"type": "object", "properties": {}}
TOOLS: Mapping[str, Json] = {
    CHAT: {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
    RESPONSES: {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
    MESSAGES: {"tools": [{"name": "f", "input_schema": SCHEMA}]},
}
Pairs = Sequence[tuple[str, str]]


def loop(client: str, calls: Pairs, results: Pairs, **more: Any) -> Json:
    """A turn that calls ``f``: (id, arguments), then (id, text) of its results, in the client's words."""
    if client == CHAT:
        said = [{"id": i, "type": "function", "function": {"name": "f", "arguments": a}} for i, a in calls]
        turns: list[Json] = [{"role": "assistant", "content": "let me", "tool_calls": said}]
        turns += [{"role": "tool", "tool_call_id": i, "content": text} for i, text in results]
        return {**TOOLS[client], "messages": [{"role": "user", "content": "q"}, *turns], **more}
    if client == RESPONSES:
        turns = [{"role": "assistant", "content": "let me", "phase": "commentary", "id": "msg_1"}]
        turns += [
            {"type": "function_call", "id": f"fc_{i}", "call_id": i, "name": "f", "arguments": a} for i, a in calls
        ]
        turns += [{"type": "function_call_output", "call_id": i, "output": text} for i, text in results]
        return {**TOOLS[client], "input": [{"role": "user", "content": "q"}, *turns], **more}
    uses = [{"type": "tool_use", "id": i, "name": "f", "input": {"a": 1} if "1" in a else {}} for i, a in calls]
    answers = [{"type": "tool_result", "tool_use_id": i, "content": text} for i, text in results]
    turns = [
        {"role": "assistant", "content": [{"type": "text", "text": "let me"}, *uses]},
        {"role": "user", "content": answers},
    ]
    return {**TOOLS[client], "messages": [{"role": "user", "content": "q"}, *turns], **more}


def turns_of(body: Json) -> list[Json]:
    found: list[Json] = body.get("messages") or body.get("input") or body["contents"]
    return found


def shape(body: Json) -> list[tuple[str, ...]]:
    """Each turn as its role, with the kinds of its parts; each item of Responses as its role or type."""
    if "input" in body:
        return [(item.get("role") or item["type"],) for item in body["input"]]
    out: list[tuple[str, ...]] = []
    for turn in turns_of(body):
        parts = turn.get("parts") or turn.get("content")
        kinds = [part.get("type") or next(iter(part)) for part in parts] if isinstance(parts, list) else []
        kinds += ["call"] * len(turn.get("tool_calls", ()))
        out.append((turn["role"], *kinds))
    return out


CALLS, RESULTS = [("call_1", ""), ("call_2", '{"a": 1}')], [("call_2", "two"), ("call_1", "one")]
ONE_TURN: Mapping[str, list[tuple[str, ...]]] = {
    "gpt-4.1": [("user",), ("assistant", "call", "call"), ("tool",), ("tool",)],
    "vllm": [("user",), ("assistant", "call", "call"), ("tool",), ("tool",)],
    "gpt-5.6": [("user",), ("assistant",), *[("function_call",)] * 2, *[("function_call_output",)] * 2],
    "lm studio": [("user",), ("assistant",), *[("function_call",)] * 2, *[("function_call_output",)] * 2],
    "claude": [("user",), ("assistant", "text", "tool_use", "tool_use"), ("user", "tool_result", "tool_result")],
    "gemini 2.5": [
        ("user", "text"), ("model", "text", "functionCall", "functionCall"),
        ("user", "functionResponse", "functionResponse"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("to", ONE_TURN)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_turn_of_calls_is_one_turn_in_each_vendors_grouping(client: str, to: str) -> None:
    sent = told(client, loop(client, CALLS, RESULTS), BACKENDS[to])
    assert shape(sent.body) == ONE_TURN[to]
    assert sent.named == {}


def arguments(body: Json) -> list[Any]:
    """The arguments of every call that is told."""
    out: list[Any] = []
    for turn in turns_of(body):
        out += [call["function"]["arguments"] for call in turn.get("tool_calls", ())]
        parts = turn.get("parts") or turn.get("content")
        for part in parts if isinstance(parts, list) else [turn]:
            if part.get("type") == "tool_use":
                out.append(part["input"])
            elif "functionCall" in part:
                out.append(part["functionCall"]["args"])
            elif part.get("type") == "function_call":
                out.append(part["arguments"])
    return out


EXACT = {(CHAT, "gpt-4.1"), (RESPONSES, "gpt-5.6"), (MESSAGES, "claude")}
"""Clients whose bytes pass unread."""


@pytest.mark.parametrize(
    ("client", "to"), [(client, to) for client in CLIENTS for to in ONE_TURN if (client, to) not in EXACT]
)
def test_arguments_are_a_string_or_an_object_and_never_empty_text(client: str, to: str) -> None:
    found = arguments(told(client, loop(client, CALLS, RESULTS), BACKENDS[to]).body)
    if BACKENDS[to].family == "openai":
        assert [text.replace(" ", "") for text in found] == ["{}", '{"a":1}']
    else:
        assert found == [{}, {"a": 1}]


@pytest.mark.parametrize("client", CLIENTS)
def test_call_ids_are_call_ids_and_not_those_of_items(client: str) -> None:
    for to in ("gpt-5.6", "lm studio"):
        items = turns_of(told(client, loop(client, CALLS, RESULTS), BACKENDS[to]).body)
        outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
        assert [item["call_id"] for item in items if item.get("type") == "function_call"] == ["call_1", "call_2"]
        assert outputs == ["call_2", "call_1"]
    chat = turns_of(told(client, loop(client, CALLS, RESULTS), BACKENDS["vllm"]).body)
    assert [call["id"] for call in chat[1]["tool_calls"]] == ["call_1", "call_2"]


# --- results -------------------------------------------------------------------------------------------------------

SEEN = {
    RESPONSES: {
        "output": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        ]
    },
    MESSAGES: {
        "content": [
            {"type": "text", "text": "see"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "document", "title": "a.pdf",
             "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        ]
    },
}  # fmt: skip


def looked(client: str) -> Json:
    """A loop whose one result holds text, an image and a document."""
    body = loop(client, [("call_1", "{}")], [("call_1", "")])
    last = turns_of(body)[-1]
    (last if client == RESPONSES else last["content"][0]).update(SEEN[client])
    return body


@pytest.mark.parametrize("client", SEEN)
def test_media_of_a_result_stand_where_each_vendor_takes_them(client: str) -> None:
    claude = turns_of(told(client, looked(client), BACKENDS["claude"]).body)[-1]["content"][0]
    assert [part["type"] for part in claude["content"]] == ["text", "image", "document"]
    new = turns_of(told(client, looked(client), BACKENDS["gemini"]).body)[-1]["parts"]
    assert [part["inlineData"]["mimeType"] for part in new[0]["functionResponse"]["parts"]] == [
        "image/png",
        "application/pdf",
    ]
    assert new[0]["functionResponse"]["response"] == {"output": "see"}
    old = turns_of(told(client, looked(client), BACKENDS["gemini 2.5"]).body)[-1]["parts"]
    assert [next(iter(part)) for part in old] == ["functionResponse", "inlineData", "inlineData"]
    gpt = turns_of(told(client, looked(client), BACKENDS["gpt-5.6"]).body)[-1]["output"]
    assert [part["type"] for part in gpt] == ["input_text", "input_image", "input_file"]


@pytest.mark.parametrize("client", SEEN)
def test_chat_takes_text_results_so_their_media_follow_in_a_user_message(client: str) -> None:
    result, after = turns_of(told(client, looked(client), BACKENDS["gpt-4.1"]).body)[-2:]
    assert (result["role"], result["content"], after["role"]) == ("tool", "see", "user")
    assert [part["type"] for part in after["content"]] == ["text", "image_url", "file"]
    assert told(client, looked(client), BACKENDS["vllm"]).named.get("messages[2]") == "contract", (
        "it takes no documents"
    )


def test_a_tools_failure_is_told_where_there_is_a_word_and_named_elsewhere() -> None:
    body = loop(MESSAGES, [("toolu_1", "{}")], [("toolu_1", "boom")])
    turns_of(body)[-1]["content"][0]["is_error"] = True
    assert turns_of(told(MESSAGES, body, BACKENDS["claude"]).body)[-1]["content"][0]["is_error"] is True
    gemini = told(MESSAGES, body, BACKENDS["gemini"])
    assert turns_of(gemini.body)[-1]["parts"][0]["functionResponse"]["response"] == {"error": "boom"}
    assert gemini.named == {}
    for to in ("gpt-4.1", "gpt-5.6", "vllm", "lm studio"):
        assert told(MESSAGES, body, BACKENDS[to]).named == {"messages.is_error": "tuning"}, to


# --- instructions, names, phases, refusals -------------------------------------------------------------------------

SAID = [
    {"role": "system", "content": "s1"},
    {"role": "user", "content": "u1", "name": "bob"},
    {"role": "assistant", "content": None, "refusal": "no"},
    {"role": "developer", "content": "s2"},
    {"role": "user", "content": "u2"},
    {"role": "user", "content": "u3"},
]


def test_instructions_go_where_each_vendor_has_them() -> None:
    body = {"messages": SAID}
    claude = told(CHAT, body, BACKENDS["claude"])
    assert (claude.body["system"], claude.named) == ("s1", {"messages.name": "tuning"})
    assert turns_of(claude.body)[-1] == {
        "role": "user",
        "content": [{"type": "text", "text": text} for text in ("<system>s2</system>", "u2", "u3")],
    }
    later = turns_of(told(CHAT, body, BACKENDS["opus 5.5"]).body)
    assert ("system", "s2") in [(turn["role"], turn["content"]) for turn in _flat(later)]
    gemini = told(CHAT, body, BACKENDS["gemini"])
    assert [part["text"] for part in gemini.body["systemInstruction"]["parts"]] == ["s1", "s2"]
    assert [len(turn["parts"]) for turn in turns_of(gemini.body)] == [1, 1, 2], "neighbours of one role are one content"
    assert [turn["role"] for turn in turns_of(told(CHAT, body, BACKENDS["vllm"]).body)] == [
        "system", "user", "assistant", "user", "user",
    ]  # fmt: skip


def _flat(turns: Sequence[Json]) -> list[Json]:
    out = []
    for turn in turns:
        content = turn["content"]
        out.append({**turn, "content": content if isinstance(content, str) else content[0].get("text")})
    return out


@pytest.mark.parametrize("to", ["claude", "gemini", "vllm", "lm studio", "gpt-5.6"])
def test_a_refusal_of_the_history_is_words(to: str) -> None:
    assert '"no"' in str(turns_of(told(CHAT, {"messages": SAID}, BACKENDS[to]).body)).replace("'", '"')


def test_a_conversation_that_an_assistant_begins_gets_a_user_turn_for_claude() -> None:
    body = {"messages": [{"role": "assistant", "content": "Welcome!"}, {"role": "user", "content": "Hi!"}]}
    assert [turn["role"] for turn in turns_of(told(CHAT, body, BACKENDS["claude"]).body)] == [
        "user",
        "assistant",
        "user",
    ]


def test_phases_stay_on_openais_own_responses_and_nowhere_else() -> None:
    body = loop(RESPONSES, CALLS, RESULTS)
    for to, backend in BACKENDS.items():
        sent = told(RESPONSES, body, backend)
        assert ("commentary" in str(sent.body)) == (backend.dialect == RESPONSES), to
        assert not [name for name in sent.named if "phase" in name]


# --- what only one API knows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["claude", "gemini", "gpt-5.6", "lm studio"])
def test_an_earlier_answer_in_sound_is_not_lost_in_silence(to: str) -> None:
    asked = {"role": "user", "content": "a"}
    body = {"messages": [asked, {"role": "assistant", "audio": {"id": "audio_1"}}, asked]}
    assert told(CHAT, body, BACKENDS[to]).named == {"messages[1].audio": "contract"}
    assert told(CHAT, body, BACKENDS["gpt-4.1"]).named == {}


@pytest.mark.parametrize("to", ["claude", "gemini", "gpt-5.6"])
def test_fields_of_messages_that_only_their_api_knows_are_named(to: str) -> None:
    replayed = {"role": "assistant", "content": "x", "annotations": [], "audio": None, "function_call": None}
    body = {"messages": [{"role": "user", "content": "a", "weight": 1}, replayed, {"role": "user", "content": "b"}]}
    assert told(CHAT, body, BACKENDS[to]).named == {"messages[0]": "unknown"}


@pytest.mark.parametrize("to", ["claude", "gemini", "vllm", "gpt-4.1"])
@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_hologram", "x": 1}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "compaction", "encrypted_content": "x"},
    ],
)
def test_parts_and_items_that_nobody_else_knows_are_a_contract(to: str, item: Json) -> None:
    body = {"input": [{"role": "user", "content": "a"}, item, {"role": "user", "content": "b"}]}
    assert "contract" in told(RESPONSES, body, BACKENDS[to]).named.values()


MEDIA: list[tuple[str, Json, Mapping[str, str | None]]] = [
    # client, part, backend -> what stands for it, None: a contract
    (CHAT, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, {
        "claude": "image", "gemini": "inlineData", "gpt-5.6": "input_image", "vllm": "image_url"}),
    (CHAT, {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}, {
        "claude": "image", "gpt-5.6": "input_image", "vllm": "image_url", "lm studio": "input_image"}),
    (CHAT, {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, {
        "claude": None, "gemini": "inlineData", "gpt-5.6": None, "vllm": "input_audio", "ollama": None, "lm studio": None}),
    (CHAT, {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}, {
        "claude": "document", "gemini": "inlineData", "gpt-5.6": "input_file", "vllm": None, "lm studio": None}),
    (RESPONSES, {"type": "input_image", "file_id": "file-1"}, {
        "gpt-4.1": None, "claude": None, "gemini": None, "vllm": None, "lm studio": None}),
    (RESPONSES, {"type": "input_file", "file_id": "file-1"}, {
        "gpt-4.1": "file", "claude": None, "gemini": None, "vllm": None, "lm studio": None}),
    (RESPONSES, {"type": "input_file", "file_url": "https://x.org/a.pdf"}, {"claude": "document", "vllm": None}),
    (MESSAGES, {"type": "image", "source": {"type": "file", "file_id": "file_1"}}, {
        "gpt-4.1": None, "gpt-5.6": None, "gemini": None, "vllm": None}),
    (MESSAGES, {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}, {
        "gpt-4.1": "file", "gpt-5.6": "input_file", "gemini": "inlineData", "vllm": None}),
    (MESSAGES, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}, {
        "gpt-4.1": "text", "gpt-5.6": "input_file", "gemini": "inlineData", "vllm": "text"}),
    (MESSAGES, {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}, {
        "gpt-4.1": None, "gpt-5.6": None, "gemini": None, "vllm": None}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("client", "part", "to", "kind"),
    [(client, part, to, kind) for client, part, places in MEDIA for to, kind in places.items()],
)
def test_media_become_each_vendors_own_part_or_a_contract(client: str, part: Json, to: str, kind: str | None) -> None:
    field, text = ("input", "input_text") if client == RESPONSES else ("messages", "text")
    sent = told(client, {field: [{"role": "user", "content": [{"type": text, "text": "see"}, part]}]}, BACKENDS[to])
    if kind is None:
        assert "contract" in sent.named.values()
        return
    turn = turns_of(sent.body)[0]
    content = turn.get("parts") or turn["content"]
    shown = part_kind(content[-1]) if isinstance(content, list) else "text"
    assert shown == kind
    assert "contract" not in sent.named.values()


def part_kind(part: Json) -> str:
    return str(part.get("type") or next(iter(part)))


@pytest.mark.parametrize(("detail", "level"), [("low", "LOW"), ("high", "HIGH"), ("original", "HIGH"), ("auto", None)])
def test_the_detail_of_an_image(detail: str, level: str | None) -> None:
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": detail}
    body = {"input": [{"role": "user", "content": [part]}]}
    gemini = told(RESPONSES, body, BACKENDS["gemini"])
    assert gemini.at("generationConfig.mediaResolution") == (level and f"MEDIA_RESOLUTION_{level}")
    named = told(RESPONSES, body, BACKENDS["claude"]).named
    assert named == ({} if detail == "auto" else {"messages[0].content[0].detail": "tuning"})


def test_every_dialect_of_the_reference_is_walked() -> None:
    assert {to.dialect for to in BACKENDS.values()} == {CHAT, RESPONSES, MESSAGES, GEMINI}
