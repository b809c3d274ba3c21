"""What the tests of stored turns share: a road of four backends, its SDK, and a judge of what went upstream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
from checker import check_echo, check_responses
from live import Live, demo_config, demo_upstream
from openai import OpenAI
from openai.types.responses import Response, ResponseInputItem
from vendor_types import (
    assert_anthropic_request,
    assert_chat_request,
    assert_google_request,
    assert_responses_request,
)

Json = dict[str, Any]
FOUR = ("claude", "gemini", "openai", "local")
"""One backend of each dialect."""
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}  # fmt: skip


class Road:
    """A Turnout in front of the demo upstream. ``journal``: what the upstream saw."""

    def __init__(self, live: Live, journal: list[Json]) -> None:
        self.live = live
        self.journal = journal
        self.sdk = client(live)

    def ask(self, backend: str, text: Any, *, stream: bool = False, **more: Any) -> Response:
        """One turn, streamed or whole, judged on its way by the SDK's strict types and the invariant checker."""
        return ask(self.sdk, backend, text, stream=stream, **more)

    def sent(self) -> Json:
        """The last request that reached the upstream, judged by its vendor's types."""
        entry = self.journal[-1]
        judge(entry)
        return dict(entry["body"])


def client(live: Live, key: str = "sk-none") -> OpenAI:
    return OpenAI(
        base_url=live.base_url, api_key=key, max_retries=0, timeout=20, _strict_response_validation=True
    )  # fmt: skip


def ask(sdk: OpenAI, backend: str, text: Any, *, stream: bool = False, **more: Any) -> Response:
    asked = {"input": text, **more}
    if not stream:
        answer: Response = sdk.responses.create(model=f"to-{backend}", **asked)
        check_echo(told(answer), asked)
        return answer
    with sdk.responses.create(model=f"to-{backend}", stream=True, **asked) as events:
        heard = [event.to_dict(mode="json", exclude_unset=True) for event in events]
    check_responses(heard, asked)
    return Response.model_validate(heard[-1]["response"])


def told(answer: Any) -> Json:
    """The JSON that the SDK was sent."""
    return dict(answer.to_dict(mode="json", exclude_unset=True))


def judge(entry: Json) -> None:
    """Raise unless this journal entry is a request that its vendor's SDK could have sent."""
    path, body = entry["path"], entry["body"]
    assert b"previous_response_id" not in repr(body).encode()
    if path == "/v1/chat/completions":
        assert_chat_request(body, server=True)
    elif path == "/v1/responses":
        assert_responses_request(body)
    elif path == "/v1/messages":
        assert_anthropic_request(body)
    else:
        assert_google_request(body)


def in_order(body: Json, words: Sequence[str]) -> bool:
    """Are these among the strings of the body, one after another?"""
    rest = iter(strings(body))
    return all(any(word == text for text in rest) for word in words)


def strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def items(*made: Json) -> list[ResponseInputItem]:
    return list(made)  # type: ignore[arg-type]


def result(call_id: str, text: str) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


@contextmanager
def road(more: str = "", **live: Any) -> Iterator[Road]:
    """``more``: further sections of YAML. ``live``: as for Live."""
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url, Live(demo_config(url, more), **live) as started:
        yield Road(started, journal)


def database(live: Live) -> apsw.Connection:
    """The store's file, opened as another process would."""
    return apsw.Connection(str(Path(live.folder) / "state.db"))


def turns(live: Live) -> int:
    """How many turns are stored, of whomever."""
    db = database(live)
    found = len(list(db.execute("SELECT 1 FROM turns")))
    db.close()
    return found
