"""``turnout check``: the configuration, before anybody serves it, and against what others serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.commands.line import Json, misused, say_json

if TYPE_CHECKING:
    from proxy.config import Config


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: ./proxy.yaml.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="URL[,URL]", help="Also say what it would change of a Turnout that runs, replica by replica."
        ),
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --against: how many recorded decisions are made anew.")
    ] = 1_000,
    json: Json = False,
) -> None:
    """Check a configuration without serving it: one line per problem, as file:line: message.

    With --against: the keys that differ from what runs there, and which of its last decisions would go elsewhere, at
    what cost. Exit status: 0 good, 1 bad file (here, or there), 2 wrong usage.

    \b
    Examples:
    turnout check
    turnout check deploy/proxy.yaml --json
    turnout check proxy.yaml --against http://127.0.0.1:4000 --last 5000
    """
    from proxy.settings import ConfigError

    path = file or Path("proxy.yaml")
    try:
        raw = path.read_bytes()
    except OSError as error:
        misused(f"turnout check: cannot read {path} ({error.strerror}): name the file to check")
    try:
        found = _load(raw, str(path))
    except ConfigError as error:
        _bad(str(path), error, json=json)
    if against is not None:
        from proxy.commands.against import hold

        hold(found, raw, str(path), against, last, json=json)
        return
    if json:
        say_json({"file": str(path), "ok": True, "problems": [], **_told(found)})
        return
    typer.echo(f"{path}: good: {_counted(found)}")
    if _filled(raw, str(path)):
        typer.echo(f"{path}: demo: auto: no backend written here can be used, so 'turnout serve' looks for others")
    for warning in found.warnings:
        typer.echo(f"{path}: {warning}")


def _load(raw: bytes, name: str) -> Config:
    """With a look at the keys of the store, where there is one."""
    import asyncio

    import msgspec

    from proxy.config import ConfigError, load, with_cards
    from proxy.keyed import clashes, keyed
    from proxy.origin import decoded
    from proxy.settings.source import parse

    text = decoded(raw, name)
    whole = with_cards(text, file=name, env=os.environ)
    found = load(whole, file=name, env=os.environ, has_keys=True)
    if not asyncio.run(keyed(found)):
        load(whole, file=name, env=os.environ, has_keys=False)
    mistakes, warnings = asyncio.run(clashes(found))
    if mistakes:
        source = parse(text, name)
        raise ConfigError([source.problem(path, message) for path, message in mistakes])
    return msgspec.structs.replace(found, warnings=(*found.warnings, *warnings))


def _filled(raw: bytes, name: str) -> bool:
    """Are the backends that were counted not the file's own?"""
    from proxy.config import wants_embedded
    from proxy.origin import decoded

    return wants_embedded(decoded(raw, name), file=name, env=os.environ)


def _bad(name: str, error: Any, *, json: bool) -> None:
    if json:
        say_json({"file": name, "ok": False, "problems": error.problems})
        raise typer.Exit(1)
    typer.echo(str(error))
    raise typer.Exit(1)


def _told(found: Config) -> dict[str, Any]:
    return {
        "backends": [name for name in found.backends if name not in found.absent],
        "left_out": dict(found.absent),
        "aliases": list(found.aliases),
        "policies": list(found.policies),
        "keys": len(found.keys),
        "warnings": list(found.warnings),
    }


def _counted(found: Config) -> str:
    sizes = {
        "backend": len(found.backends) - len(found.absent),
        "alias": len(found.aliases),
        "policy": len(found.policies),
        "key": len(found.keys),
        "warning": len(found.warnings),
    }
    plural = {"alias": "aliases", "policy": "policies"}
    return ", ".join(f"{n} {name if n == 1 else plural.get(name, name + 's')}" for name, n in sizes.items())
