"""How every command speaks: options that they share, one line per error with its mend, tables fit for their reader."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Config: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Default: ./proxy.yaml if it is there, else embedded defaults."),
]
LedgerUrl: TypeAlias = Annotated[
    str | None,
    typer.Option("--ledger", metavar="FILE|URL", help="Default: what ledger.url of the configuration says."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]

_WIDE = 10_000
_LONG = 200


class OneLine(TyperGroup):
    """A group whose wrong uses are told in one line each, with where to read on, and exit status 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        standalone = kwargs.get("standalone_mode", True)
        try:
            status = super().main(*args, **{"prog_name": "turnout", **kwargs, "standalone_mode": False})
        except typer.TyperException as error:
            _told(error)
            status = error.exit_code
        except typer.Abort:
            status = 130
        if not standalone:
            return status
        sys.exit(status if isinstance(status, int) else 0)


def _told(error: typer.TyperException) -> None:
    """One line on stderr; nothing more where the help was shown for want of a command."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "turnout"
    text = " ".join(error.format_message().split()).rstrip(".")
    if text:
        typer.echo(f"{path}: {text} (see {path} --help)", err=True)


def misused(message: str) -> NoReturn:
    """The command was called in a wrong way: exit status 2."""
    fail(message, 2)


def fail(message: str, status: int = 1) -> NoReturn:
    """Say what is wrong, with its mend, on stderr; and end."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def say_json(value: Any) -> None:
    """One JSON document on stdout; indented on a terminal."""
    import msgspec

    encoded = msgspec.json.encode(value)
    typer.echo((msgspec.json.format(encoded) if sys.stdout.isatty() else encoded).decode())


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table without frame: drawn on a terminal, plain and never cut in a pipe (and where it is long, to be quick)."""
    if not sys.stdout.isatty() or len(rows) > _LONG:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for name in columns:
        drawn.add_column(name)
    for row in rows:
        drawn.add_row(*map(Text, row))
    draw(drawn)


def draw(table: Table) -> None:
    """In colour and to the width of a terminal (NO_COLOR is obeyed); plain text, never cut, for a pipe."""
    if sys.stdout.isatty():
        _console().print(table)
        return
    with (plain := _console(width=_WIDE, color_system=None)).capture() as captured:
        plain.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def _console(**options: Any) -> Console:
    from rich.console import Console

    return Console(**options)
