"""``transformers serve`` as a process: started on a free loopback port, asked directly, stopped, stalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from live import POLL, free_port

MODEL = "tiny"
START = 120.0
"""Seconds until it must answer: it loads PyTorch, on a CPU that it shares."""


class Engine:
    """The engine in ``home``, with its model in ``folder``."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home, self._folder = home, folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.scripts: dict[str, str] = {}
        """name -> the ``generation_config`` that makes the model say it."""

    def make(self) -> None:
        """Write the model."""
        maker = Path(__file__).with_name("make_model.py")
        command = [self._home / "bin" / "python", maker, self._folder / MODEL]
        subprocess.run(command, check=True, env=_offline(), capture_output=True)
        self.scripts = json.loads((self._folder / MODEL / "scripts.json").read_text())

    def start(self) -> None:
        """Serve the model; return when it answers."""
        command = [self._home / "bin" / "transformers", "serve", MODEL, "--device", "cpu"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, env=_offline(), stdout=log, stderr=log)
        deadline = time.monotonic() + START
        while not self._answers():
            assert self._process.poll() is None, f"the engine has ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"the engine does not answer:\n{self.log()}"
            time.sleep(POLL)

    def _answers(self) -> bool:
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/health").status_code == 200
        return False

    def stop(self) -> None:
        """End the process; its port then refuses connections."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Its port takes connections, and nothing ever comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def ask(self, path: str, **body: Any) -> httpx2.Response:
        """The engine's own answer."""
        return httpx2.post(f"{self.url}/v1{path}", json={"model": MODEL, **body}, timeout=60)

    def log(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")


def _offline() -> dict[str, str]:
    """The environment that tests/real/run has made: no network, one thread."""
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    return dict(os.environ)
