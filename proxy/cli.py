"""The command ``turnout``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.commands import (
    budget,
    calibrate,
    check,
    classify,
    config,
    demo,
    doctor,
    explain,
    keys,
    override,
    policy,
    probe,
    serve,
    usage,
)
from proxy.commands.line import OneLine

app = typer.Typer(name="turnout", cls=OneLine, no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(serve.serve)
app.command()(check.check)
app.add_typer(config.app, name="config")
app.command()(explain.explain)
app.add_typer(usage.app, name="usage")
app.add_typer(budget.app, name="budget")
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.add_typer(override.app, name="override")
app.command()(classify.classify)
app.command()(calibrate.calibrate)
app.command()(doctor.doctor)
app.command()(probe.probe)
app.command()(demo.demo)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"turnout {version('turnout')}")
        raise typer.Exit


@app.callback()
def turnout(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """An OpenAI-compatible reverse proxy that sends each LLM request down the right line."""


def main() -> None:
    """Entry point of the ``turnout`` script."""
    app()


if __name__ == "__main__":
    main()
