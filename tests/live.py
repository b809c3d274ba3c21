"""A Turnout as its users meet it: a process tree on a port, with its configuration file, its log and its ledger."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from proxy.demo import create_app
from proxy.ledger import reader
from proxy.ledger.record import UsageRecord

ROOT = Path(__file__).resolve().parent.parent
ENTRY = [sys.executable, "-m", "proxy.cli"]
POLL = 0.02
PATIENCE = 20.0
"""Seconds that any wait may take before the test fails; generous, for machines with two busy cores."""
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "TURNOUT_SHARED")


class Live:
    """``turnout serve`` in a temporary folder (or ``folder``, to start again on the same ledger).

    ``text`` is the YAML of proxy.yaml; None starts the embedded defaults. ``env`` adds to a clean environment.
    """

    def __init__(
        self,
        text: str | None,
        *,
        folder: Path | None = None,
        workers: int | None = None,
        env: dict[str, str] | None = None,
        args: tuple[str, ...] = (),
        await_ready: bool = True,
    ) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="turnout-") if folder is None else None
        self.folder = Path(self._own.name) if self._own is not None else folder or Path()
        self.config = self.folder / "proxy.yaml"
        if text is not None:
            self.write(text)
        self.port = free_port()
        self._args = [*(["--config", str(self.config)] if text is not None else []), "--port", str(self.port), *args]
        if workers is not None:
            self._args += ["--workers", str(workers)]
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.env = {**kept, "PYTHONPATH": str(ROOT), **(env or {})}
        self._await_ready = await_ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an SDK is given."""
        return f"{self.url}/v1"

    def __enter__(self) -> Live:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*ENTRY, "serve", *self._args],
                cwd=self.folder, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        if self._await_ready:
            try:
                self.until(self.ready, "ready")
            except AssertionError:
                self.kill()
                if not self._port_taken():
                    raise
                return self.__enter__()
            except BaseException:
                self.kill()
                raise
        return self

    def _port_taken(self) -> bool:
        """Has somebody else got the port between our look and its start? Then another is chosen."""
        taken = f"cannot listen on 127.0.0.1:{self.port}"
        at = self._args.index("--port") + 1
        if self._args[at] != str(self.port) or taken not in self.log():
            return False
        self.port = free_port()
        self._args[at] = str(self.port)
        return True

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._own is not None:
            self._own.cleanup()

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self.process is not None
        return self.process.pid

    def workers(self) -> list[int]:
        """The pids of the worker processes."""
        return children(self.pid)

    def ready(self) -> bool:
        status, _ = self.get("/health/ready")
        return status == 200

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and decoded body of a GET; status 0 when nobody answers."""
        return self.call("GET", path, headers=headers)

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body of one small request; status 0 when nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            read = answer.read()
        except (OSError, HTTPException):
            return 0, None
        finally:
            connection.close()
        try:
            return answer.status, msgspec.json.decode(read)
        except msgspec.DecodeError:
            return answer.status, read.decode("utf-8", "replace")

    def until(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait for a fact; the log is in the failure."""
        deadline = time.monotonic() + seconds
        while not holds():
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"not {what}{' (the process has ended)' if ended else ''}; log:\n{self.log()}")
            time.sleep(POLL)

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def rows(self) -> list[UsageRecord]:
        """The ledger, spools included, oldest first."""
        return reader.rows(self.folder / "turnout.db")

    def rows_of(self, request_id: str) -> list[UsageRecord]:
        """Every attempt of one call."""
        return reader.find(self.folder / "turnout.db", request_id)

    def write(self, text: str) -> None:
        """A new proxy.yaml, moved into place as a whole."""
        new = self.config.with_name("proxy.yaml.new")
        new.write_text(text, "utf-8")
        new.replace(self.config)

    def reload(self) -> dict[str, Any]:
        """``POST /admin/config/reload``; its outcome."""
        _, outcome = self.call("POST", "/admin/config/reload")
        assert isinstance(outcome, dict), outcome
        return outcome

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self, seconds: float = PATIENCE) -> int:
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status, once it has ended by itself."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s; log:\n{self.log()}") from None

    def kill(self) -> None:
        """SIGKILL to the whole tree, supervisor and workers, and wait until they are gone."""
        if self.process is None:
            return
        if self.process.poll() is None:
            # Stopped first, so that it cannot start a worker between our look and our kill.
            self.signal(signal.SIGSTOP)
            tree = [*self.workers(), self.pid]
            for pid in tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            wait_gone(tree)


def children(pid: int) -> list[int]:
    """The pids of the child processes of ``pid``."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in found if alive(int(word))]


def alive(pid: int) -> bool:
    """Running, and not only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_gone(pids: list[int], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if alive(pid)]}"
        time.sleep(POLL)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def replicas(text: str, folder: Path) -> Iterator[tuple[Live, Live]]:
    """Two of one configuration, the first with two workers, in folders of their own below ``folder``."""
    for name in ("one", "two"):
        (folder / name).mkdir(exist_ok=True)
    with Live(text, folder=folder / "one", workers=2) as one, Live(text, folder=folder / "two") as two:
        yield one, two


@contextmanager
def demo_upstream(
    *, require_keys: bool = False, journal: list[dict[str, Any]] | None = None, delay: float = 0.0
) -> Iterator[str]:
    """The demo upstream on a free loopback port, in a thread; its URL (no path)."""
    with serving(create_app(require_keys=require_keys, journal=journal, delay=delay)) as url:
        yield url


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Any ASGI application on a free loopback port, in a thread; its URL (no path)."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=75)
    )
    ready = threading.Event()
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE), "the upstream did not start"
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def demo_config(url: str, more: str = "") -> str:
    """A proxy.yaml with five backends at the demo upstream ``url``, one alias per policy and per backend.

    Backends: ``local``, ``chat``, ``openai``, ``claude``, ``gemini``. Aliases: ``auto`` (hybrid), the four policies by
    name, and ``to-NAME`` for each backend. ``more``: further sections of YAML, after these.
    """
    return f"""version: 1
backends:
  local:  {{provider: vllm, base_url: "{url}/v1", model: demo-local, local: true}}
  chat:   {{provider: openai_compatible, base_url: "{url}/v1", model: demo-chat, local: false}}
  openai: {{provider: openai, dialect: openai_responses, base_url: "{url}/v1", model: gpt-5.6, credential: sk-demo-openai}}
  claude: {{provider: anthropic, base_url: "{url}", model: claude-sonnet-5, credential: sk-demo-claude}}
  gemini: {{provider: google, base_url: "{url}/v1beta", model: gemini-3.1-pro, credential: sk-demo-gemini}}
pools: {{cloud-pool: [claude, openai, gemini, chat]}}
roles: {{local: local, cloud: cloud-pool, claude: claude}}
aliases:
  auto:           {{policy: hybrid}}
  claude_only:    {{policy: claude_only}}
  local_only:     {{policy: local_only}}
  hybrid:         {{policy: hybrid}}
  local_fallback: {{policy: local_fallback}}
  to-local:       {{use: [local]}}
  to-chat:        {{use: [chat]}}
  to-openai:      {{use: [openai]}}
  to-claude:      {{use: [claude]}}
  to-gemini:      {{use: [gemini]}}
{more}"""
