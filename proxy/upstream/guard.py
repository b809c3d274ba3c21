"""Where Turnout may connect for a client: to public addresses and the operator's exceptions, checked as it connects.

The check is of the very address that the connection goes to, so that a name cannot mean one thing when it is checked
and another when it is used (DNS rebinding). Only the ports of http and https are asked, but for ``allow: host:port``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore2
import httpx2

MAX_URL = 8192
"""Characters; no server takes more."""
_CONNECT_SECONDS = 3.0
"""For one address, when a name has several."""
_PORTS = {"http": 80, "https": 443}
_UNICAST = IPv6Network("2000::/3")
"""All that is given out for the public internet."""
_NAT64 = IPv6Network("64:ff9b::/96")
_CLOSED = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
"""Public by Python's tables, but: protocol assignments (Oracle's metadata are there), relays, Azure's host services."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> addresses. Raises OSError."""


class Forbidden(Exception):  # noqa: N818 - a fact about a link
    """This link is not followed; the text says why, in words for the client."""


def hosts(allow: Iterable[str]) -> frozenset[str]:
    """The operator's exceptions as they are compared: ``[::1]:8080`` and ``Files.Internal`` in one spelling."""
    return frozenset(entry.lower().replace("[", "").replace("]", "") for entry in allow)


def parse(text: str, allow: Collection[str]) -> httpx2.URL:
    """A link that may be asked for, as far as its spelling tells. Raises Forbidden."""
    try:
        url = httpx2.URL(text[: MAX_URL + 1])
    except httpx2.InvalidURL:
        raise Forbidden("it is not a valid URL") from None
    if len(text) > MAX_URL:
        raise Forbidden("it is too long")
    if url.scheme not in _PORTS or not url.host:
        raise Forbidden("it is not an http or https URL")
    if url.userinfo:
        raise Forbidden("it holds a user name or a password")
    if url.port is not None and f"{_bare(url.host)}:{url.port}" not in allow:
        raise Forbidden(f"port {url.port} is not asked")
    return url


def refused(address: str) -> bool:
    """True unless ``address`` is one of the public internet, in each address that it holds."""
    try:
        found = ip_address(address)
    except ValueError:
        return True
    if isinstance(found, IPv4Address):
        return not _public(found)
    inner = _inner(found)
    return not _public(inner) if inner is not None else found not in _UNICAST or found.teredo is not None or _odd(found)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to ``address`` ends at, where it is only wrapped in an IPv6 one."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _public(address: IPv4Address) -> bool:
    return not _odd(address) and not any(address in network for network in _CLOSED)


def _odd(address: IPv4Address | IPv6Address) -> bool:
    return not address.is_global or address.is_multicast or address.is_reserved


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's own resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that it has checked itself, and to no other. ``allow``: the hosts (see ``hosts``) that are
    asked wherever they are; ``restricted``: no others are, nor is their name looked up."""

    def __init__(self, allow: Collection[str], resolve: Resolve = resolve, *, restricted: bool) -> None:
        self._allow = allow
        self._restricted = restricted
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises Forbidden, httpcore2.ConnectError."""
        own = _bare(host) in self._allow or f"{_bare(host)}:{port}" in self._allow
        if self._restricted and not own:
            raise Forbidden("the data is restricted, and its host is not in media.allow")
        addresses = await self._addresses(host, port)
        if not own and any(map(refused, addresses)):
            raise Forbidden("its address is not a public one")
        stream = await self._first(addresses, port, min(timeout or _CONNECT_SECONDS, _CONNECT_SECONDS))
        peer = stream.get_extra_info("server_addr")
        if not own and (not peer or refused(str(peer[0]))):
            await stream.aclose()
            raise Forbidden("its address is not a public one")
        return stream

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError from error
        if not found:
            raise httpcore2.ConnectError
        return found

    async def _first(self, addresses: Sequence[str], port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        for address in addresses[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, seconds)
        return await self._inner.connect_tcp(addresses[-1], port, seconds)
