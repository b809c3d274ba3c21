"""The guard of links: a table of hostile addresses and URLs, and what is really connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import httpcore2
import pytest

from proxy.upstream import guard
from proxy.upstream.guard import Forbidden, Guard

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:168.63.129.16",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378::1",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2a00:1450:4001::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_c11_an_address_that_is_never_asked(address: str) -> None:
    assert guard.refused(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_asked(address: str) -> None:
    assert not guard.refused(address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "not an http"),
        ("ftp://h.example/x", "not an http"),
        ("gopher://h.example/x", "not an http"),
        ("data:image/png;base64,AA", "not an http"),
        ("//h.example/x", "not an http"),
        ("http:///x", "not an http"),
        ("", "not an http"),
        ("http://user:pw@h.example/", "user name"),
        ("http://h.example@127.0.0.1/", "user name"),
        ("http://h.example:22/", "port 22"),
        ("https://h.example:80/", "port 80"),
        ("http://h.example:6379/", "port 6379"),
        ("http://h.example:99999/", "port 99999"),
        ("http://h\r\nx: y/", "not a valid URL"),
        ("http://[::1/", "not a valid URL"),
        ("http://ⓛocalhost/", "not a valid URL"),
        ("http://h.example/" + "a" * 9000, "too long"),
    ],
)
def test_c11_a_url_that_is_never_asked(url: str, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        guard.parse(url, ())


@pytest.mark.parametrize(
    "url", ["https://h.example/a?b#c", "http://h.example", "http://h.example:80/", "HTTPS://H.Example/"]
)
def test_a_plain_url_is_asked(url: str) -> None:
    assert guard.parse(url, ()).host == "h.example"


def test_another_port_is_asked_where_the_operator_says_so() -> None:
    allow = guard.hosts(("Files.Internal:8080", "[::1]:9000"))
    assert guard.parse("http://files.internal:8080/x", allow).port == 8080
    assert guard.parse("http://files.internal.:8080/x", allow).port == 8080
    assert guard.parse("http://[::1]:9000/x", allow).port == 9000
    with pytest.raises(Forbidden):
        guard.parse("http://files.internal:8081/x", allow)


@pytest.fixture
def listener() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


class Names:
    """A resolver that a test controls. Each look-up of a name takes its next answer; the last goes on for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.answers[host.replace(".", "_")]
        return found.pop(0) if len(found) > 1 else found[0]


def connect(names: guard.Resolve, host: str, port: int, *allow: str) -> httpcore2.AsyncNetworkStream:
    async def once() -> httpcore2.AsyncNetworkStream:
        stream = await Guard(guard.hosts(allow), names, restricted=False).connect_tcp(host, port, 5.0)
        await stream.aclose()
        return stream

    return asyncio.run(once())


def heard_nothing(listener: socket.socket) -> bool:
    listener.settimeout(0)
    try:
        listener.accept()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["not an address"]]
)
def test_a_name_that_leads_into_our_own_network_is_not_connected_to(
    listener: socket.socket, addresses: list[str]
) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(Forbidden, match="not a public one"):
        connect(Names(h_example=[addresses]), "h.example", port)
    assert heard_nothing(listener)


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "::1", "127.0.0.1"])
def test_other_spellings_of_loopback_are_the_same_to_the_real_resolver(listener: socket.socket, host: str) -> None:
    with pytest.raises((Forbidden, httpcore2.ConnectError)):
        connect(guard.resolve, host, listener.getsockname()[1])
    assert heard_nothing(listener)


def test_a_name_is_looked_up_once_so_that_it_cannot_change_between_check_and_use(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: first a public address, then loopback. What is connected to is what was checked."""
    names = Names(h_example=[["8.8.8.8"], ["127.0.0.1"]])
    dialled: list[str] = []

    async def dial(_: object, host: str, *__: object) -> httpcore2.AsyncNetworkStream:
        dialled.append(host)
        raise httpcore2.ConnectError

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", dial)
    with pytest.raises(httpcore2.ConnectError):
        connect(names, "h.example", listener.getsockname()[1])
    assert (names.asked, dialled) == (["h.example"], ["8.8.8.8"])


def test_the_address_that_answered_is_checked_too(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that leads a public address to a private machine is found out before a byte is sent."""
    dial = httpcore2.AnyIOBackend.connect_tcp

    async def diverted(self: Any, _: str, port: int, *rest: Any) -> httpcore2.AsyncNetworkStream:
        return await dial(self, "127.0.0.1", port, *rest)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", diverted)
    with pytest.raises(Forbidden, match="not a public one"):
        connect(Names(h_example=[["8.8.8.8"]]), "h.example", listener.getsockname()[1])
    taken, _ = listener.accept()
    with taken:
        taken.settimeout(5)
        assert taken.recv(1) == b""


def test_a_host_of_the_operators_is_asked_wherever_it_is(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    names = Names(files_internal=[["127.0.0.2", "127.0.0.1"]])
    assert connect(names, "files.internal", port, "files.internal")
    assert connect(names, "files.internal", port, f"Files.Internal:{port}")
    with pytest.raises(Forbidden):
        connect(names, "files.internal", port, "files.internal:1")


def test_a_name_that_nobody_knows_cannot_be_reached() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    async def empty(host: str, port: int) -> Sequence[str]:
        return []

    for names in (unknown, empty):
        with pytest.raises(httpcore2.ConnectError):
            connect(names, "h.example", 80)
