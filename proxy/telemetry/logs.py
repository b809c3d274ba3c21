"""Logs: one wide line per call and one per failed attempt, JSON for machines and text on a terminal.

Lines are made from ledger rows, which hold no body, no prompt and no key.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import orjson
import structlog

from proxy.ledger.record import COLUMNS, UsageRecord, clean
from proxy.telemetry import names

Style: TypeAlias = Literal["auto", "json", "text"]
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIELD = dict(zip(COLUMNS, UsageRecord.__struct_fields__, strict=True))
_call = attrgetter(*(_FIELD[name] for name in names.CALL_FIELDS))
_attempt = attrgetter(*(_FIELD[name] for name in names.ATTEMPT_FIELDS))
_log = structlog.get_logger("turnout")


def configure(level: str = "info", style: Style = "auto") -> None:
    """Set up logging for this process. ``auto``: text on a terminal, else one JSON object per line on stdout."""
    text = style == "text" or (style == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = _text() if text else structlog.processors.JSONRenderer(_dumps)
    structlog.configure(
        processors=[*shared, _traced, ending],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory() if text else structlog.BytesLoggerFactory(_lines()),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [*(each for each in root.handlers if not isinstance(each, _Others)), _Others(logging.WARNING)]


class _Others(logging.Handler):
    """What libraries say, in lines of ours, and of it the first line alone: what follows quotes whatever is at hand."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        message = clean(record.getMessage().partition("\n")[0])
        _log.log(record.levelno, "library.log", library=record.name, message=message, exc_info=error)


class _Steadfast:
    """Where lines go: a disk that is full or a reader that is gone costs lines, never a call."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def _lines() -> BinaryIO:
    return cast(BinaryIO, _Steadfast(sys.stdout.buffer))


def _text() -> Any:
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty() and "NO_COLOR" not in os.environ)


def _traced(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = trace(error)
    return event


def _dumps(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=repr)


def trace(error: BaseException) -> str:
    """Where an error came from: the lines of our own text that led to it, and its kind. What it says is left out but
    for the system's own errors: it may quote a body, a prompt or a key."""
    lines = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        lines += [trace(before), "which led to:"]
    lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
    lines.append(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__)
    if isinstance(error, BaseExceptionGroup):
        lines += [trace(each) for each in error.exceptions]
    return "\n".join(lines)


def call_done(record: UsageRecord, *, attempts: int, trace_id: str | None = None) -> None:
    """The one line of a call, from the row of its last attempt."""
    _log.info(
        names.CALL_DONE,
        attempts=attempts,
        trace_id=trace_id,
        **dict(zip(names.CALL_FIELDS, _call(record), strict=True)),
    )


def attempt_failed(record: UsageRecord, *, trace_id: str | None = None) -> None:
    """The line of an attempt that failed, whether another took over or not."""
    _log.warning(
        names.ATTEMPT_FAILED, trace_id=trace_id, **dict(zip(names.ATTEMPT_FIELDS, _attempt(record), strict=True))
    )
