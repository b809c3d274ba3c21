"""Protocol.md 3.1 and 3.4 over the road: who is shown a model's reasoning, and under which name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live
from public_door import CHAT, RESPONSES, chat, post, responses
from scripted import Upstream, stream, whole

THOUGHT = "Two and two."
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "reasoning": THOUGHT, "content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12},
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "thinking", "thinking": "", "signature": "c2ln"}, {"type": "text", "text": "4"}],
    "usage": {"input_tokens": 3, "output_tokens": 9},
}  # fmt: skip


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return (
        b"data: "
        + msgspec.json.encode({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        + b"\n\n"
    )


CHUNKS = (_chunk({"reasoning_content": THOUGHT}), _chunk({"content": "4"}), _chunk({}, "stop"), b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(f"""version: 1
backends:
  local: {{provider: vllm, base_url: "{upstream.url}/v1", model: m}}
  claude: {{provider: anthropic, base_url: "{upstream.url}/v1", model: claude-sonnet-5, credential: k}}
aliases:
  usual: {{use: [local]}}
  other: {{use: [local], chat: {{reasoning_field: reasoning}}}}
  claude: {{use: [claude]}}
  mirror: {{use: [claude], responses: {{reasoning_text: mirror}}}}
""") as made:
        yield made


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("alias", "field", "absent"),
    [("usual", "reasoning_content", "reasoning"), ("other", "reasoning", "reasoning_content")],
)
def test_chat_shows_it_where_the_alias_says(
    live: Live, upstream: Upstream, alias: str, field: str, absent: str, *, streamed: bool
) -> None:
    """Whichever name the server used."""
    upstream.script(stream(*CHUNKS) if streamed else whole(ANSWER))
    told = post(live, CHAT, chat(alias, stream=streamed))
    parts = (
        [c["delta"] for e in told.events for c in e["choices"]] if streamed else [told.body["choices"][0]["message"]]
    )
    assert "".join(part.get(field) or "" for part in parts) == THOUGHT
    assert not [part for part in parts if absent in part]


EFFORT, SHOWN = {"effort": "medium"}, {"effort": "medium", "summary": "auto"}


@pytest.mark.parametrize(
    ("alias", "asked", "display"),
    [("claude", EFFORT, "omitted"), ("claude", SHOWN, "summarized"), ("mirror", EFFORT, "summarized")],
)
def test_a_summary_is_asked_for_where_somebody_wants_it(
    live: Live, upstream: Upstream, alias: str, asked: Any, display: str
) -> None:
    upstream.script(whole(MESSAGE))
    told = post(live, RESPONSES, responses(alias, reasoning=asked)).body
    assert upstream.asked[-1].body["thinking"] == {"type": "adaptive", "display": display}
    item = told["output"][0]
    assert (item["type"], item["summary"]) == ("reasoning", [])
    assert item["encrypted_content"], "what must come back does, seen or not"
    assert told["output"][1]["content"][0]["text"] == "4"
