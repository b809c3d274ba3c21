"""Speaks Gemini's generateContent: the whole answer, and the chunks of its stream (CRLF, as Google sends)."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.demo import families, gemini_read
from proxy.demo import gemini_wire as wire
from proxy.demo.base import Ask, Json, seal, sse
from proxy.demo.brain import Answer, ToolCall, think
from proxy.demo.gemini_turns import SEAL, signed_text
from proxy.demo.tokens import count, pieces

_CRLF = "\r\n"
_FINISHES = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}


def whole(ask: Ask) -> Json:
    """The answer as one ``GenerateContentResponse``."""
    request, asked = gemini_read.prompts(ask)
    answers = [think(prompt) for prompt in asked]
    candidates = [_candidate(ask, request, answer, index) for index, answer in enumerate(answers)]
    visible = sum(answer.tokens.visible for answer in answers)
    return {"candidates": candidates, **_tail(ask, answers, visible)}


def frames(ask: Ask) -> Iterator[bytes]:
    """The answer as events; usage is cumulative, the finish reason comes in a last chunk with an empty text."""
    request, asked = gemini_read.prompts(ask)
    return _frames(ask, request, [think(prompt) for prompt in asked])


def count_tokens(ask: Ask) -> Json:
    """The answer of ``:countTokens``."""
    total = gemini_read.count(ask)
    return {"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}


def broken() -> bytes:
    """The event that tells of an error in the midst of a stream."""
    error = {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}
    return sse({"error": error}, line=_CRLF)


def _frames(ask: Ask, request: wire.GenerateRequest, answers: list[Answer]) -> Iterator[bytes]:
    said = 0
    for index, answer in enumerate(answers):
        for part in _streamed(ask, request, answer, index):
            said += 0 if part.get("thought") else count(part.get("text", ""))
            content = {"parts": [part], "role": "model"}
            yield _chunk({"candidates": [{"content": content, "index": index}], **_tail(ask, answers, said)})
        said = sum(one.tokens.visible for one in answers[: index + 1])
        yield _chunk({"candidates": [_last(ask, answer, index)], **_tail(ask, answers, said)})


def _chunk(data: Json) -> bytes:
    return sse(data, line=_CRLF)


def _streamed(ask: Ask, request: wire.GenerateRequest, answer: Answer, choice: int) -> Iterator[Json]:
    if _shows(request):
        yield from ({"text": piece, "thought": True} for piece in _runs(answer.reasoning))
    yield from ({"text": piece} for piece in _runs(answer.text))
    for index, call in enumerate(answer.calls):
        yield _call(ask, answer, call, index, choice)


def _runs(text: str) -> list[str]:
    """Google sends few and long chunks: three tokens at a time."""
    tokens = pieces(text)
    return ["".join(tokens[start : start + 3]) for start in range(0, len(tokens), 3)]


def _last(ask: Ask, answer: Answer, index: int) -> Json:
    part: Json = {"text": ""}
    if answer.reasoning and not answer.calls and _signs(ask.model):
        part["thoughtSignature"] = seal(SEAL, answer.reasoning)
    content = {"parts": [part], "role": "model"}
    return {"content": content, "finishReason": _FINISHES[answer.finish], "index": index}


def _candidate(ask: Ask, request: wire.GenerateRequest, answer: Answer, index: int) -> Json:
    parts: list[Json] = []
    if answer.reasoning and _shows(request):
        parts.append({"text": answer.reasoning, "thought": True})
    if answer.text:
        signed = {"thoughtSignature": seal(SEAL, answer.reasoning)} if answer.reasoning and _signs(ask.model) else {}
        parts.append({"text": answer.text, **signed})
    parts += [_call(ask, answer, call, place, index) for place, call in enumerate(answer.calls)]
    content: Json = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, "finishReason": _FINISHES[answer.finish], "index": index}


def _shows(request: wire.GenerateRequest) -> bool:
    thinking = request.generation_config.thinking_config if request.generation_config else None
    return bool(thinking and thinking.include_thoughts)


def _signs(model: str) -> bool:
    return families.gemini_version(model) >= (3, 0)


def _call(ask: Ask, answer: Answer, call: ToolCall, index: int, choice: int) -> Json:
    made: Json = {"name": call.tool.name, "args": call.arguments}
    if not _signs(ask.model):
        return {"functionCall": made}
    made["id"] = ask.id("", f"call/{choice}.{index}")[:8]
    signed = {"thoughtSignature": seal(SEAL, signed_text(call.tool.name, call.arguments))} if index == 0 else {}
    return {"functionCall": made, **signed}


def _tail(ask: Ask, answers: list[Answer], visible: int) -> Json:
    prompt = answers[0].tokens.prompt
    thought = sum(answer.tokens.reasoning for answer in answers)
    usage: Json = {"promptTokenCount": prompt, "candidatesTokenCount": visible}
    usage["totalTokenCount"] = prompt + visible + thought
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    if thought:
        usage["thoughtsTokenCount"] = thought
    return {"usageMetadata": usage, "modelVersion": ask.model, "responseId": ask.id("")[:22]}
