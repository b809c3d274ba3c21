"""Keeps out of a worker what it never uses: imported first by the worker."""

from __future__ import annotations

from proxy.lean import stand_in

# uvicorn's command line, with click and what it starts processes with, is nobody's business here: 3 MiB.
stand_in("uvicorn.main", "Server", "main", "run")
# litestar would write its pages of API documentation with it, of which we have none: 1 MiB.
stand_in("yaml")
