"""The command ``turnout``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)


@app.callback()
def turnout() -> None:
    """An OpenAI-compatible reverse proxy that sends each LLM request down the right line."""


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="proxy.yaml; without it the embedded defaults.")] = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides server.port.")] = None,
    workers: Annotated[int | None, typer.Option(help="Overrides server.workers.")] = None,
) -> None:
    """Serve until told to stop."""
    from proxy.serving import serve as serving

    raise typer.Exit(serving(config, host=host, port=port, workers=workers))


def main() -> None:
    """Entry point of the ``turnout`` script."""
    app()


if __name__ == "__main__":
    main()
