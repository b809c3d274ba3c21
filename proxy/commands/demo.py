"""``turnout demo``: the simulated upstream alone."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType
from typing import Annotated

import typer

from proxy.commands.line import fail

_BASES = (
    ("openai_chat", "/v1", "/v1"),
    ("openai_responses", "/v1", "/v1"),
    ("anthropic_messages", "/v1", ""),
    ("google_gemini", "/v1beta", ""),
)
"""dialect, its base_url in proxy.yaml, and the one that its vendor's SDK is given."""


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 4001,
    delay: Annotated[float, typer.Option(min=0, help="Seconds between the events of a stream.")] = 0.0,
    require_keys: Annotated[
        bool, typer.Option("--require-keys", help="Answer 401 without a key, as the cloud's endpoints do.")
    ] = False,
) -> None:
    """Serve the demo upstream alone, on loopback: all four dialects, answered by rule, without a key or a model.

    \b
    Examples:
    turnout demo --port 4001
    curl -s localhost:4001/v1/chat/completions -d '{"model":"m","messages":[{"role":"user","content":"Hi!"}]}'
    """
    import uvicorn

    from proxy.demo import create_app

    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    except OSError as error:
        fail(f"turnout demo: cannot listen on 127.0.0.1:{port} ({error.strerror}): choose another --port")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    typer.echo(f"demo upstream on {url} (no model: it answers by rule; Ctrl-C ends it)")
    for dialect, base, sdk in _BASES:
        typer.echo(f"  {dialect:<19} base_url in proxy.yaml: {url + base:<29} in the vendor's SDK: {url + sdk}")
    sys.stdout.flush()
    settings = uvicorn.Config(
        create_app(require_keys=require_keys, delay=delay),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    # uvicorn drains on a signal and then raises it once more: it is for us to say that this was a good end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)
    uvicorn.Server(settings).run(sockets=[listener])


def _stopped(_: int, __: FrameType | None) -> None:
    sys.exit(0)
