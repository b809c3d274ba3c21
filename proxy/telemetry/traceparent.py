"""W3C trace context: read strictly, carried on always, and handed to the upstream with a span id of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[ -~]{1,512}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Parent(Struct, frozen=True):
    """A valid inbound ``traceparent``."""

    trace_id: str
    span_id: str
    sampled: bool


class TraceContext(Struct, frozen=True):
    """Where a call stands in its trace. ``span_id`` is our server span, ``parent_id`` the caller's span, if any."""

    trace_id: str
    span_id: str
    sampled: bool = True
    parent_id: str | None = None
    tracestate: str | None = None

    def helper(self) -> TraceContext:
        """Where a call stands that this one makes for itself."""
        return msgspec.structs.replace(self, span_id=_random(8, _NO_SPAN), parent_id=self.span_id)

    def child(self) -> str:
        """A ``traceparent`` for one attempt, with a new span id."""
        return f"00-{self.trace_id}-{_random(8, _NO_SPAN)}-{'01' if self.sampled else '00'}"


def parse(value: str) -> Parent | None:
    """None for anything that the W3C grammar does not allow: it is dropped, never passed on."""
    found = _PARENT.fullmatch(value)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Parent(trace_id, span_id, bool(int(flags, 16) & 1))


def start(headers: Mapping[str, str]) -> TraceContext:
    """Continue the caller's trace, or begin one (header names in lower case).

    A trace that begins here is marked as sampled even if nobody collects our own spans, so that an upstream which
    follows its parent still collects its own.
    """
    parent = parse(headers.get("traceparent", ""))
    own = _random(8, _NO_SPAN)
    if parent is None:
        return TraceContext(_random(16, _NO_TRACE), own)
    state = headers.get("tracestate", "")
    return TraceContext(
        parent.trace_id, own, parent.sampled, parent.span_id, state if _STATE.fullmatch(state) else None
    )


def span_of(traceparent: str) -> str:
    """The span id of a ``traceparent`` that ``child`` made."""
    return traceparent[36:52]


def _random(size: int, forbidden: str) -> str:
    while (found := os.urandom(size).hex()) == forbidden:
        pass
    return found
