"""``turnout override``: what can be turned at once and for a while, with no file changed; a running Turnout follows
within a second."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from proxy.commands.line import Config, Json, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.override_desk import Made, Wanted
    from proxy.overrides import Listed
    from proxy.snapshot import Snapshot
    from proxy.state.overrides import OverrideStore

_HELP = """Turn an alias to another policy, or drain a backend: at once, for a while, with no file changed.

    Guards, egress (restricted data meets local backends only), limits and budgets stand as ever."""

_COLUMNS = ("id", "override", "until", "left", "by", "state", "reason")

app = typer.Typer(no_args_is_help=True, help=_HELP)
T = TypeVar("T")
Ttl = Annotated[str | None, typer.Option(metavar="SPAN", help="30m, 1h, 2d, never; default: 1h.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Instead of --ttl: 2027-01-01T06:00:00Z.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with it, for whoever wonders.")]


@app.command()
def policy(
    what: Annotated[str, typer.Argument(metavar="ALIAS=POLICY", help="'*=POLICY' turns every alias.")],
    ttl: Ttl = None,
    until: Until = None,
    reason: Reason = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Let an alias follow another policy, for everybody: it stands before the policies of teams, too.

    Guards, egress, limits and budgets stand as ever. Embeddings stay with their own models.

    \b
    Examples:
    turnout override policy auto=local_only --ttl 1h
    turnout override policy '*=local_only' --until 2027-01-01T06:00:00Z --reason "the cloud is down"
    """
    from proxy.override_desk import Wanted

    _put("policy", Wanted(policy=what, ttl=ttl, until=until, reason=reason), config, json=json)


@app.command()
def drain(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="A backend of proxy.yaml.")],
    ttl: Ttl = None,
    until: Until = None,
    reason: Reason = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Give a backend no new calls, pinned ones included; those in flight finish. To undo it: turnout override clear.

    \b
    Examples:
    turnout override drain claude
    turnout override drain oss --ttl 30m --reason "new driver"
    """
    from proxy.override_desk import Wanted

    _put("drain", Wanted(drain=backend, ttl=ttl, until=until, reason=reason), config, json=json)


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List what is overridden now: until when, by whom, and whether it has any effect.

    \b
    Examples:
    turnout override list
    turnout override list --json
    """
    import asyncio

    from proxy.commands.sources import written
    from proxy.override_desk import standing
    from proxy.overrides import idle, listed
    from proxy.state.store import StoreFailed

    snapshot, now = written(config), time.time()
    try:
        generation, found = asyncio.run(standing(snapshot.config, now))
    except StoreFailed as error:
        fail(f"turnout override list: the overrides cannot be reached: {error}")
    shown = listed(found, {each.id: why for each in found if (why := idle(each, snapshot)) is not None})
    if json:
        say_json({"generation": generation, "overrides": shown})
    elif shown:
        left = {each.id: None if each.until is None else each.until - now for each in found}
        say_table(_COLUMNS, [_row(each, left[each.id]) for each in shown])
    else:
        typer.echo(f"nothing is overridden ({_place(snapshot)})")


@app.command()
def clear(
    which: Annotated[
        str | None, typer.Argument(metavar="ID|NAME", help="An override's id, or its alias or backend.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """End overrides before their time: everything is as the configuration says.

    \b
    Examples:
    turnout override clear 3fa2c1
    turnout override clear claude
    turnout override clear --all
    """
    from proxy import override_desk
    from proxy.commands.sources import written
    from proxy.overrides import listed

    if (which is None) is not every:
        misused("turnout override clear: name one of them by its ID or NAME, or write --all")
    snapshot = written(config)
    gone = _at_desk("clear", snapshot, lambda store: override_desk.clear(store, which, time.time()))
    if json:
        say_json({"cleared": listed(gone, {})})
        return
    for each in gone:
        typer.echo(f"cleared   {each.told} ({each.id})")
    if not gone:
        typer.echo(f"nothing is overridden ({_place(snapshot)})")


def _put(verb: str, wanted: Wanted, config: Path | None, *, json: bool) -> None:
    from proxy import override_desk
    from proxy.commands.sources import written

    snapshot = written(config)
    made = _at_desk(
        verb, snapshot, lambda store: override_desk.put(store, snapshot, wanted, by=_who(), now=time.time())
    )
    if json:
        _say_json(made)
    else:
        _say(made, snapshot, usual=wanted.ttl is None and wanted.until is None)


def _say_json(made: Made) -> None:
    from proxy.overrides import listed

    [told] = listed([made.override], {})
    replaced = [each.told for each in (made.replaced,) if each is not None]
    say_json({"override": told, "replaced": replaced, "warnings": made.warnings})


def _say(made: Made, snapshot: Snapshot, *, usual: bool) -> None:
    override = made.override
    left = "" if override.until is None else f", in {_span(override.until - override.created)}"
    said = f"{override.end}{left}" if override.until is not None else "cleared: it has no end of its own"
    lines = [
        ("override", f"{override.told} (id {override.id})"),
        ("until", said + (" (the default: --ttl or --until says otherwise)" if usual else "")),
        ("by", override.by),
        ("reason", override.reason),
        ("replaces", made.replaced.told if made.replaced is not None else None),
        ("stored", f"{_place(snapshot)}: whatever runs follows within a second"),
        ("end it", f"turnout override clear {override.id}"),
    ]
    for name, text in lines:
        if text:
            typer.echo(f"{name:<10}{text}")
    for warning in made.warnings:
        typer.echo(f"{'warning':<10}{warning}", err=True)


def _at_desk(verb: str, snapshot: Snapshot, work: Callable[[OverrideStore], Awaitable[T]]) -> T:
    """Do it at the store; what is in the way is told in one line."""
    import asyncio

    from proxy.key_desk import NotDone
    from proxy.override_desk import opened
    from proxy.state.store import StoreFailed

    async def done() -> T:
        async with opened(snapshot.config) as store:
            return await work(store)

    try:
        return asyncio.run(done())
    except NotDone as error:
        fail(f"turnout override {verb}: {error}")
    except StoreFailed as error:
        fail(f"turnout override {verb}: the overrides cannot be reached, so that nothing was changed: {error}")


def _who() -> str:
    """The user of this machine, whatever its environment says."""
    import os
    import pwd
    import socket

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def _place(snapshot: Snapshot) -> str:
    from proxy.keyed import place

    return place(snapshot.config)


def _row(each: Listed, left: float | None) -> tuple[str, ...]:
    """``left``: seconds; None: it has no end."""
    return (
        each.id,
        each.override,
        each.until or "cleared",
        "no end" if left is None else _span(left),
        each.by,
        f"ignored: {each.ignored}" if each.ignored else "active",
        each.reason or "-",
    )


def _span(seconds: float) -> str:
    """``1 h 20 min``, for eyes."""
    minutes = max(int(seconds / 60 + 0.5), 1)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} days"
