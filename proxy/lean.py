"""Keeps what no call needs out of the serving processes: imported first, before anything that would bring it."""

from __future__ import annotations

import sys
from types import ModuleType


def keep_out(library: str) -> None:
    """Make ``import library`` an ImportError, which those who would like to have it expect."""
    sys.modules.setdefault(library, None)  # type: ignore[arg-type]  # None is what stops an import


def stand_in(library: str, *names: str) -> None:
    """Put an empty module in its place, for those who import it, or these names of it, at their top and never come to
    use them here."""
    module = ModuleType(library)
    vars(module).update(dict.fromkeys(names))
    sys.modules.setdefault(library, module)


# structlog takes rich along wherever it is installed: 5 MiB in each process for tracebacks that nobody there sees.
keep_out("rich")
