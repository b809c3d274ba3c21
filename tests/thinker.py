"""A chat server that thinks, on paper: it knows its own token ids, sends them one by one, and counts when asked to."""

from __future__ import annotations

import codecs
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from scripted import Answer, Asked, stream, whole

from proxy.tokens.vocabularies import load

TOKENIZE = "/tokenize"
MARKERS = 9
"""Tokens of harmony around an answer: its channels, messages and ends."""

SAYINGS: dict[str, tuple[str, ...]] = {
    "english": ("The user asks for a plan, so let's think it through. ", "First, we'll check what's given; then decide. "),
    "german": ("Der Benutzer möchte wissen, wie groß die Fläche ist. ", "Zunächst prüfen wir die Straßenlänge – übrigens 12,5 km. "),
    "portuguese": ("O usuário não explicou a situação. ", "Então vamos começar pela equação: três ações, não é? "),
    "russian": ("Пользователь спрашивает, сколько времени это займёт. ", "Сначала посчитаем объём работы. "),
    "arabic": ("المستخدم يسأل عن أفضل طريقة لحل المسألة. ", "لنبدأ بتحليل المعطيات ثم نكتب الجواب. "),
    "hindi": ("उपयोगकर्ता जानना चाहता है कि यह कैसे काम करता है। ", "पहले हम इसे सरल शब्दों में समझेंगे। "),
    "chinese": ("用户想知道这个问题的答案。", "我们先分析条件，然后一步一步地推导结果。"),
    "japanese": ("ユーザーは料金の計算方法を尋ねています。", "まず条件を整理してから、順番に考えましょう。"),
    "emoji": ("Okay 👍🏽, so 🇧🇷 vs 🇩🇪 — ", "fun 🎉🎊 but 🤔… "),
    "python": ("def area(w: float, h: float) -> float:\n    return w * h  # m²\n\n", "for i, row in enumerate(rows):\n\tprint(f\"{i:>4} {row!r}\")\n"),
    "json": ('{"name": "Ana", "items": [1, 2.5, null], "ok": true}\n', '{"path": "C:\\\\tmp\\\\x", "n": 123456789}\n'),
    "math": ("∑_{i=1}^{n} i² = n(n+1)(2n+1)/6, ", "so x ≈ 3.14159265 and 10^{-9} ≤ ε < 2⁻³². "),
}  # fmt: skip
"""Two sentences each, of which thoughts and answers are made."""


@cache
def encoding() -> Any:
    return load("o200k_harmony")


def spoken(kind: str, pieces: int, seed: int) -> str:
    """So many sentences of one kind, in an order of their own, with paragraphs here and there."""
    dice = random.Random(f"{kind} {pieces} {seed}")
    return "".join(dice.choice(SAYINGS[kind]) + ("\n\n" if dice.random() < 0.1 else "") for _ in range(pieces)).strip()


def pieces(ids: Sequence[int]) -> Iterator[str]:
    """What each token adds to the text: nothing, where a character is not whole yet."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for token in ids:
        yield decoder.decode(encoding().decode_single_token_bytes(token))


@dataclass
class Thinker:
    """``reply`` answers every request with ``thought`` and ``said``. ``usage``: does it tell its usage? ``reports``: what
    it tells of reasoning tokens, or nothing. ``counts``: how it answers /tokenize, by provider."""

    thought: str = "The user asks for the capital of France. That's Paris; say so."
    said: str = "Paris."
    usage: bool = True
    reports: int | None = None
    counts: Callable[[Asked], Answer] | None = None
    shown_as: str = "reasoning"
    template: bool = False
    """Its chat template sets line breaks around thoughts, which are tokens of theirs and not shown."""
    ids: list[int] = field(init=False)
    """Of its thoughts, as it really made them."""
    shown_ids: list[int] = field(init=False)
    answer_ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.shown_ids, self.answer_ids = (encoding().encode_ordinary(text) for text in (self.thought, self.said))
        self.ids = encoding().encode_ordinary(f"\n{self.thought}\n\n") if self.template else self.shown_ids

    @property
    def output(self) -> int:
        """The tokens that it has really made."""
        return len(self.ids) + len(self.answer_ids) + MARKERS

    def reply(self, asked: Asked) -> Answer:
        if asked.path == TOKENIZE:
            return (self.counts or counted)(asked)
        return self._stream() if asked.body.get("stream") else self._whole()

    def told(self) -> dict[str, Any]:
        """Its usage object."""
        details = {} if self.reports is None else {"completion_tokens_details": {"reasoning_tokens": self.reports}}
        return {"prompt_tokens": 70, "completion_tokens": self.output, "total_tokens": 70 + self.output, **details}

    def _whole(self) -> Answer:
        message = {"role": "assistant", "content": self.said, self.shown_as: self.thought}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return whole({**body, "usage": self.told()} if self.usage else body)

    def _stream(self) -> Answer:
        said = [
            *((self.shown_as, piece) for piece in pieces(self.shown_ids)),
            *(("content", p) for p in pieces(self.answer_ids)),
        ]
        chunks = [_chunk({name: piece}) for name, piece in said if piece]
        usage = [_chunk(None, usage=self.told())] if self.usage else []
        return stream(
            _chunk({"role": "assistant", "content": ""}), *chunks, _chunk({}, "stop"), *usage, b"data: [DONE]\n\n"
        )


def counted(asked: Asked) -> Answer:
    """The tokens of a text, as vLLM and llama.cpp tell them."""
    assert asked.body.get("add_special_tokens", asked.body.get("add_special")) is False
    ids = encoding().encode_ordinary(asked.body["prompt" if "prompt" in asked.body else "content"])
    return whole({"count": len(ids), "max_model_len": 131_072, "tokens": ids})


def _chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + msgspec.json.encode({**head, **more}) + b"\n\n"
