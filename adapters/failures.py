"""Why an upstream failed, told in one way by every dialect: from a status and a few words to an ir.Failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import msgspec

from adapters import ir

_LONGEST_WAIT = 31 * 86_400.0
"""Seconds; what an upstream says beyond it is no time that anybody waits."""
MAX_MESSAGE = 4000
"""Characters of an upstream's message that are passed on; our own limit."""

_OVERFLOW = re.compile(
    r"prompt is too long|input is too long|context[ _-]?(length|window|size|limit)|context_length_exceeded"
    r"|exceed_context_size|(token count|number of tokens)[^.]{0,60} exceeds? the (maximum|limit)"
    r"|(exceeds?|longer than|greater than) the (maximum )?model(?:'s)? (maximum )?(length|context)"
    r"|max_model_len|inputs` tokens \+ `max_new_tokens`|reduce the length of (the|your) (messages|prompt|input)",
    re.IGNORECASE,
)
_SPENT_WORDS = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active"})
_SPENT = re.compile(
    r"credit balance is too low|reached your specified (?:\w+ ){0,2}usage limits"
    r"|(?:exceeded|reached) (?:its|your|the) (?:\w+ ){0,2}spend(?:ing)? (?:cap|limit)"
    r"|billing hard limit has been reached",
    re.IGNORECASE,
)
"""An account that is empty or capped: Anthropic answers 400 then, and Google 429, as to who is merely too quick."""
_LOADING = re.compile(r"loading (the )?model|model .{0,100}\b(is )?(still )?(being loaded|loading)", re.IGNORECASE)
_WORDS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "badrequesterror": 400,
    "exceed_context_size_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "insufficient_quota": 429,
    "billing_error": 402,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
    "overloaded_error": 529,
    "overloaded": 529,
    "unavailable_error": 503,
    "server_overloaded": 503,
    "service_unavailable": 503,
}
"""Types and codes that vendors use where no HTTP status is left to read: in a stream that has begun."""


PAUSES = frozenset({"pause_turn", "CONTINUATION"})
"""The vendors' words for an answer that they will go on with when asked once more."""


def paused(word: str | None) -> ir.Failure:
    """The backend paused in the midst of its answer, for a client that cannot ask it to go on."""
    message = f"The backend paused its answer ({word}), to go on when it is asked again; this API has no word for that."
    return ir.Failure("upstream_error", 502, message, "server_error", "upstream_error", upstream_status=200)


def by_status(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    type: str | None = None,  # noqa: A002 - the wire's own word
    retry_after: float | None = None,
) -> ir.Failure:
    """What an upstream's HTTP ``status`` and error body mean to our client (decision D20)."""
    failure = _client_side(status, message[:MAX_MESSAGE], code, param, type) or _server_side(
        status, message[:MAX_MESSAGE]
    )
    wait = None if retry_after is None else min(retry_after, _LONGEST_WAIT)
    return msgspec.structs.replace(failure, upstream_status=status, retry_after=wait)


def _client_side(status: int, message: str, code: str | None, param: str | None, kind: str | None) -> ir.Failure | None:
    words = (code, kind)
    if status in (401, 403):
        return ir.Failure("upstream_auth", 502, _auth_message(status), "server_error", "upstream_auth")
    if status == 402 or (status in (400, 429) and (_SPENT_WORDS & set(words) or _SPENT.search(message))):
        return ir.Failure("quota", 429, message, "insufficient_quota", "insufficient_quota")
    if status == 429:
        return ir.Failure("limited", 429, message, "rate_limit_error", "rate_limit_exceeded")
    if not 400 <= status < 500 or status == 408:
        return None
    if looks_like_context_overflow(message) or {"context_length_exceeded", "exceed_context_size_error"} & set(words):
        return ir.Failure("context_length", 400, message, code="context_length_exceeded", param=param)
    if status == 404:
        return ir.Failure("not_found", 404, message, code=_missing(code, param), param=param)
    if status == 413:
        return ir.Failure("too_large", 413, message, code=code or "request_too_large", param=param)
    return ir.Failure("invalid", 400, message, code=code, param=param)


def _missing(code: str | None, param: str | None) -> str:
    """What is not there: the model, but for an upstream that names another field or thing."""
    if code is not None and code.endswith("_not_found"):
        return code
    return "model_not_found" if param in (None, "model") else "not_found"


def _server_side(status: int, message: str) -> ir.Failure:
    if status in (503, 529):
        code = ir.LOADING if _LOADING.search(message) else "upstream_overloaded"
        return ir.Failure("overloaded", 503, message, "server_error", code)
    if status >= 500 or status == 408:
        return ir.Failure("upstream_error", 502, message, "server_error", "upstream_error")
    return bad_response(f"an unexpected status {status}: {message}")


def _auth_message(status: int) -> str:
    """The upstream's own words may quote the credential, so they stay out."""
    return f"The backend refused this proxy's credential (HTTP {status}). Its operator must correct the credential."


def status_of(*words: object, default: int = 500) -> int:
    """The HTTP status that an error object within a 200 stands for: a numeric code, else the vendor's word."""
    for word in words:
        if isinstance(word, int | float) and 400 <= word < 600:
            return int(word)
        if isinstance(word, str):
            if word.isdecimal() and len(word) == 3 and word[0] in "45":
                return int(word)
            if word.lower() in _WORDS:
                return _WORDS[word.lower()]
    return default


def looks_like_context_overflow(message: str) -> bool:
    """True where the message says that prompt (and answer) do not fit the model's context (G46)."""
    return _OVERFLOW.search(message) is not None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``retry-after``; a date is read against the ``date`` header."""
    low = {name.lower(): value for name, value in headers.items()}
    seconds = _number(low.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    text = low.get("retry-after")
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, low.get("date"))


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None


def _until(text: str | None, date: str | None) -> float | None:
    if not text or not date:
        return None
    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def no_json(status: int) -> str:
    """The message where the upstream's error body is HTML, empty or otherwise not for a client's eyes (G47)."""
    return f"The upstream answered HTTP {status} without a readable error."


def interrupted() -> ir.Failure:
    """The upstream's bytes ended before its answer did."""
    message = "The upstream's answer was cut off before its end."
    return ir.Failure("interrupted", 502, message, "server_error", "upstream_interrupted")


def timeout(message: str, timer: str | None = None) -> ir.Failure:
    """One of our timers ended the wait: ``timer``, where a backend's ``timeouts`` have it."""
    return ir.Failure("timeout", 504, message, "server_error", "upstream_timeout", timer=timer)


def overdue(what: str, timer: str, seconds: float) -> ir.Failure:
    """The same, with the timer in its words: ``what`` completes "the backend did not …"."""
    return timeout(f"the backend did not {what} within {seconds:g} s (timeouts.{timer})", timer)


def bad_response(why: str) -> ir.Failure:
    """The upstream sent what its dialect does not allow; ``why`` completes "The upstream sent …"."""
    return ir.Failure("bad_response", 502, f"The upstream sent {why}.", "server_error", "upstream_bad_response")


def masked(failure: ir.Failure, mask: Callable[[str], str]) -> ir.Failure:
    """The same, with ``mask`` over every word that an upstream may have chosen."""
    words = {name: word for name in ("message", "type", "code", "param") if (word := getattr(failure, name))}
    return msgspec.structs.replace(failure, **{name: mask(word) for name, word in words.items()})


def error_body(failure: ir.Failure) -> bytes:
    """OpenAI's error body, all four keys present: ``{"error": {message, type, param, code}}``."""
    error = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}
    return msgspec.json.encode({"error": error})
