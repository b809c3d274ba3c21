"""Drives ``turnout override`` beside a running Turnout, in its folder, as its operator would."""

from __future__ import annotations

import contextlib
from typing import Any

from command_line import said, turnout
from live import Live
from typer.testing import Result


def override(live: Live, *words: str) -> Result:
    """The command, whatever becomes of it."""
    with contextlib.chdir(live.folder):
        return turnout("override", *words, "--config", live.config)


def told(live: Live, *words: str) -> dict[str, Any]:
    with contextlib.chdir(live.folder):
        found: dict[str, Any] = said(turnout("override", *words, "--config", live.config, "--json"))
    return found


def turned(live: Live, *words: str) -> str:
    """Its id, once the worker that answers readiness has heard of it."""
    found = str(told(live, *words)["override"]["id"])
    live.until(lambda: words[1] in standing(live), "heard of")
    return found


def cleared(live: Live, *words: str) -> None:
    """Everything, or what was named, once that was heard of."""
    gone = [each["override"].partition(" ")[2] for each in told(live, "clear", *(words or ("--all",)))["cleared"]]
    live.until(lambda: not set(gone).intersection(standing(live)), "cleared")


def standing(live: Live) -> list[str]:
    """What readiness tells is turned: ``auto=local_only``, ``claude``."""
    _, state = live.get("/health/ready")
    return [str(each["override"]).partition(" ")[2] for each in state["overrides"]]
