"""``turnout keys``: keys that are made here, shown once and kept as a hash; a running Turnout follows at once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from proxy.commands.line import Config, Json, fail, misused, say_json

if TYPE_CHECKING:
    from proxy.config import Config as Checked
    from proxy.snapshot import Snapshot
    from proxy.state.keys import KeyStore

app = typer.Typer(no_args_is_help=True, help="Keys for callers: made, shown once, revoked.")
T = TypeVar("T")
Name = Annotated[str, typer.Argument(metavar="NAME", help="What rows, rules and reports call the key.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the secret alone, for scripts.")]


@app.command()
def create(
    name: Name,
    team: Annotated[str | None, typer.Option(help="A team of proxy.yaml, whose rules and limits it shares.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who has it, where it is no team's.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For rules; 'cost_center=42' stands in rows, too.")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="A model that it may ask for: 'gpt-*'. Default: all.")] = None,
    data_class: Annotated[str | None, typer.Option(help="Of all that it sends.")] = None,
    expires: Annotated[str | None, typer.Option(help="90d, 2027-01-01 or 2027-01-01T12:00:00Z.")] = None,
    rpm: Annotated[int | None, typer.Option(help="Requests of any sixty seconds.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens of any sixty seconds.")] = None,
    parallel: Annotated[int | None, typer.Option(help="Calls at one time.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="Money for each window.")] = None,
    window: Annotated[str | None, typer.Option(help="day | week | month | 24h | 30d; default: month.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of day, week and month; default: UTC.")] = None,
    soft: Annotated[float | None, typer.Option(help="Share of the budget at which a warning is logged.")] = None,
    counts: Annotated[str | None, typer.Option(help="all | cloud.")] = None,
    on_exhausted: Annotated[str | None, typer.Option(help="deny | local | policy.")] = None,
    on_unknown_price: Annotated[str | None, typer.Option(help="assume | deny.")] = None,
    config: Config = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make a key. Its secret is printed now and never again; only its hash is kept.

    \b
    Examples:
    turnout keys create ci-bot --team interns --expires 90d
    turnout keys create ann --owner ann@example.com --alias auto --alias 'gpt-*' --rpm 60 --budget 5 --window 30d
    export OPENAI_API_KEY=$(turnout keys create notebook --quiet)
    """
    from proxy import key_desk

    terms = {
        "window": window,
        "timezone": timezone,
        "soft": soft,
        "counts": counts,
        "on_exhausted": on_exhausted,
        "on_unknown_price": on_unknown_price,
    }
    wanted: dict[str, Any] = {
        "name": name, "team": team, "owner": owner, "tags": tag, "aliases": alias, "data_class": data_class,
        "expires": expires, "limits": _said({"rpm": rpm, "tpm": tpm, "parallel": parallel}),
        "budget": _budget(budget, _said(terms)),
    }  # fmt: skip
    snapshot = _configuration(config)
    secret, entry = _at_desk(
        "create", snapshot, lambda store, known: key_desk.create(store, known, _said(wanted) or {}, time.time())
    )
    _say_secret(snapshot, secret, key_desk.of_entry(entry, snapshot.config, time.time()), quiet=quiet, json=json)


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that were revoked, too.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the keys, of the file and of the store: who has them, what they may, and how they stand.

    \b
    Examples:
    turnout keys list
    turnout keys list --all --json
    """
    from proxy.commands.keys_shown import table
    from proxy.keyed import place

    snapshot = _configuration(config)
    found = [each for each in _all(snapshot) if every or each.state != "revoked"]
    if json:
        say_json(found)
    elif found:
        table(found)
    else:
        typer.echo(f"no keys: none stands in {snapshot.file}, and none in {place(snapshot.config)}")


@app.command()
def show(name: Name, config: Config = None, json: Json = False) -> None:
    """Show all that is known of a key; its secret nobody knows.

    \b
    Examples:
    turnout keys show ci-bot
    """
    from proxy.commands.keys_shown import lines
    from proxy.settings.shape import did_you_mean

    snapshot = _configuration(config)
    listed = _all(snapshot)
    found = next((each for each in listed if each.name == name), None)
    if found is None:
        fail(f"turnout keys show: there is no key '{name}': {did_you_mean(name, [each.name for each in listed])}")
    if json:
        say_json(found)
        return
    for line in lines(found, _where(snapshot, found.name) if found.origin == "file" else None):
        typer.echo(line)


@app.command()
def rotate(
    name: Name,
    grace: Annotated[str, typer.Option(help="How long the old secret works on; 0s: it ends now.")] = "24h",
    expires: Annotated[str | None, typer.Option(help="Until when the key works; default: as before.")] = None,
    config: Config = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Give a key a new secret. Its name, limits and budget stay; the old secret works on until the grace is over.

    \b
    Examples:
    turnout keys rotate ci-bot
    turnout keys rotate leaked --grace 0s
    """
    from proxy import key_desk

    snapshot = _configuration(config)
    secret, entry = _at_desk(
        "rotate",
        snapshot,
        lambda store, known: key_desk.rotate(store, known, name, time.time(), grace=grace, expires=expires),
        name,
    )
    _say_secret(snapshot, secret, key_desk.of_entry(entry, snapshot.config, time.time()), quiet=quiet, json=json)


@app.command()
def revoke(name: Name, config: Config = None, json: Json = False) -> None:
    """Revoke a key: within a second every worker and replica refuses it. Calls that are under way end by themselves.

    \b
    Examples:
    turnout keys revoke ci-bot
    """
    from proxy import key_desk

    snapshot = _configuration(config)
    entry = _at_desk("revoke", snapshot, lambda store, known: key_desk.revoke(store, known, name, time.time()), name)
    shown = key_desk.of_entry(entry, snapshot.config, time.time())
    if json:
        say_json(shown)
    else:
        typer.echo(f"{name} is revoked ({shown.revoked})")


def _configuration(config: Path | None) -> Snapshot:
    from proxy.commands.sources import written

    return written(config)


def _said(values: dict[str, Any]) -> dict[str, Any] | None:
    """What was said of these; None: nothing."""
    return {name: value for name, value in values.items() if value is not None} or None


def _budget(usd: str | None, terms: dict[str, Any] | None) -> dict[str, Any] | None:
    if usd is None and terms is not None:
        misused(f"turnout keys create: --{next(iter(terms)).replace('_', '-')} is of a budget: add --budget USD")
    return None if usd is None else {"usd": usd, **(terms or {})}


def _at_desk(
    verb: str, snapshot: Snapshot, work: Callable[[KeyStore, Checked], Awaitable[T]], name: str | None = None
) -> T:
    """Do it at the store; what is in the way is told in one line. ``name``: of a key that is there already."""
    import asyncio

    from proxy import key_desk
    from proxy.keyed import opened
    from proxy.state.store import StoreFailed

    async def done() -> T:
        async with opened(snapshot.config) as store:
            return await work(store, snapshot.config)

    try:
        return asyncio.run(done())
    except key_desk.InFile:
        fail(f"turnout keys {verb}: '{name}' stands in {_where(snapshot, name or '')}: change it there")
    except key_desk.NotDone as error:
        fail(f"turnout keys {verb}: {error}")
    except StoreFailed as error:
        _unreachable(verb, error)


def _all(snapshot: Snapshot) -> list[Any]:
    """Every key that there is; a store that is not there yet is not made."""
    import asyncio

    from proxy.key_desk import listed
    from proxy.keyed import stored
    from proxy.state.store import StoreFailed

    try:
        news = asyncio.run(stored(snapshot.config))
    except StoreFailed as error:
        _unreachable("list", error)
    for name in news.unread:
        typer.echo(f"turnout keys list: '{name}' was made by a newer Turnout, which alone can show it", err=True)
    return listed(snapshot.config, news, time.time())


def _unreachable(verb: str, error: Exception) -> NoReturn:
    fail(f"turnout keys {verb}: the keys cannot be reached: {error}")


def _where(snapshot: Snapshot, name: str) -> str:
    """File and line of a key in proxy.yaml."""
    from proxy.key_desk import in_file
    from proxy.origin import decoded
    from proxy.settings.source import parse

    index = in_file(name, snapshot.config)
    source = parse(decoded(Path(snapshot.file).read_bytes(), snapshot.file), snapshot.file)
    return f"{snapshot.file}:{source.line(('keys', index or 0))}"


def _say_secret(snapshot: Snapshot, secret: str, key: Any, *, quiet: bool, json: bool) -> None:
    from proxy.commands.keys_shown import curl, lines, strangers
    from proxy.keyed import place

    if quiet:
        typer.echo(secret)
        return
    if json:
        say_json({"secret": secret, "key": key})
        return
    typer.echo(f"secret    {secret}")
    typer.echo("          shown this once: only its hash is kept")
    for line in (*lines(key, None), *strangers(snapshot, key)):
        typer.echo(line)
    typer.echo(f"stored    {place(snapshot.config)}")
    typer.echo(f"try it    {curl(snapshot, secret, key)}")
