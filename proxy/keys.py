"""Who asks: a key (``Authorization: Bearer`` or ``x-api-key``) -> Caller; else loopback trust (decision D22), or 401.

A key is looked up by its SHA-256: the time of a look-up tells nothing about a secret whose hash cannot be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from adapters import ir
from policies.verdict import Caller

LOCAL = Caller()
OWN_HEADER = "x-turnout-key"
"""Where the Turnout key goes when the usual headers carry the caller's own key for a ``from_client`` backend."""
_PASSED_ON = ("origin", "forwarded", "via")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_CREATE = "create one under `keys:` in proxy.yaml"


def digest(secret: str) -> str:
    """How a key is kept and looked up: SHA-256, hex."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def authenticate(
    headers: Mapping[str, str],
    *,
    peer_host: str | None,
    bound_loopback: bool,
    callers: Mapping[str, Caller],
    admin_configured: bool,
    open_server: bool = False,
) -> Caller | ir.Failure:
    """Header names in lower case; ``callers`` by SHA-256 hex. As soon as any key exists, a key is required.

    ``open_server`` is ``server.open``: without keys, everyone is ``local`` wherever they come from.
    """
    if callers:
        own = headers.get(OWN_HEADER, "").strip()
        told = [secret for secret in ([own] if own else [bearer(headers), api_key(headers)]) if secret]
        caller = next((found for secret in told if (found := callers.get(digest(secret)))), None)
        return caller or (_wrong() if told else _missing())
    if open_server:
        return LOCAL
    if admin_configured:
        return _refused(f"No client key exists yet: {_CREATE}; the admin key opens the admin routes only.")
    reason = _distrust(headers, peer_host, bound_loopback=bound_loopback)
    return LOCAL if reason is None else _refused(f"Without keys only this machine is served, and {reason}: {_CREATE}.")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key of an ``Authorization: Bearer`` header, or None."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def api_key(headers: Mapping[str, str]) -> str | None:
    """The key of an ``x-api-key`` header (Anthropic's clients), or None."""
    return headers.get("x-api-key", "").strip() or None


def given(headers: Mapping[str, str]) -> str | None:
    """The credential that a client sent, in whichever way."""
    return bearer(headers) or api_key(headers)


def _distrust(headers: Mapping[str, str], peer_host: str | None, *, bound_loopback: bool) -> str | None:
    """Why loopback trust does not hold, in words for the 401; None when it holds."""
    if not bound_loopback:
        return "the server is bound to other addresses too"
    if not is_loopback(peer_host):
        return "the request came from another"
    if not _names_loopback(headers.get("host", "")):
        return "the Host header names another"
    for name in headers:
        if name in _PASSED_ON or name.startswith("x-forwarded-"):
            return f"the {name} header says that the request was passed on"
    return None


def is_loopback(host: str | None) -> bool:
    """Whether ``host`` is a loopback address literal (127.0.0.0/8, ::1, or the former mapped into IPv6)."""
    if host is None or host in _LOOPBACK:
        return host is not None
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _names_loopback(host: str) -> bool:
    name, bracket, port = host.partition("]") if host.startswith("[") else host.partition(":")
    if bracket == "]":
        name, port = name[1:], port.removeprefix(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    return name.lower() == "localhost" or is_loopback(name)


def _missing() -> ir.Failure:
    how = "`Authorization: Bearer KEY` or `x-api-key: KEY` (the SDKs' `api_key`)"
    return _refused(f"You didn't provide an API key: send {how}.")


def _wrong() -> ir.Failure:
    return _refused("Incorrect API key provided: use one of the `keys:` in this Turnout's proxy.yaml.")


def _refused(message: str) -> ir.Failure:
    return ir.Failure("unauthorized", 401, message, code="invalid_api_key")
