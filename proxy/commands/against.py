"""``turnout check --against``: a file held against what one or more Turnouts have in force."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer

from proxy.commands.admin import KEY, ask, refused
from proxy.commands.effects_shown import say_effects
from proxy.commands.line import fail, misused, say_json

if TYPE_CHECKING:
    from proxy.config import Config


def hold(checked: Config, raw: bytes, name: str, urls: str, last: int, *, json: bool) -> None:
    """Ask each of ``urls`` (comma-separated) what this file would change there. It is judged there, by the variables
    that are set there: bad there is exit status 1."""
    addresses = [url.strip() for url in urls.split(",") if url.strip()]
    if not addresses:
        misused("turnout check: --against takes a URL such as http://127.0.0.1:4000, or several, comma-separated")
    secret = checked.server.admin_key
    key = os.environ.get(KEY) or (secret.reveal() if secret is not None else None)
    found = {url: _asked(url, raw, last, key) for url in addresses}
    if json:
        say_json(found if len(found) > 1 else next(iter(found.values())))
    else:
        for url, told in found.items():
            _say(told, name, url, several=len(found) > 1)
        _say_replicas(found)
    if not all(told["ok"] for told in found.values()):
        raise typer.Exit(1)


def _asked(url: str, raw: bytes, last: int, key: str | None) -> dict[str, Any]:
    status, told = ask(url, "POST", f"/admin/config/diff?last={last}", key=key, body=raw)
    if not isinstance(told, dict) or "ok" not in told:
        fail(f"turnout check: {url}: {refused(status, told) or f'HTTP {status}'}")
    return told


def _say(told: dict[str, Any], name: str, url: str, *, several: bool) -> None:
    if several:
        typer.echo(f"{url}:")
    if not told["ok"]:
        problems = told.get("problems") or [{"message": told["error"]}]
        for each in problems:
            where = f"{name}:{each['line']}: " if "line" in each else f"{name}: "
            typer.echo(f"{where}{each['message']} (as {url} sees it)")
        return
    say_effects(told, name, json=False)


def _say_replicas(found: dict[str, dict[str, Any]]) -> None:
    """Replicas read files of their own, and may have stayed behind."""
    hashes = {url: told["in_force"] for url, told in found.items() if told["ok"]}
    if len(set(hashes.values())) > 1:
        told = ", ".join(f"{url} {found_hash}" for url, found_hash in hashes.items())
        typer.echo(f"these do not have the same configuration in force: {told}")
