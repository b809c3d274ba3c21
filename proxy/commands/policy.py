"""``turnout policy``: the rules as they stand, parents and all."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec import Struct

from proxy.commands.line import Config, Json, fail, say_json, say_table

app = typer.Typer(no_args_is_help=True, help="The policies that requests follow.")


class Listed(Struct, frozen=True, kw_only=True, rename={"origin": "from"}):
    """One policy. ``cannot_be_used``: why a library policy does not work with these backends."""

    name: str
    origin: str
    rules: int
    hash: str
    aliases: list[str]
    cannot_be_used: str | None


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The library's or the file's.")], config: Config = None
) -> None:
    """Print a policy as YAML, its parents' rules in place; each rule with the name that traces give it.

    \b
    Examples:
    turnout policy show hybrid
    turnout policy show premium --config proxy.yaml
    """
    from proxy.commands.sources import written

    try:
        text = written(config).book.show(name)
    except KeyError as error:
        fail(f"turnout policy show: {error.args[0]} (turnout policy list names them all)")
    typer.echo(text, nl=False)


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List the policies: the file's own and the library's, with the aliases that lead to them.

    \b
    Examples:
    turnout policy list
    """
    from proxy.commands.sources import written

    snapshot = written(config)
    found = [
        Listed(
            name=name,
            origin="file" if name in snapshot.config.policies else "library",
            rules=len(policy.lines),
            hash=policy.hash,
            aliases=[alias for alias, entry in snapshot.config.aliases.items() if entry.policy == name],
            cannot_be_used=policy.broken,
        )
        for name, policy in snapshot.book.policies.items()
    ]
    if json:
        say_json(found)
        return
    say_table(
        ("policy", "from", "rules", "hash", "aliases"),
        [
            (row.name, row.origin, str(row.rules), row.hash, row.cannot_be_used or ", ".join(row.aliases))
            for row in found
        ],
    )
