"""Keeps out of a worker what only the supervisor needs: imported first by the worker."""

from __future__ import annotations

from proxy.lean import keep_out

# uvicorn takes it along for a reload that is the supervisor's business: 2 MiB.
keep_out("watchfiles")
