"""How one of our modules is run in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def words(module: str, *arguments: str) -> list[str]:
    """The command line for ``python -m module``.

    -P, because a folder called ``proxy`` in the working directory is not ours (unless it is: a source checkout).
    """
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", module, *arguments]
