"""What Gemini's generateContent refuses in a conversation: roles, parts, function responses, thought signatures."""

from __future__ import annotations

import base64
import binascii

from proxy.demo import families
from proxy.demo import gemini_wire as wire
from proxy.demo.base import Json, RefusedError, encode, sealed

SEAL = "google"

_SKIP = "skip_thought_signature_validator"
_DATA = ("text", "function_call", "function_response", "inline_data", "file_data")
_MORE = ("executable_code", "code_execution_result")


def check_turns(contents: list[wire.Content], model: str) -> None:
    """The rules for ``contents``. Raises RefusedError."""
    if not contents:
        raise RefusedError("* GenerateContentRequest.contents: contents is not specified")
    for index, turn in enumerate(contents):
        _check_turn(turn, index)
    for index, turn in enumerate(contents):
        _check_responses(turn, contents[index - 1] if index else None)
        if calls(turn) and (index + 1 == len(contents) or not responses(contents[index + 1])):
            raise RefusedError(
                "Please ensure that function call turn comes immediately before a function response turn."
            )
    _check_signatures(contents, model)


def calls(turn: wire.Content) -> list[wire.Part]:
    """The turn's function call parts."""
    return [part for part in turn.parts if part.function_call is not None]


def responses(turn: wire.Content) -> list[wire.Part]:
    """The turn's function response parts."""
    return [part for part in turn.parts if part.function_response is not None]


def _check_turn(turn: wire.Content, index: int) -> None:
    if turn.role not in (None, "user", "model", "function"):
        raise RefusedError("Please use a valid role: user, model.")
    if not turn.parts:
        raise RefusedError(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
    for place, part in enumerate(turn.parts):
        where = f"contents[{index}].parts[{place}]"
        given = [name for name in (*_DATA, *_MORE) if getattr(part, name) is not None]
        if len(given) != 1:
            raise RefusedError(
                f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
            )
        if part.thought_signature is not None:
            _check_signature(part, part.thought_signature, where)


def _check_responses(turn: wire.Content, before: wire.Content | None) -> None:
    answered = responses(turn)
    if not answered:
        return
    called = calls(before) if before is not None else []
    if not called:
        raise RefusedError("Please ensure that function response turn comes immediately after a function call turn.")
    if len(called) != len(answered):
        raise RefusedError(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )
    names = sorted(part.function_call.name for part in called if part.function_call)
    if names != sorted(part.function_response.name for part in answered if part.function_response):
        raise RefusedError("Please ensure that function response names match the names of the function calls.")


def signed_text(name: str, args: Json | None) -> str:
    """What the signature of a function call is made over: no other call can have it."""
    return encode([name, args or {}], order="sorted").decode()


def _check_signature(part: wire.Part, state: str, where: str) -> None:
    if state == _SKIP:
        return
    state = state.replace("-", "+").replace("_", "/")
    try:
        plain = base64.b64decode(state, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(
            f"Invalid value at '{where}.thought_signature' (TYPE_BYTES), Base64 decoding failed for \"{state[:40]}\""
        ) from None
    call = part.function_call
    if plain != _SKIP.encode() and not sealed(SEAL, state, signed_text(call.name, call.args) if call else None):
        raise RefusedError("Corrupted thought signature.")


def _check_signatures(contents: list[wire.Content], model: str) -> None:
    if families.gemini_version(model) < (3, 0):
        return
    asked = [index for index, turn in enumerate(contents) if turn.role != "model" and not responses(turn)]
    for index in range(asked[-1] + 1 if asked else 0, len(contents)):
        called = calls(contents[index])
        if called and called[0].thought_signature is None and called[0].function_call:
            raise RefusedError(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{called[0].function_call.name}`, position {index + 1}."
            )
