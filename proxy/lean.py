"""Keeps terminal libraries out of the serving processes: imported first, before anything that would bring them."""

from __future__ import annotations

import sys

# structlog takes rich along wherever it is installed: 5 MiB in each process for tracebacks that nobody there sees.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None makes `import rich` an ImportError
