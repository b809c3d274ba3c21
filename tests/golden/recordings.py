"""The recordings of vercel/ai, one answer each, as their vendors would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scripted import Answer
from shared_folder import shared_folder
from told import STREAM, WHOLE, Json, Told

SHARED = shared_folder()
VERCEL = (SHARED or Path()) / "data/golden/vercel-ai"
FOLDERS = {
    "anthropic": ("anthropic_messages", ("anthropic",)),
    "google": ("google_gemini", ("google",)),
    "openai-chat": ("openai_chat", ("openai", "openai_compatible")),
    "openai-responses": ("openai_responses", ("openai", "openai_compatible")),
    "deepseek-chat": ("openai_chat", ("openai_compatible",)),
    "groq-chat": ("openai_chat", ("openai_compatible",)),
    "mistral-chat": ("openai_chat", ("openai_compatible",)),
    "openai-compatible-chat": ("openai_chat", ("openai_compatible",)),
    "open-responses": ("openai_responses", ("lm_studio",)),
    "xai-responses": ("openai_responses", ("openai_compatible",)),
}
"""folder -> its dialect, and the providers as which it is played: ``openai`` lets OpenAI's own bytes pass unread."""
FOUR = ("anthropic", "google", "openai-chat", "openai-responses")
CUT = 997
"""Bytes per read: no line, event or character of a recording ends there but by chance."""


@dataclass(frozen=True)
class Recording:
    """One answer of one file. ``number`` counts the answers of a file that holds several."""

    folder: str
    file: str
    number: int
    payloads: tuple[bytes, ...]
    stream: bool

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.file}" + (f"#{self.number}" if self.number else "")

    @property
    def key(self) -> str:
        """Its name as a backend and in a path."""
        return "".join(c if c.isalnum() else "-" for c in self.name)

    @property
    def dialect(self) -> str:
        return FOLDERS[self.folder][0]

    @property
    def json(self) -> list[Json]:
        return [json.loads(payload) for payload in self.payloads]

    @property
    def status(self) -> int:
        return 400 if not self.stream and "error" in self.json[0] and self.json[0]["error"] else 200

    @property
    def said(self) -> Told:
        """What was answered, read off the recording."""
        return STREAM[self.dialect](self.json) if self.stream else WHOLE[self.dialect](self.json[0])

    @property
    def sse(self) -> bytes:
        """The stream, framed as its vendor frames it."""
        return b"".join(_framed(self.dialect, payload) for payload in self.payloads) + _END.get(self.dialect, b"")

    @property
    def body(self) -> bytes:
        """The answer's bytes."""
        return self.sse if self.stream else self.payloads[0]

    def answer(self) -> Answer:
        """What its vendor would send."""
        body = self.body
        parts = [body[at : at + CUT] for at in range(0, len(body), CUT)]
        return Answer(parts, self.status, "text/event-stream" if self.stream else "application/json")


_END = {"openai_chat": b"data: [DONE]\n\n"}


def _framed(dialect: str, payload: bytes) -> bytes:
    if dialect == "google_gemini":
        return b"data: " + payload + b"\r\n\r\n"
    if dialect == "openai_chat":
        return b"data: " + payload + b"\n\n"
    kind: Any = json.loads(payload)["type"]
    return b"event: " + kind.encode() + b"\ndata: " + payload + b"\n\n"


def files() -> list[Path]:
    """Every file of every folder of vercel/ai."""
    return sorted(path for path in VERCEL.glob("*/*") if path.is_file())


@cache
def recordings() -> tuple[Recording, ...]:
    """Every answer in the folders that are one of our dialects'."""
    found = [path for path in files() if path.parent.name in FOLDERS]
    return tuple(recording for path in found for recording in _read(path))


def _read(path: Path) -> Iterator[Recording]:
    folder, body = path.parent.name, path.read_bytes()
    if path.suffix == ".json":
        yield Recording(folder, path.name, 0, (body,), stream=False)
        return
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.strip()]
    steps: list[list[bytes]] = [[]]
    for line in lines:
        if line == b"[DONE]":
            continue
        if steps[-1] and steps[-1][-1].startswith(b'{"type":"message_stop"'):
            steps.append([])
        steps[-1].append(line)
    for number, step in enumerate(steps):
        yield Recording(folder, path.name, number, tuple(step), stream=True)
