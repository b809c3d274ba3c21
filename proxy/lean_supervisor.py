"""Keeps out of the supervisor what only workers use: imported first by the process that becomes one."""

from __future__ import annotations

from proxy.lean import keep_out

# It speaks to nobody but its workers, and Python's own SHA-2 does for its hashes: 5 MiB of OpenSSL.
keep_out("ssl")
keep_out("_hashlib")
