"""Keeps what no call needs out of the serving processes: imported first, before anything that would bring it."""

from __future__ import annotations

import sys


def keep_out(library: str) -> None:
    """Make ``import library`` an ImportError, which those who would like to have it expect."""
    sys.modules.setdefault(library, None)  # type: ignore[arg-type]  # None is what stops an import


# structlog takes rich along wherever it is installed: 5 MiB in each process for tracebacks that nobody there sees.
keep_out("rich")
