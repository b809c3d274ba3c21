"""Who asks: a key (``Authorization: Bearer`` or ``x-api-key``) -> Caller; else loopback trust (decision D22), or 401.

A key is looked up by its SHA-256: the time of a look-up tells nothing about a secret whose hash cannot be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Literal, TypeAlias

from msgspec import Struct

from adapters import ir
from policies.verdict import Caller
from proxy.minting import PREFIX

LOCAL = Caller()
OWN_HEADER = "x-turnout-key"
"""Where the Turnout key goes when the usual headers carry the caller's own key for a ``from_client`` backend."""
_PASSED_ON = ("origin", "forwarded", "via")
_OWN_PAGES = frozenset(("none", "same-origin"))
"""What browsers say of a request that no other site's page makes."""
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_CREATE = "create one with `turnout keys create NAME`, or under `keys:` in proxy.yaml"

Reason: TypeAlias = Literal[
    "missing", "unknown", "expired", "revoked", "replaced", "no_team", "untrusted", "keys_unavailable"
]


class Refusal(Struct, frozen=True):
    """Why somebody is not let in. ``name``: of the key, where its secret was right."""

    reason: Reason
    failure: ir.Failure
    name: str | None = None


Find: TypeAlias = Callable[[str], Caller | Refusal | None]
"""SHA-256, hex -> who has the key, or why it is no good any more; None: nobody knows it."""


def digest(secret: str) -> str:
    """How a key is kept and looked up: SHA-256, hex."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def authenticate(
    headers: Mapping[str, str],
    *,
    peer_host: str | None,
    bound_loopback: bool,
    find: Find | None,
    admin_configured: bool,
    open_server: bool = False,
) -> Caller | Refusal:
    """Header names in lower case. ``find``: None while no key exists at all; as soon as any does, a key is required.

    ``open_server`` is ``server.open``: without keys, everyone is ``local`` wherever they come from.
    """
    if find is not None:
        return _by_key(told(headers), find)
    if open_server:
        return LOCAL
    if admin_configured:
        return _untrusted(f"No client key exists yet: {_CREATE}; the admin key opens the admin routes only.")
    reason = _distrust(headers, peer_host, bound_loopback=bound_loopback)
    if reason is None:
        return LOCAL
    return _untrusted(f"Without keys only this machine is served, and {reason}: {_CREATE}.")


def told(headers: Mapping[str, str]) -> list[str]:
    """The secrets by which a client may want to be known."""
    own = headers.get(OWN_HEADER, "").strip()
    return [secret for secret in ([own] if own else [bearer(headers), api_key(headers)]) if secret]


def look_ours(headers: Mapping[str, str]) -> bool:
    """May one of them be a secret that was made here? Said without looking closely."""
    return (
        ("authorization" in headers and PREFIX in headers["authorization"])
        or ("x-api-key" in headers and PREFIX in headers["x-api-key"])
        or OWN_HEADER in headers
    )


def _by_key(secrets: list[str], find: Find) -> Caller | Refusal:
    """The first good key counts; else what is wrong with one that was good once."""
    refused = None
    for secret in secrets:
        found = find(digest(secret))
        if isinstance(found, Caller):
            return found
        refused = refused or found
    return refused or (_wrong() if secrets else _missing())


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
    if headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        return "a page of another site asks"
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


# --- refusals ------------------------------------------------------------------------------------------------------


def day(moment: float) -> str:
    """Seconds since 1970 -> the day where it is a midnight, else the second; UTC."""
    told_at = datetime.fromtimestamp(moment, UTC)
    return told_at.strftime("%Y-%m-%d" if moment % 86_400 == 0 else "%Y-%m-%dT%H:%M:%SZ")


def expired(name: str, at: float) -> Refusal:
    """Told to whoever has the right secret, as are the next three."""
    return _spent("expired", f"This API key expired on {day(at)} (UTC): ask your operator for a new one.", name)


def revoked(name: str, at: float) -> Refusal:
    return _spent("revoked", f"This API key was revoked on {day(at)} (UTC): ask your operator for a new one.", name)


def replaced(name: str, at: float) -> Refusal:
    return _spent("replaced", f"This API key was replaced and ended on {day(at)} (UTC): use the new one.", name)


def teamless(name: str, team: str) -> Refusal:
    """What its team's rules would keep its calls from, nobody could say."""
    message = f"The team '{team}' of this API key is not in Turnout's configuration any more: ask your operator."
    return Refusal("no_team", ir.Failure("forbidden", 403, message, code="team_not_found"), name)


def unavailable() -> Refusal:
    """Nobody can say whether the key is good: it may have been made elsewhere, or no key may be needed."""
    message = "Turnout cannot read its keys now, and cannot tell whether this call has a good one: ask again soon."
    failure = ir.Failure("internal", 503, message, "server_error", "keys_unavailable", retry_after=1.0)
    return Refusal("keys_unavailable", failure)


def _spent(reason: Reason, message: str, name: str) -> Refusal:
    return Refusal(reason, _refused(message), name)


def _missing() -> Refusal:
    how = "`Authorization: Bearer KEY` or `x-api-key: KEY` (the SDKs' `api_key`)"
    return Refusal("missing", _refused(f"You didn't provide an API key: send {how}."))


def _wrong() -> Refusal:
    message = "Incorrect API key provided: it is none of the keys that this Turnout's operator has made."
    return Refusal("unknown", _refused(message))


def _untrusted(message: str) -> Refusal:
    return Refusal("untrusted", _refused(message))


def _refused(message: str) -> ir.Failure:
    return ir.Failure("unauthorized", 401, message, code="invalid_api_key")
