"""``turnout serve``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.commands.line import Config


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Overrides server.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Overrides server.workers: processes.")] = None,
) -> None:
    """Serve until told to stop: SIGTERM drains, SIGHUP reads the configuration again (as does saving the file).

    \b
    turnout serve
    turnout serve --config /etc/turnout/proxy.yaml --workers 4
    """
    from proxy.commands.sources import chosen
    from proxy.serving import serve as serving

    raise typer.Exit(serving(chosen(config), host=host, port=port, workers=workers))
