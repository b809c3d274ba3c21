"""More clients than there is room for: idle ones are cheap, too many are told so, the rest notice nothing (P11, P12)."""

import asyncio
import os
import resource
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import live as living
import pytest
from chaos import WORDS, Chaos
from live import Live, alive
from raw import GOOD, HEAD, Line, Said, spoken
from talk import until

TEXT = "".join(WORDS)
HERD = int(os.environ.get("TURNOUT_HERD", "500"))
"""Connections at once; ``make torture`` takes 2,000."""


def _config(room: Chaos, server: str = "", more: str = "") -> str:
    return f"""version: 1
server: {{{server}}}
backends:
  ok:   {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}
  slow: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: slow}}
aliases: {{any: {{use: [ok]}}}}
{more}
"""


@contextmanager
def _lines(port: int, count: int, *parts: bytes) -> Iterator[list[Line]]:
    """Many connections, each of which has sent ``parts``."""
    with ExitStack() as stack:
        yield [stack.enter_context(Line(port, *parts)) for _ in range(count)]


def _ask(live: Live) -> Said:
    with Line(live.port, GOOD) as line:
        said = line.hear()
    assert said is not None
    return said


def _herd(port: int, count: int) -> Counter[int]:
    """``count`` calls at once, each on a connection of its own: status -> how often; 0: closed without a word."""

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        told = await reader.read()
        writer.close()
        return int(told.split(b" ", 2)[1]) if told else 0

    async def all_of_them() -> Counter[int]:
        return Counter(await asyncio.gather(*(one() for _ in range(count))))

    return asyncio.run(all_of_them())


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS"))


def _files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_c3_idle_connections_are_cheap(room: Chaos) -> None:
    """At most 30 KiB each, whether they have said something or not; ten thousand are measured by the bench."""
    with Live(_config(room)) as live, ExitStack() as stack:
        (worker,) = live.workers()
        for _ in range(20):
            assert _ask(live).status == 200
        for part in ((), (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",)):
            small = _resident(worker)
            lines = stack.enter_context(_lines(live.port, 400, *part))
            assert all(line.hear() for line in lines) if part else True
            assert _ask(live).text == TEXT
            assert _resident(worker) - small < 400 * 30 * 1024


def test_c2_slow_clients_do_not_hold_up_others(room: Chaos) -> None:
    """Three hundred that are slow in each of their ways, and calls that are served all the same."""
    with Live(_config(room)) as live, ExitStack() as stack:
        (worker,) = live.workers()
        assert _ask(live).status == 200
        small = _resident(worker)
        for parts in ((b"P",), (HEAD,), (HEAD + b"Content-Length: 5000\r\n\r\n{",)):
            stack.enter_context(_lines(live.port, 100, *parts))
        for _ in range(30):
            assert _ask(live).text == TEXT
        assert _resident(worker) - small < 300 * 30 * 1024


def test_p11_one_connection_too_many_is_told_so(room: Chaos) -> None:
    """The others are served, also new calls on their connections; when one leaves there is room again."""
    with Live(_config(room, "max_connections: 10")) as live:
        with _lines(live.port, 10, GOOD) as lines:
            assert [line.hear().text for line in lines if line] == [TEXT] * 10  # type: ignore[union-attr]
            (said,) = spoken(live.port, GOOD)
            assert (said.status, said.error["code"], said.error["type"]) == (
                503,
                "too_many_connections",
                "server_error",
            )
            assert (said.headers["retry-after"], said.headers["connection"]) == ("1", "close")
            lines[0].send(GOOD)
            again = lines[0].hear()
            assert again is not None
            assert again.text == TEXT
        until(lambda: _ask(live).status == 200, "room again")
        until(lambda: '"event":"connections.full"' in live.log(), "told in the log")
        assert live.log().count("connections.full") <= 5


def test_p11_a_herd_is_served_or_turned_away(room: Chaos) -> None:
    """Of those that come at once a hundred have room; nobody is reset, and then all is as before."""
    with Live(_config(room, "max_connections: 100")) as live:
        statuses = _herd(live.port, HERD)
        assert set(statuses) <= {200, 503, 0}, statuses
        assert statuses[200] >= 100
        until(lambda: _ask(live).status == 200, "room again")
        assert _ask(live).text == TEXT


def test_p11_a_herd_that_has_room_is_served(room: Chaos) -> None:
    with Live(_config(room)) as live:
        assert _herd(live.port, HERD) == {200: HERD}
        assert len(live.rows()) == HERD


def test_p12_without_descriptors_nothing_spins_and_then_all_is_well(room: Chaos) -> None:
    """Calls on open connections are answered, the log is not flooded, and the port is not lost."""
    with Live(_config(room)) as live, ExitStack() as stack:
        (worker,) = live.workers()
        with Line(live.port, GOOD) as kept:
            first = kept.hear()
            assert first is not None
            soft, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            has = _files(worker)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (has + 3, hard))
            lines = [stack.enter_context(Line(live.port)) for _ in range(20)]
            until(lambda: _files(worker) >= has + 3, "full")
            before, began = _seconds(worker), time.monotonic()
            kept.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            second = kept.hear()
            assert second is not None
            assert second.status == 200
            time.sleep(1)  # what is tested is what it does by itself
            assert _seconds(worker) - before < 0.5 * (time.monotonic() - began)
            assert len(live.log()) < 20_000
            for line in lines:
                line.socket.close()
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (soft, hard))
        until(lambda: live.get("/health/live")[0] == 200, "room again")
        assert _ask(live).text == TEXT
        assert alive(worker)


def test_p12_the_limit_of_open_files_is_the_limit_of_connections(room: Chaos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is reached, for backends need some, too: the one too many is answered."""
    monkeypatch.setattr("live.ENTRY", ["prlimit", "--nofile=200:200", *living.ENTRY])
    with Live(_config(room)) as live, ExitStack() as stack:
        lines = [stack.enter_context(Line(live.port, b"P")) for _ in range(130)]
        over = 130 - (200 - 64) * 3 // 4
        turned = until(lambda: (found := _answered(lines))[over - 1 :] and found, "turned away")
        assert len(turned) == over
        said = turned[0].hear()
        assert said is not None
        assert said.status == 503
        assert "Too many open files" not in live.log()


def _answered(lines: list[Line]) -> list[Line]:
    """Those that have something to read."""
    ready, _, _ = select.select([line.socket for line in lines], [], [], 0)
    return [line for line in lines if line.socket in ready]


def test_c2_a_process_that_was_stopped_cuts_nobody(room: Chaos) -> None:
    """What lay unread meanwhile is no fault of its clients."""
    with Live(_config(room, "", "timeouts: {head: 500ms, body: 500ms, idle: 500ms, write: 500ms}")) as live:
        (worker,) = live.workers()
        with Line(live.port, GOOD[:-10]) as half:
            os.kill(worker, signal.SIGSTOP)
            try:
                time.sleep(1.5)  # stopped for longer than every timer
                half.send(GOOD[-10:])
            finally:
                os.kill(worker, signal.SIGCONT)
            said = half.hear()
    assert said is not None
    assert said.text == TEXT
