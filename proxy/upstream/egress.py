"""The last step before any socket: restricted data meets backends marked ``local: true``, and nobody else.

The rules have left all others out of the plan long before. This is checked again here, where nothing else is known
than what goes out and whom to, so that no way through the house leads past it: every Outgoing must say what it carries.
"""

from __future__ import annotations

from adapters import ir
from proxy.upstream.seam import Outgoing, UpstreamFailed

CODE = "egress_denied"


def admit(outgoing: Outgoing) -> None:
    """Raises UpstreamFailed (403, ``egress_denied``) for restricted data on its way to a backend that is not local, or
    by way of a proxy. No other target is tried after it."""
    cargo = outgoing.cargo
    if not cargo.restricted or (cargo.local and outgoing.proxy is None):
        return
    why = "is not marked 'local: true'" if not cargo.local else "is reached through a proxy"
    message = f"restricted data stays here, and {cargo.to} {why}: nothing was sent"
    raise UpstreamFailed(ir.Failure("forbidden", 403, message, "invalid_request_error", CODE))
