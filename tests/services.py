"""Real servers for tests, each in a temporary folder of its own, on a free port, ended by pid (decision D27).

``make services`` installs them. A test that needs one fails without it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from live import POLL, free_port

PATIENCE = 60.0
"""Seconds that a server may take to start, on a busy machine."""
_NOBODY = "postgres"
"""PostgreSQL refuses to run as root: it runs as this user then."""


class Server:
    """A server process. ``url`` is what proxy.yaml names it by."""

    def __init__(self, url: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.port = port
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang, SIGCONT lets it go on, SIGKILL ends it."""
        os.kill(self.process.pid, number)

    def end(self) -> None:
        """Until it is gone, whatever state it is in."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def redis_server(
    *arguments: str,
    port: int | None = None,
    folder: Path | None = None,
    file: Path | None = None,
    words: tuple[str, ...] = ("--save", ""),
) -> Iterator[Server]:
    """A Redis without persistence, unless ``arguments`` say otherwise; ``port`` to start one where another was. ``file``:
    its configuration; ``words``: before all others."""
    binary = _found("redis-server")
    own = tempfile.TemporaryDirectory(prefix="redis-") if folder is None else None
    where = Path(own.name) if own is not None else folder or Path()
    port = free_port() if port is None else port
    named = [binary, *([str(file)] if file is not None else []), *words]
    told = [*named, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(where), *arguments]
    with (where / "log").open("ab") as log:
        process = subprocess.Popen(told, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    server = Server(f"redis://127.0.0.1:{port}/0", port, process)
    try:
        _await(server, where / "log")
        yield server
    finally:
        server.end()
        if own is not None:
            own.cleanup()


@contextmanager
def redis_sentinel(master: Server, name: str = "turnout", more: str = "") -> Iterator[Server]:
    """One sentinel, enough to declare ``master`` dead after half a second and to raise its replica. ``more``: lines of its
    configuration."""
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        file = Path(folder) / "sentinel.conf"
        file.write_text(
            f"sentinel monitor {name} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 3000\n{more}"
        )
        with redis_server(file=file, words=("--sentinel",)) as server:
            server.url = f"redis+sentinel://127.0.0.1:{server.port}/{name}/0"
            yield server


@contextmanager
def redis_cluster(count: int = 3) -> Iterator[list[Server]]:
    """So many masters, which share the slots between them."""
    from redis import Redis

    with ExitStack() as stack:
        found, buses = [], []
        for _ in range(count):
            buses.append(free_port())
            told = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(buses[-1]))
            found.append(stack.enter_context(redis_server(*told)))
        slots = [16384 * at // count for at in range(count + 1)]
        clients = [stack.enter_context(Redis(port=each.port)) for each in found]
        for at, client in enumerate(clients):
            client.execute_command("CLUSTER ADDSLOTSRANGE", slots[at], slots[at + 1] - 1)
            client.execute_command("CLUSTER MEET", "127.0.0.1", found[0].port, buses[0])
        deadline = time.monotonic() + PATIENCE
        while not all(_whole(client, count) for client in clients):
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(POLL)
        for each in found:
            each.url = f"redis+cluster://127.0.0.1:{found[0].port}"
        yield found


def _whole(client: Any, count: int) -> bool:
    told = client.execute_command("CLUSTER INFO")
    known = told if isinstance(told, dict) else dict(line.split(":") for line in told.decode().split())
    return known["cluster_state"] == "ok" and known["cluster_known_nodes"] == str(count)


@contextmanager
def postgres_server(*, port: int | None = None, folder: Path | None = None) -> Iterator[Server]:
    """A PostgreSQL with one empty database ``turnout``; ``port`` and ``folder`` to start one where another was, with its
    data."""
    tools = _postgres_tools()
    own = tempfile.TemporaryDirectory(prefix="postgres-") if folder is None else None
    where = Path(own.name) if own is not None else folder or Path()
    port = free_port() if port is None else port
    user = _owner(where)
    data, log = where / "data", where / "log"
    known = data.exists()
    if not known:
        words = ["-D", str(data), "-U", "turnout", "-A", "trust", "-E", "UTF8", "--no-sync"]
        _run([str(tools / "initdb"), *words], user, where)
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": where, "fsync": "off",
        "shared_buffers": "32MB", "max_connections": 40, "autovacuum": "off",
    }  # fmt: skip
    words = [str(tools / "postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in settings.items())]
    with log.open("ab") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, user=user, cwd=where
        )
    server = Server(f"postgresql://turnout@127.0.0.1:{port}/turnout", port, process)
    try:
        _await(server, log)
        if not known:
            _created(server, tools, user, where)
        yield server
    finally:
        server.end()
        if own is not None:
            own.cleanup()


def _created(server: Server, tools: Path, user: str | None, folder: Path) -> None:
    """The port is open a little before it takes connections."""
    words = [str(tools / "createdb"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "turnout", "turnout"]
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _run(words, user, folder)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL)
        else:
            return


def _run(words: list[str], user: str | None, folder: Path) -> None:
    told = subprocess.run(words, user=user, cwd=folder, capture_output=True, timeout=PATIENCE, check=False)
    assert told.returncode == 0, told.stderr.decode("utf-8", "replace")


def _owner(folder: Path) -> str | None:
    """The user that it runs as; None: our own, who is not root."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam(_NOBODY)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return _NOBODY


def _await(server: Server, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1.0):
            return
        ended = server.process.poll() is not None
        if ended or time.monotonic() > deadline:
            raise AssertionError(f"it does not listen:\n{log.read_text('utf-8', 'replace')}")
        time.sleep(POLL)


def _found(binary: str) -> str:
    path = shutil.which(binary)
    assert path is not None, f"{binary} is not installed: make services"
    return path


def _postgres_tools() -> Path:
    """The newest server that is installed; Debian keeps it off the PATH."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert versions, "PostgreSQL is not installed: make services"
    return versions[-1].parent
