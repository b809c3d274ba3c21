"""The whole of Turnout, as operators run it: a proxy in its environment sees nothing of restricted data."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, chat, post, responses


class Counted:
    """An HTTP proxy on loopback that takes what it is sent and answers nothing of use."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.bytes = 0


@contextmanager
def counting_proxy() -> Iterator[Counted]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Counted(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            made.connections += 1
            with connection:
                made.bytes += len(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def twice(live: Live, *classes: str) -> int:
    """The status of a call to the cloud that names its class more than once."""
    body = msgspec.json.encode(chat("claude"))
    with socket.create_connection(("127.0.0.1", live.port)) as line:
        head = ["POST /v1/chat/completions HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        head += [f"x-turnout-data-class: {label}" for label in classes]
        line.sendall("\r\n".join([*head, "connection: close", "", ""]).encode() + body)
        return int(line.makefile("rb").readline().split()[1])


def test_a_restricted_parent_and_a_child_under_a_cloud_policy() -> None:
    with demo_upstream() as upstream, counting_proxy() as proxy:
        text = f"""version: 1
backends:
  oss:    {{provider: vllm, base_url: "{upstream}/v1", model: demo-local, local: true}}
  claude: {{provider: anthropic, base_url: "http://claude.invalid", model: claude-sonnet-5, credential: sk-none}}
  gpt:    {{provider: openai, base_url: "https://gpt.invalid/v1", model: gpt-5.6, credential: sk-none}}
aliases: {{local: {{policy: local_only}}, auto: {{policy: hybrid}}, claude: {{policy: claude_only}}, gpt: {{use: [gpt, oss]}}}}
"""
        env = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), proxy.url)
        with Live(text, env=env) as live:
            secret = {"x_turnout_data_class": "restricted"}
            parent = post(live, RESPONSES, responses("local", "The patient is Ada."), **secret)
            assert parent.status == 200
            child = {"previous_response_id": parent.body["id"]}
            for alias, status in (("claude", 403), ("gpt", 200), ("auto", 200)):
                told = post(live, RESPONSES, responses(alias, "Why did it fail? Debug this race condition.", **child))
                assert told.status == status, told.raw
            assert post(live, CHAT, chat("backend/gpt"), **secret).status == 403
            assert twice(live, "restricted", "public") == twice(live, "public", "restricted") == 403
            assert (proxy.connections, proxy.bytes) == (0, 0)
            # What is not restricted goes by way of the proxy: it counts.
            assert post(live, CHAT, chat("claude")).status >= 500
            assert post(live, CHAT, chat("backend/gpt")).status >= 500
            assert proxy.connections >= 2
            assert proxy.bytes > 0
