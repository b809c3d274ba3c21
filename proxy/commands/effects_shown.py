"""An effect diff for eyes: which keys differ, what takes a restart, and which calls would go elsewhere at what cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from proxy.commands.line import say_json, say_table

_MOST = 60
"""Characters of a value."""


def say_effects(found: Mapping[str, Any], name: str, *, json: bool) -> None:
    """``found``: what the server answered. ``name``: what was held against what runs there."""
    if json:
        say_json(found)
        return
    changes = found["changes"]
    if found["hash"] == found["in_force"] or not changes:
        typer.echo(f"{name}: nothing differs from what is in force ({found['in_force']})")
    else:
        typer.echo(f"{name}: {len(changes)} keys differ from what is in force ({found['in_force']})")
        say_table(("key", "in force", name), [_change(each) for each in changes])
        for section, names in found["affected"].items():
            typer.echo(f"affected {section}: {', '.join(names)}")
        if found["restart"]:
            typer.echo(f"takes a restart: {', '.join(found['restart'])}")
    for warning in found["warnings"]:
        typer.echo(f"warning: {warning}")
    if found["effects"] is not None:
        _say_moves(found["effects"])
    for note in found["notes"]:
        typer.echo(f"note: {note}")


def _change(change: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = change["kind"]
    old = "-" if kind == "added" else _value(change.get("old"))
    new = "-" if kind == "removed" else _value(change.get("new"))
    return change["path"], old, f"{new} (another)" if old == new else new


def _value(value: Any) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _say_moves(effects: Mapping[str, Any]) -> None:
    for line in _summary(effects):
        typer.echo(line)
    if effects["moves"]:
        columns = ("calls", "share", "from", "to", "cost now", "then", "unknown cost")
        say_table(columns, [_move(move, effects["looked"]) for move in effects["moves"]])
    if effects["more_moves"]:
        typer.echo(f"and {effects['more_moves']:,} more")


def _summary(effects: Mapping[str, Any]) -> Iterator[str]:
    from proxy.ledger.record import iso
    from proxy.ledger.show import dollars

    looked = effects["looked"]
    if not looked:
        yield "no decision is in the ledger yet, so that no effect can be told"
        return
    yield f"of the last {looked:,} decisions, {iso(effects['since'])} to {iso(effects['until'])}:"
    told = {
        "would go elsewhere": effects["moved"],
        "would be refused": effects["refused"],
        "would be let in": effects["allowed"],
        "would stay": effects["same"],
        "cannot be replayed": effects["unreplayable"],
        "are unknown": effects["unknown"],
    }
    for words, count in told.items():
        if count:
            yield f"  {count:>7,}  {count / looked:6.1%}  {words}{_why(words, effects)}"
    if effects["reordered"]:
        yield f"  {effects['reordered']:>7,} of those that stay would have another stand-in"
    before, after = effects["before_nano_usd"], effects["after_nano_usd"]
    more = after - before
    day = effects["difference_per_day_nano_usd"]
    per_day = "" if day is None else f", {_signed(day)} a day"
    unknown = f"; {effects['unknown_cost']:,} calls have no known cost" if effects["unknown_cost"] else ""
    yield f"predicted cost {dollars(before)} -> {dollars(after)} ({_signed(more)}{per_day}){unknown}"


def _why(words: str, effects: Mapping[str, Any]) -> str:
    if words != "cannot be replayed":
        return ""
    return f": not kept are {', '.join(f'{fact} ({n:,})' for fact, n in effects['why_unreplayable'].items())}"


def _signed(nano: int) -> str:
    from proxy.ledger.show import dollars

    return f"{'+' if nano >= 0 else ''}{dollars(nano)}"


def _move(move: Mapping[str, Any], looked: int) -> tuple[str, ...]:
    from proxy.ledger.show import dollars

    return (
        f"{move['calls']:,}", f"{move['calls'] / looked:.1%}", move["from"], move["to"],
        dollars(move["before_nano_usd"]), dollars(move["after_nano_usd"]), f"{move['unknown_cost']:,}",
    )  # fmt: skip
