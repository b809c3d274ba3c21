"""The tokens of a text: which vocabulary a model writes in, and where and how its server counts for us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.counting import Counter, Endpoint
from adapters.dialect import Dialect, compact
from adapters.families import NEWEST, Version, bare, parse
from adapters.providers import CHAT

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_COUNT = msgspec.json.Decoder(int | list[int])


class Row(Struct, frozen=True):
    """Models whose id begins with ``pattern``, of these versions, write in ``vocabulary``; the first row that fits
    counts. None: what they show of their reasoning is a summary, whoever serves them, and no count of it means
    anything."""

    pattern: re.Pattern[str]
    vocabulary: str | None
    since: Version = (0, 0)
    until: Version = NEWEST
    word: str | None = None


_GPT = re.compile(r"(chat)?gpt-")
ROWS = (
    Row(re.compile(r"gpt-oss"), "o200k_harmony"),
    Row(_GPT, "cl100k_base", word="35"),
    Row(_GPT, "o200k_base", word="4o"),
    Row(_GPT, "cl100k_base", until=(4, 0)),
    Row(_GPT, "o200k_base", since=(4, 1), until=(4, 9)),
    Row(re.compile(r"gpt-|o\d(?=-|$)"), None),
)


def vocabulary(model: str) -> str | None:
    """The vocabulary that ``model`` is known to write in, for those that show what they think, or do not think."""
    version, words = parse(model)
    for row in ROWS:
        fits = row.since <= version <= row.until and (row.word is None or row.word in words)
        if fits and row.pattern.match(bare(model)):
            return row.vocabulary
    return None


class TextEndpoint(Endpoint, frozen=True, kw_only=True):
    """One way to have a text counted. ``count`` is the field of the answer that holds the tokens, or their number."""

    text: str
    """The field of the question that holds the text."""
    names_model: bool = False
    fixed: Mapping[str, Any] = {}
    """What stands beside it, always the same."""

    def write_text(self, text: str, model: str) -> bytes:
        """The question how many tokens ``text`` is."""
        named = {"model": model} if self.names_model else {}
        return compact({**named, self.text: text, **self.fixed})

    def read_count(self, body: bytes) -> int | None:
        """The answer's tokens, or None where it does not tell them."""
        try:
            told = _COUNT.decode(_FIELDS.decode(body)[self.count])
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            return None
        count = len(told) if isinstance(told, list) else told
        return count if count >= 0 else None


ENDPOINTS: Mapping[str, TextEndpoint] = {
    "vllm": TextEndpoint(
        dialect=CHAT,
        path="/tokenize",
        root=True,
        text="prompt",
        names_model=True,
        fixed={"add_special_tokens": False},
        count="count",
    ),
    "llama_cpp": TextEndpoint(
        dialect=CHAT, path="/tokenize", root=True, text="content", fixed={"add_special": False}, count="tokens"
    ),
}
"""The name that a provider's row has for it -> where and how it counts."""


class TextCounter(Counter):
    """A dialect whose only question is how many tokens a text is: that of the request's one message."""

    def __init__(self, dialect: Dialect, endpoint: TextEndpoint) -> None:
        super().__init__(dialect, endpoint)
        self._endpoint = endpoint

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
        body = self._endpoint.write_text(text_of(request), upstream.model)
        return ir.UpstreamRequest(self._endpoint.path, body, root=self._endpoint.root)


def asking(text: str) -> ir.Request:
    """The request of a TextCounter."""
    return ir.Request(model="", messages=(ir.Message("user", (ir.Text(text),)),))


def text_of(request: ir.Request) -> str:
    """What ``asking`` was given."""
    return "".join(block.text for message in request.messages for block in message.blocks if type(block) is ir.Text)
