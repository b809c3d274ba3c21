"""``turnout probe``: what a backend can really do, measured, and kept as its model card."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.commands.line import Config, Json, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from policies.cards import Card
    from proxy.backends import Backend
    from proxy.commands.sources import Served
    from proxy.probing.probe import Plan


def probe(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Its name in proxy.yaml.")],
    config: Config = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer questions; no needle test, no effort levels.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Prompts as long as the server says it reads.")] = False,
    trials: Annotated[int | None, typer.Option(min=1, max=200, help="How often tools are tried; default: 5.")] = None,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Keep the card for routing.")] = True,
    json: Json = False,
) -> None:
    """Measure a backend with a handful of small requests: tools, JSON Schema, vision, context, ends, efforts, speed.

    The card goes into the file that 'cards:' of the configuration names. Routing counts on it before the shipped
    tables and behind what the operator wrote. Every question is a real request to the backend and costs its tokens.

    \b
    Examples:
    turnout probe oss
    turnout probe oss --quick --no-write --json
    """
    import msgspec

    from proxy.commands.sources import chosen, served
    from proxy.probing.probe import QUICK, Plan

    if quick and full:
        misused("turnout probe: --quick and --full: choose one of them")
    found = served(config)
    plan = QUICK if quick else Plan(full=full)
    if trials is not None:
        plan = msgspec.structs.replace(plan, tools=trials)
    card = _measured(_backend(found, backend), plan, quiet=json)
    file = _written(chosen(config), card) if write else None
    if json:
        say_json({"card": card, "file": None if file is None else str(file)})
    else:
        _show(found, card, file)


def _backend(found: Served, name: str) -> Backend:
    from proxy.settings.shape import did_you_mean

    backend = found.snapshot.backends.get(name)
    if backend is None:
        misused(f"turnout probe: there is no backend '{name}': {did_you_mean(name, found.snapshot.backends)}")
    if backend.unavailable is not None:
        fail(f"turnout probe: {name} is left out: {backend.unavailable}")
    if backend.from_client:
        fail(f"turnout probe: {name} uses the caller's own key: give it a credential of its own to probe it")
    if backend.base_url.startswith(found.demo):
        fail("turnout probe: the built-in demo runs only while 'turnout serve' does: name a backend of your own")
    return backend


def _measured(backend: Backend, plan: Plan, *, quiet: bool) -> Card:
    import asyncio

    from proxy.probing.probe import probe as measure
    from proxy.upstream.seam import UpstreamFailed
    from proxy.upstream.stock import StockEngine

    def say(what: str) -> None:
        if not quiet:
            typer.echo(f"asking {backend.name}: {what} …", err=True)

    async def ask() -> Card:
        engine = StockEngine()
        try:
            return await measure(backend, engine, plan, at=datetime.now(UTC).isoformat(timespec="seconds"), say=say)
        finally:
            await engine.close()

    try:
        return asyncio.run(ask())
    except UpstreamFailed as error:
        fail(
            f"turnout probe: {backend.name} does not answer: {error.failure.message} Nothing was measured or written; "
            "'turnout doctor' says more"
        )


def _written(config: Path | None, card: Card) -> Path:
    from proxy import cards, defaults
    from proxy.config import cards_file
    from proxy.origin import decoded

    name = defaults.EMBEDDED if config is None else str(config)
    path = cards_file("" if config is None else decoded(config.read_bytes(), name), file=name, env=os.environ)
    try:
        cards.write(path, card)
    except OSError as error:
        fail(f"turnout probe: cannot write {path} ({error.strerror}): choose another file with 'cards:', or --no-write")
    except ValueError as error:
        fail(f"turnout probe: {path} is no file of model cards ({error}): move it away, or name another with 'cards:'")
    return path


def _show(found: Served, card: Card, file: Path | None) -> None:
    from proxy.backends import capabilities
    from proxy.probing.show import COLUMNS, settled, table

    entry = found.snapshot.config.backends[card.backend]
    typer.echo(f"card      {card.backend}: {card.provider}, {card.model}, {card.base_url}")
    typer.echo(f"asked     {card.requests} requests, {card.tokens} tokens, {card.probed_at}")
    say_table(COLUMNS, table(card))
    changes = list(settled(capabilities(entry), capabilities(entry, card)))
    for number, line in enumerate(changes or ["nothing: it does what was known of it"]):
        typer.echo(f"{'' if number else 'changes':<10}{line}")
    if file is not None:
        typer.echo(f"written   {file}")
