"""Counting instead of answering: how many tokens a request is, asked of the backend that would answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from adapters import failures, ir
from adapters.dialect import Dialect, Reader, Writer, compact
from adapters.providers import CHAT, GEMINI, MESSAGES, RESPONSES
from adapters.sse import Frame

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Endpoint(Struct, frozen=True, kw_only=True):
    """One way to be asked for a count. The question is a generate request in ``dialect``, with less or around it."""

    dialect: str
    path: str
    """Below the backend's base URL; ``{model}`` is the upstream's model."""
    count: str
    """The field of the answer that holds the tokens."""
    fields: frozenset[str] = frozenset()
    """Top-level fields that it takes; empty: all of a generate request's."""
    within: str | None = None
    """The field that holds the generate request, model included, where it is not the body itself."""
    root: bool = False
    """The path begins at the server's root, beside the version that the base URL ends in."""
    answer: Mapping[str, str] = {}
    """What stands beside the count in an answer."""

    def write_count(self, body: bytes, model: str) -> bytes:
        """A generate request's body -> the question how many tokens it is."""
        asked = _FIELDS.decode(body)
        if self.within is not None:
            return compact({self.within: {"model": f"models/{_bare(model)}", **asked}})
        return compact({name: value for name, value in asked.items() if not self.fields or name in self.fields})

    def read_count(self, body: bytes) -> int | None:
        """The answer's tokens, or None where it does not tell them."""
        try:
            told = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        count = told.get(self.count) if isinstance(told, Mapping) else None
        return count if type(count) is int and count >= 0 else None


ENDPOINTS: Mapping[str, Endpoint] = {
    "messages": Endpoint(
        dialect=MESSAGES,
        path="/messages/count_tokens",
        count="input_tokens",
        fields=frozenset(
            (
                *("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"),
                *("cache_control", "speed", "context_management", "mcp_servers"),
            )
        ),
    ),
    "responses": Endpoint(
        dialect=RESPONSES,
        path="/responses/input_tokens",
        count="input_tokens",
        fields=frozenset(
            ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")
        ),
        answer={"object": "response.input_tokens"},
    ),
    "gemini": Endpoint(
        dialect=GEMINI,
        path="/models/{model}:countTokens",
        count="totalTokens",
        within="generateContentRequest",
    ),
    "vllm": Endpoint(
        dialect=CHAT,
        path="/tokenize",
        count="count",
        fields=frozenset(("model", "messages", "tools")),
        root=True,
    ),
    "llama_cpp": Endpoint(dialect=CHAT, path="/chat/completions/input_tokens", count="input_tokens"),
}
"""The name that a provider's row has for it -> where and how it counts."""


def _bare(model: str) -> str:
    """Google's models may be named with the collection that they stand in."""
    return model.removeprefix("models/")


class Counter:
    """A dialect that speaks of a request's size instead of answering it (adapters.dialect.Dialect). It is written and
    read as the dialect itself does; only the path, the question's frame and the answer are another."""

    terminator = b""

    def __init__(self, dialect: Dialect, endpoint: Endpoint) -> None:
        self.dialect = dialect
        self.endpoint = endpoint
        self.name = dialect.name
        self.family = dialect.family
        self.auth_header = dialect.auth_header
        self.id_header = dialect.id_header
        self.request_headers = dialect.request_headers

    def glance(self, fields: ir.Extras) -> None:
        self.dialect.glance(fields)

    def read_request(self, body: bytes) -> ir.Request:
        return self.dialect.read_request(body)

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
        written = self.dialect.write_request(request, upstream, context)
        body = self.endpoint.write_count(written.body, upstream.model)
        path = self.path(upstream, stream=False)
        return msgspec.structs.replace(written, path=path, body=body, root=self.endpoint.root)

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        """The operator's options are for answers, so they stay away from a count."""
        return self.dialect.patch(fields, msgspec.structs.replace(upstream, options={}))

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return self.endpoint.path.format(model=quote(_bare(upstream.model), safe=""))

    def refuses(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        return self.dialect.refuses(request, upstream)

    def needs(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
        return self.dialect.needs(request, upstream)

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        """The count as the input tokens of an answer without content."""
        count = self.endpoint.read_count(body)
        if count is None:
            return [ir.Failed(failures.bad_response("no count of tokens"))]
        return [ir.Started(), ir.UsageReported(ir.Usage(input=count)), ir.Finished(0, "stop"), ir.Ended()]

    def write_response(self, reply: ir.Reply, echo: ir.Echo) -> bytes:
        """What ``read_response`` has read, for the client."""
        usage = reply.usage or ir.Usage()
        return self.write_answer(usage.input or 0)

    def write_answer(self, count: int) -> bytes:
        """``count`` tokens, in this endpoint's words."""
        body: dict[str, Any] = {**self.endpoint.answer, self.endpoint.count: count}
        return compact(body)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return self.dialect.read_error(status, headers, body)

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return self.dialect.write_error(failure, request_id)

    def reader(self) -> Reader:
        return self.dialect.reader()

    def writer(self, echo: ir.Echo) -> Writer:
        return self.dialect.writer(echo)

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        return self.dialect.cut(failure, first, last, echo)
