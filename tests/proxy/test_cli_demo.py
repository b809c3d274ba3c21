"""``turnout demo``: on loopback alone, its addresses printed, a clean end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from command_line import turnout
from live import PATIENCE, ROOT


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", "demo", "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def test_it_serves_what_it_prints_and_ends_well(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    first = demo.stdout.readline()
    url = first.split()[3]
    assert first.startswith("demo upstream on http://127.0.0.1:")
    rows = [demo.stdout.readline().split() for _ in range(4)]
    assert [row[0] for row in rows] == ["openai_chat", "openai_responses", "anthropic_messages", "google_gemini"]
    assert [row[4] for row in rows] == [f"{url}/v1", f"{url}/v1", f"{url}/v1", f"{url}/v1beta"]
    asked = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi!"}]}).encode()
    connection = HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    connection.request("POST", "/v1/chat/completions", asked)
    assert json.load(connection.getresponse())["object"] == "chat.completion"
    connection.close()
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(PATIENCE) == 0


def test_a_taken_port_is_one_line_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = turnout("demo", "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"turnout demo: cannot listen on 127.0.0.1:{port} (")
    assert result.stderr.endswith("choose another --port\n")
