"""The table of what the demo serves: a path, and how its answers, streams and errors are spelt there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from proxy.demo import (
    chat,
    chat_rules,
    counts,
    extras,
    families,
    gemini,
    gemini_rules,
    messages,
    messages_rules,
    openai_rules,
    responses,
)
from proxy.demo.base import Ask, Json, RefusedError

_OPENAI_FULL = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
_CLAUDE_FULL = "prompt is too long: 210000 tokens > 200000 maximum"
_GEMINI_FULL = "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint. ``broken`` is its error event after so many frames, ``failed`` its whole answer for the same."""

    path: str
    whole: Callable[[Ask], Json]
    error: Callable[[Ask, RefusedError], Json]
    frames: Callable[[Ask], Iterator[bytes]] | None = None
    broken: Callable[[Ask, int], bytes] | None = None
    failed: Callable[[Ask], Json] | None = None
    keys: tuple[str, ...] = ("authorization",)
    id_header: str = "x-request-id"
    overloaded: int = 503
    overflow: str = _OPENAI_FULL
    open_to: Callable[[str], bool] | None = None

    def match(self, path: str) -> re.Match[str] | None:
        """The match of ``path``; a group ``model`` where the path names it."""
        return re.fullmatch(self.path, path)


def _chat_error(ask: Ask, error: RefusedError) -> Json:
    spell = openai_rules.error_body if families.openai_flavour(ask.model) else chat_rules.local_error_body
    return spell(error)


def _openai_error(_: Ask, error: RefusedError) -> Json:
    return openai_rules.error_body(error)


def _claude_error(_: Ask, error: RefusedError) -> Json:
    return messages_rules.error_body(error)


def _gemini_error(_: Ask, error: RefusedError) -> Json:
    return gemini_rules.error_body(error)


def _chat_broken(ask: Ask, _: int) -> bytes:
    return chat.broken(ask)


def _is_local(model: str) -> bool:
    return not families.openai_flavour(model)


_GEMINI = r"/v1(?:beta|alpha)?/models/(?P<model>[^/:]+)"
_CLAUDE_KEYS = ("x-api-key", "authorization")
_GOOGLE_KEYS = ("x-goog-api-key",)

ROOMS = (
    Room(
        path="/v1/chat/completions",
        whole=chat.whole,
        frames=chat.frames,
        error=_chat_error,
        broken=_chat_broken,
        open_to=_is_local,
    ),
    Room(
        path="/v1/responses",
        whole=responses.whole,
        frames=responses.frames,
        error=_openai_error,
        broken=responses.broken,
        failed=responses.failed,
        overflow="Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    Room(path="/v1/responses/input_tokens", whole=counts.responses, error=_openai_error),
    Room(
        path="/v1/messages",
        whole=messages.whole,
        frames=messages.frames,
        error=_claude_error,
        broken=lambda _ask, _count: messages.broken(),
        keys=_CLAUDE_KEYS,
        id_header="request-id",
        overloaded=529,
        overflow=_CLAUDE_FULL,
    ),
    Room(
        path="/v1/messages/count_tokens",
        whole=messages.count_tokens,
        error=_claude_error,
        keys=_CLAUDE_KEYS,
        id_header="request-id",
        overloaded=529,
    ),
    Room(
        path=_GEMINI + ":(?:stream)?[gG]enerateContent",
        whole=gemini.whole,
        frames=gemini.frames,
        error=_gemini_error,
        broken=lambda _ask, _count: gemini.broken(),
        keys=_GOOGLE_KEYS,
        overflow=_GEMINI_FULL,
    ),
    Room(path=_GEMINI + ":countTokens", whole=gemini.count_tokens, error=_gemini_error, keys=_GOOGLE_KEYS),
    Room(path="/v1/embeddings", whole=extras.embeddings, error=_chat_error, open_to=_is_local),
    Room(
        path="/v1/completions",
        whole=extras.completion,
        frames=extras.completion_frames,
        error=_chat_error,
        open_to=_is_local,
    ),
    Room(path="/v1/chat/completions/input_tokens", whole=counts.chat, error=_chat_error, open_to=_is_local),
    Room(path="/tokenize", whole=counts.tokenize, error=_chat_error, open_to=_is_local),
)


def find(path: str) -> tuple[Room, str] | None:
    """The room for ``path`` and the model that the path names (empty if the body does)."""
    for room in ROOMS:
        found = room.match(path)
        if found:
            return room, found.groupdict().get("model", "")
    return None
