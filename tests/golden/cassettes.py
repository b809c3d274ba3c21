"""The recorded conversations of pydantic-ai: requests that vendors accepted, and what they answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from recordings import SHARED
from told import STREAM, WHOLE, Json, Told

PYDANTIC = (SHARED or Path()) / "data/golden/pydantic-ai"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCOPE = (
    (r"/v1/messages(/count_tokens)?", "anthropic_messages"),
    (r"/v1(beta\d*)?/.*:(generateContent|streamGenerateContent|countTokens)", "google_gemini"),
    (r"/.*/chat/completions", "openai_chat"),
    (r"(/.*)?/responses(/input_tokens)?", "openai_responses"),
)
"""Path -> dialect: the generate, count_tokens and input_tokens endpoints of D30, at whatever host."""
_PROVIDERS = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}
"""Host -> provider; Google's two APIs are ``google``, anything else is OpenAI-compatible."""


@dataclass(frozen=True)
class Interaction:
    """One request and its answer, as recorded. ``name``: folder/file#number."""

    name: str
    told: Json

    @property
    def dialect(self) -> str | None:
        """None: out of scope."""
        asked = self.told.get("request", {})
        if asked.get("method", "").upper() != "POST":
            return None
        path = urlsplit(asked["uri"]).path
        return next((dialect for pattern, dialect in _SCOPE if re.fullmatch(pattern, path)), None)

    @property
    def provider(self) -> str:
        if self.dialect == "google_gemini":
            return "google"
        return _PROVIDERS.get(urlsplit(self.told["request"]["uri"]).netloc, "openai_compatible")

    @property
    def counts(self) -> bool:
        """It asks for a count of tokens and not for an answer."""
        return (
            re.search(r"(count_tokens|input_tokens|countTokens)$", urlsplit(self.told["request"]["uri"]).path)
            is not None
        )

    @property
    def asked(self) -> Json:
        """The request's body, without what says nothing."""
        body = self.told["request"].get("parsed_body")
        if body is None:
            raw = self.told["request"]["body"]
            body = raw if isinstance(raw, dict) else json.loads(raw)
        if self.dialect == "google_gemini":
            body = {"model": self.told["request"]["uri"].rpartition("/")[2].partition(":")[0], **body}
        return {name: value for name, value in body.items() if value is not None}

    @property
    def status(self) -> int:
        return int(self.told["response"]["status"]["code"])

    @property
    def body(self) -> bytes:
        """The answer's bytes."""
        answer = self.told["response"]
        if "parsed_body" in answer:
            return json.dumps(answer["parsed_body"]).encode()
        raw = answer["body"]["string"]
        return raw if isinstance(raw, bytes) else str(raw).encode()

    @property
    def stream(self) -> bool:
        return self.body.startswith((b"data:", b"event:", b":"))

    @property
    def said(self) -> Told:
        """What was answered, read off the recording."""
        assert self.dialect is not None
        if not self.stream:
            return WHOLE[self.dialect](json.loads(self.body))
        lines = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
        return STREAM[self.dialect]([json.loads(line) for line in lines if line != b"[DONE]"])


@cache
def interactions() -> tuple[Interaction, ...]:
    """Everything that was recorded, in scope or not."""
    return tuple(found for path in sorted(PYDANTIC.glob("*/*.yaml")) for found in _read(path))


def _read(path: Path) -> Iterator[Interaction]:
    loaded: Any = yaml.load(path.read_text("utf-8"), Loader=_LOADER)
    for number, told in enumerate(loaded["interactions"]):
        yield Interaction(f"{path.parent.name}/{path.name}#{number}", told)


@cache
def in_scope() -> tuple[Interaction, ...]:
    return tuple(found for found in interactions() if found.dialect is not None)
