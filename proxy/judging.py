"""Judges an answer whose format no backend enforces, and says what a second try is to be shown (decision D24)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from adapters import ir, json_schema
from proxy import escalating
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.upstream.seam import UpstreamFailed

if TYPE_CHECKING:
    import jsonschema_rs

_json = msgspec.json.Decoder()

_WORK = 50_000
"""Applications of a schema to a part of an answer, besides one for each byte of it: our own limit. What is hostile
doubles them at each step; ten thousand take some 50 ms."""
_BACKTRACKS = 100_000
_TOLD = 5
"""Errors that the model is shown."""
_MAX_PLACE, _MAX_ERROR, _MAX_SHOWN = 200, 300, 20_000
"""Characters of one error's place and words, and of the bad answer, that the model is shown."""
_FIELDS = {
    "chat": "response_format.json_schema.schema",
    "responses": "text.format.schema",
    "messages": "output_config.format.schema",
}


class Fault(NamedTuple):
    """What is wrong: the schema's keyword that is not met, and the whole of it in words, which may quote the answer."""

    keyword: str
    words: str


class Judge:
    """Knows one format. References outside the schema are never followed."""

    def __init__(self, schema: Any, field: str) -> None:
        """``schema`` None: any JSON object. Raises ir.Invalid, naming ``field``, for what is no JSON Schema."""
        self._schema = schema
        self._validator = _validator(schema, field) if schema is not None else None

    def faults(self, text: str) -> list[Fault]:
        """The first few things that are wrong with an answer; empty: nothing is."""
        try:
            value = _json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return [Fault("json", "It is not JSON: begin with { or [ and write nothing beside the JSON.")]
        if self._validator is None:
            return [] if isinstance(value, dict) else [Fault("type", "It is not a JSON object.")]
        if not json_schema.bounded(self._schema, value, _WORK + len(text)):
            return [Fault("size", "It is too large for its schema.")]
        try:
            return list(islice(_faults(self._validator, value), _TOLD))
        except ValueError:  # what msgspec reads and the validator does not: nested deeper than it goes
            return [Fault("depth", "It is nested too deeply.")]


def _validator(schema: Any, field: str) -> jsonschema_rs.Validator:
    # Late, so that a worker without emulated formats never loads it.
    import jsonschema_rs

    outside = json_schema.outside(schema)
    if outside is not None:
        raise _no_schema(field, outside)
    if not isinstance(schema, dict | bool):
        raise _no_schema(field, "it must be an object")
    if not json_schema.bounded(schema, {}, _WORK):
        raise _no_schema(field, "it applies itself to the same value without end, or nearly so")
    limits = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS)
    try:
        return jsonschema_rs.validator_for(schema, pattern_options=limits, offline=True)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(str(step) for step in error.instance_path) or "its top level"
        raise _no_schema(field, f"'{error.kind.name}' is not met at {place}") from None
    except (ValueError, jsonschema_rs.ReferencingError):
        raise _no_schema(field, "it is nested too deeply, or refers to what is not there") from None


def _no_schema(field: str, why: str) -> ir.Invalid:
    message = f"'{field}' is not a JSON Schema that answers can be checked against: {why}."
    return ir.Invalid(message, field, "invalid_json_schema")


def _faults(validator: jsonschema_rs.Validator, value: Any) -> Iterator[Fault]:
    for error in validator.iter_errors(value):
        place = "".join(f"[{step!r}]" for step in error.instance_path)
        yield Fault(error.kind.name, f"At ${place[:_MAX_PLACE]}: {error.message[:_MAX_ERROR]}")


# --- on the road (beside the loop: schemas are any client's words, and answers may be large) -------------------------


async def prepare(call: Call, attempt: Attempt, request: ir.Request) -> ir.Request:
    """Station 7: the attempt's judge, and where the backend's last answer was bad, the question with that answer and
    what was wrong with it. A count has no answer to judge. Raises ir.Invalid for a schema that is none."""
    if attempt.emulation is None or call.api.counts is not None:
        return request
    field = _FIELDS.get(call.api.kind, "response_format")
    attempt.judge = await asyncio.to_thread(Judge, attempt.emulation.schema, field)
    attempt.corrects = next(
        (a.correction for a in reversed(call.attempts[:-1]) if a.backend is attempt.backend and a.correction), ()
    )
    if not attempt.corrects:
        return request
    # It has given its final answer: what is left to do is to correct it, and no tool of the client's is part of that.
    choice = ir.ToolChoice("none") if request.tools and attempt.emulation.by == "words" else request.tool_choice
    messages = (*request.messages, *attempt.corrects)
    return msgspec.structs.replace(request, messages=messages, tool_choice=choice)


async def judge(attempt: Attempt, reply: ir.Reply) -> None:
    """Station 8: raises UpstreamFailed (``bad_output``) for an answer that has not the format that was asked for."""
    assert attempt.judge is not None  # noqa: S101 - prepared at station 7
    for text in _judged(reply):
        faults = await asyncio.to_thread(attempt.judge.faults, text)
        if faults:
            attempt.correction = _correction(text, faults)
            raise UpstreamFailed(_failed(attempt, faults))


def _failed(attempt: Attempt, faults: list[Fault]) -> ir.Failure:
    """Where the rule says ``escalate``, another target is asked instead of giving up."""
    again = bool(attempt.corrects)
    if again and attempt.escalation is not None and "invalid_json" in attempt.escalation.on:
        return escalating.poor(attempt, "invalid_json")
    return _failure(faults, again=again)


def _judged(reply: ir.Reply) -> Iterator[str]:
    """The final texts. A refusal, a call of the client's tools and an answer that was cut off are told as they are."""
    for choice, finished in reply.finishes.items():
        blocks = [block for block in reply.blocks if block.choice == choice]
        other = any(block.kind not in ("text", "reasoning") for block in blocks)
        if finished.reason == "stop" and not other:
            yield "".join(block.text for block in blocks if block.kind == "text")


def _correction(text: str, faults: list[Fault]) -> tuple[ir.Message, ...]:
    wrong = "\n".join(f"- {fault.words}" for fault in faults)
    told = f"This answer is not valid:\n{wrong}\nGive the whole answer again, corrected, in the form that was asked."
    shown = ir.Message("user", (ir.Text(told),))
    return (ir.Message("assistant", (ir.Text(text[:_MAX_SHOWN]),)), shown) if text.strip() else (shown,)


def _failure(faults: list[Fault], *, again: bool) -> ir.Failure:
    """Quotes nothing of the answer: failures stand in ledger and log."""
    broken = ", ".join(dict.fromkeys(fault.keyword for fault in faults))
    times = "twice, the second time after it was shown what is wrong" if again else "once"
    message = f"The model's answer does not have the format that was asked for ({broken}); it was asked {times}."
    return ir.Failure("bad_output", 502, message, "server_error", "structured_output_invalid")
