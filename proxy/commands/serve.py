"""``turnout serve``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from proxy import interpreter
from proxy.commands.line import Config


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Overrides server.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Overrides server.workers: processes.")] = None,
) -> None:
    """Serve until told to stop: SIGTERM drains, SIGHUP reads the configuration again (as does saving the file).

    \b
    Examples:
    turnout serve
    turnout serve --config /etc/turnout/proxy.yaml --workers 4
    """
    from proxy.commands.sources import chosen

    path = chosen(config)
    for name, value in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[f"TURNOUT_SERVER__{name}"] = str(value)
    # The same process, begun anew without the command line's libraries: they would cost the supervisor 15 MiB.
    words = interpreter.words("proxy.serving", *([str(path)] if path is not None else []))
    sys.stdout.flush()
    os.execv(words[0], words)  # noqa: S606 - our own interpreter
