"""Logs: one wide JSON line per call, without bodies, prompts or keys."""

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.telemetry import logs, names


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = before


def row(**changes: Any) -> UsageRecord:
    values: dict[str, Any] = {"request_id": "r", "started_at": 10**12, "api": "chat", "outcome": "ok"}
    return UsageRecord(**values | changes)


def test_a_call_is_one_json_line(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    logs.configure("info", "auto")
    logs.call_done(row(cls="simple", cost_nano_usd=5), attempts=2, trace_id="abc")
    line = msgspec.json.decode(capsysbinary.readouterr().out)
    assert line["event"] == "call.done"
    assert (line["level"], line["class"], line["cost_nano_usd"], line["attempts"]) == ("info", "simple", 5, 2)
    assert line["input_tokens"] is None
    assert line["timestamp"].endswith("Z")


def test_a_failed_attempt_is_a_warning(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    logs.configure("warning", "json")
    logs.call_done(row(), attempts=1)
    logs.attempt_failed(row(outcome="fallback", error_code="upstream_timeout"))
    lines = capsysbinary.readouterr().out.splitlines()
    assert len(lines) == 1
    assert msgspec.json.decode(lines[0])["error_code"] == "upstream_timeout"


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logs.call_done(row(), attempts=1)
    out = capsys.readouterr().out
    assert "call.done" in out
    assert "request_id=r" in out
    assert "\x1b[" not in out


def test_what_cannot_be_encoded_does_not_break_the_line(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("odd", value={1, 2}, raised=ValueError("x"))
    assert b"ValueError" in capsysbinary.readouterr().out


def test_c14_the_fields_are_columns_of_the_row_and_none_holds_content() -> None:
    assert set(names.CALL_FIELDS) <= set(COLUMNS)
    assert set(names.ATTEMPT_FIELDS) <= set(COLUMNS)
    assert not {"facts", "trace"} & {*names.CALL_FIELDS, *names.ATTEMPT_FIELDS}


@pytest.mark.parametrize("style", ["text", "json"])
def test_c14_a_trace_shows_neither_variables_nor_what_an_error_says(
    capfd: pytest.CaptureFixture[str], style: Any
) -> None:
    """They are bodies, prompts and keys."""
    logs.configure("info", style)
    try:
        _fail("-".join(("sk", "canary")))
    except ValueError as error:
        structlog.get_logger().error("call.crashed", exc_info=ExceptionGroup("of the call", [error]))
    told = capfd.readouterr().out
    assert "in _fail" in told
    assert "KeyError" in told
    assert "which led to:" in told
    assert "sk-canary" not in told


def test_c14_what_libraries_log_quotes_nothing_that_was_at_hand(capfd: pytest.CaptureFixture[str]) -> None:
    """asyncio tells of a task that failed with the repr of its error, over several lines."""
    logs.configure("info", "json")
    try:
        _fail("-".join(("sk", "canary")))
    except ValueError as error:
        told = f"Task exception was never retrieved\nfuture: <Task finished exception={error!r}>"
        logging.getLogger("asyncio").error(told, exc_info=error)
    line = msgspec.json.decode(capfd.readouterr().out)
    assert (line["event"], line["level"], line["library"]) == ("library.log", "error", "asyncio")
    assert line["message"] == "Task exception was never retrieved"
    assert "in _fail" in line["exception"]
    assert "sk-canary" not in str(line)


def test_what_the_system_says_of_an_error_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().error("errand.crashed", exc_info=OSError(28, "No space left on device"))
    assert "OSError: [Errno 28] No space left on device" in capfd.readouterr().out


def _fail(canary: str) -> None:
    try:
        raise KeyError(canary)
    except KeyError as error:
        raise ValueError(f"bad: {canary}") from error
