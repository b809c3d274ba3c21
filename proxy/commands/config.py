"""``turnout config``: the grammar, the configurations that were in force here, and the way back to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.commands.admin import Url, ask, reached, refused
from proxy.commands.line import Config, Json, LedgerUrl, fail, say_json, say_table

if TYPE_CHECKING:
    from proxy.history import History

app = typer.Typer(no_args_is_help=True, help="The configuration: its grammar, its history, and the way back.")
Number = Annotated[int, typer.Argument(metavar="N", min=1, help="As 'turnout config history' numbers it.")]


@app.callback()
def configuration() -> None:
    """The configuration: its grammar, its history, and the way back."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of proxy.yaml, for editors.

    \b
    Examples:
    turnout config schema > proxy.schema.json
    """
    from proxy.schema import schema as found

    say_json(found())


@app.command()
def history(config: Config = None, ledger: LedgerUrl = None, url: Url = None, json: Json = False) -> None:
    """List the starts, reloads and rollbacks of this Turnout, refused files too. It need not run.

    \b
    Examples:
    turnout config history
    turnout config history --url http://10.0.0.7:4000 --json
    """
    from proxy.history import KEPT

    found = _read(config, ledger) if url is None else _asked(url, config, "GET", "/admin/config/history")["data"]
    if json:
        say_json(found)
        return
    if not found:
        typer.echo("no configuration was in force here yet")
        return
    say_table(("N", "time", "why", "by", "generation", "hash", "outcome"), [_row(each) for each in found])
    typer.echo(f"the newest {KEPT} texts are kept: turnout config show N, turnout config rollback N")


@app.command()
def show(
    number: Number,
    raw: Annotated[bool, typer.Option("--raw", help="As it was written, literal secrets too.")] = False,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Print a configuration of the history. Literal secrets are hidden, and ${VAR} stands as it was written.

    \b
    Examples:
    turnout config show 12
    turnout config show 12 --raw > proxy.yaml
    """
    from proxy.settings.masking import masked

    store = _history(config, ledger)
    entry = store.find(number)
    text = None if entry is None else store.text(entry)
    if entry is None or text is None:
        fail(f"{store.folder} has no text of {number}: 'turnout config history' lists what there is")
    shown = text if raw else masked(text)
    if json:
        import msgspec

        say_json({**msgspec.structs.asdict(entry), "text": shown})
        return
    typer.echo(shown, nl=False)


@app.command()
def rollback(
    number: Number,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would change, and change nothing.")] = False,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Put a configuration of the history back: the file is replaced (the former is kept beside it) and reloaded.

    \b
    Examples:
    turnout config rollback 12 --dry-run
    turnout config rollback 12
    """
    if dry_run:
        from proxy.commands.effects_shown import say_effects

        found = _asked(url, config, "POST", f"/admin/config/diff?entry={number}")
        say_effects(found, f"entry {number}", json=json)
        return
    found = _asked(url, config, "POST", f"/admin/config/rollback?entry={number}")
    if json:
        say_json(found)
        return
    typer.echo(
        f"entry {number} is in force again, as generation {found['generation']}; "
        f"the former file is kept as {found['former']}"
    )
    for warning in found.get("warnings", ()):
        typer.echo(warning)


def _asked(url: str | None, config: Path | None, method: str, path: str) -> Any:
    """The answer of the Turnout that is meant; what it does not do is told on stderr; exit status 1."""
    address, key = reached(url, config)
    status, told = ask(address, method, path, key=key)
    if status != 200:
        fail(f"turnout config: {refused(status, told) or told.get('error') or f'HTTP {status}'}")
    return told


def _read(config: Path | None, ledger: str | None) -> list[dict[str, Any]]:
    import msgspec

    store = _history(config, ledger)
    return [msgspec.structs.asdict(entry) for entry in store.entries()]


def _history(config: Path | None, ledger: str | None) -> History:
    """Beside the ledger; beside the usual one where the configuration is broken, which is when this is needed."""
    from proxy.commands.sources import ledger_url
    from proxy.history import History

    try:
        return History.beside(ledger_url(config, ledger))
    except typer.Exit:
        from proxy.settings.grammar import Document

        usual = Document().ledger.url
        typer.echo(f"so this is the history beside the usual ledger, {usual}: name another with --ledger", err=True)
        return History.beside(usual)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    words = ("number", "at", "why", "who", "generation", "hash")
    outcome = entry.get("error") or ("ok" if entry.get("text_of") is not None else "ok, no text kept")
    return (*(str(entry[word] if entry.get(word) is not None else "-") for word in words), outcome)
