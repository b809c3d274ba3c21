"""Keeps out of a worker what it never uses: imported first by the worker."""

from __future__ import annotations

from proxy.lean import keep_out, stand_in

# uvicorn takes it along for a reload that is the supervisor's business: 2 MiB.
keep_out("watchfiles")
# litestar would write its pages of API documentation with it, of which we have none: 1 MiB.
stand_in("yaml")
