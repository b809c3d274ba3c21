"""Drives ``turnout keys`` beside a running Turnout, in its folder, as its operator would."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from command_line import said, turnout
from live import Live
from public_door import ask
from typer.testing import Result


def keys(live: Live, *words: str) -> Result:
    """The command, whatever becomes of it."""
    with contextlib.chdir(live.folder):
        return turnout("keys", *words, "--config", live.config)


def made(live: Live, *words: str) -> str:
    """The secret of a new key, or of a rotated one."""
    result = keys(live, *words, "--quiet")
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def told(live: Live, *words: str) -> Any:
    with contextlib.chdir(live.folder):
        return said(turnout("keys", *words, "--config", live.config, "--json"))


def within_a_second(holds: Callable[[], bool]) -> None:
    """What begins a second from now meets it; or two, on a machine whose cores are busy."""
    changed = time.monotonic()
    began = changed
    while not holds():
        assert began - changed < 2.0
        began = time.monotonic()


def status(live: Live, key: str | None, model: str = "local") -> int:
    """Of one call with this key."""
    return ask(live, model, key=key).status
