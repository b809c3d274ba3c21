"""Why an answer ended, in Google's words and the hub's (protocol.md section 3.5)."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import ir

_FILTERED = frozenset(
    (
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_OTHER",
        "IMAGE_RECITATION",
    )
)
_LENGTH = frozenset(("MAX_TOKENS", "CONTINUATION"))
_BROKEN = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "TOO_MANY_TOOL_CALLS",
    )
)
_PLAIN = frozenset(("STOP", "LANGUAGE", "OTHER", "NO_IMAGE", "ESCALATION", "PUP_LIMITED_DISABLED"))
_WIRE: Mapping[ir.FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
KNOWN = _FILTERED | _LENGTH | _PLAIN | {UNSPECIFIED}
"""Words that end an answer; what any other says is not known here."""


def read(reason: str, *, called: bool) -> ir.FinishReason:
    """Google's ``finishReason`` -> the hub's. STOP also ends an answer that calls tools (G22), so ``called`` says
    whether any chunk did (G23); a reason that we do not know ends like STOP."""
    if reason in _FILTERED:
        return "content_filter"
    if reason in _LENGTH:
        return "length"
    return "tool_calls" if called else "stop"


def failure(reason: str, message: str | None) -> ir.Failure | None:
    """The failure that some reasons are: the model's output could not be used, so it must not look like a stop."""
    if reason not in _BROKEN:
        return None
    told = f"Gemini ended the answer with {reason}: {message}" if message else f"Gemini ended the answer with {reason}."
    return ir.Failure("upstream_error", 502, told, "server_error", "upstream_error", upstream_status=200)


def write(finished: ir.Finished) -> str:
    """The hub's finish -> ``finishReason``; Google's own word where it was one."""
    detail = finished.detail or ""
    return detail if detail in KNOWN - {UNSPECIFIED} else _WIRE[finished.reason]
