"""``turnout usage``: what was used, by whom and for how much; the rows themselves; one call as a readable report."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.commands.line import Config, Json, LedgerFile, draw, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.ledger.record import UsageRecord
    from proxy.ledger.totals import Total

app = typer.Typer(invoke_without_command=True)

_SPAN = re.compile(r"(\d+)([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@app.callback()
def usage(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="30m, 12h, 7d, 2w or a date (2026-08-01, UTC).")] = None,
    by: Annotated[
        str, typer.Option(help="day, alias, backend, class, policy or any column; several with commas.")
    ] = "day",
    rows: Annotated[bool, typer.Option("--rows", help="The rows, one per attempt, instead of totals.")] = False,
    config: Config = None,
    ledger: LedgerFile = None,
    json: Json = False,
) -> None:
    """Totals of the ledger: calls, tokens and cost. What nobody told is 'unknown', never 0.

    \b
    Examples:
    turnout usage --since 1d --by alias,backend
    turnout usage --since 7d --rows --json > rows.jsonl
    turnout usage show 0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d
    """
    if context.invoked_subcommand is not None:
        return
    from proxy.commands.sources import ledger_file
    from proxy.ledger.reader import rows as read

    began = start(since)
    found = read(ledger_file(config, ledger), since=began)
    if rows:
        _say_rows(found, json=json)
    else:
        _say_totals(found, tuple(name.strip() for name in by.split(",")), json=json)


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The x-request-id that the client saw.")],
    config: Config = None,
    ledger: LedgerFile = None,
    json: Json = False,
) -> None:
    """The report of one call: its route, its attempts, tokens, reasoning against completion, cost and times.

    Calls that helped it (condensing) stand after its own attempts. --json prints every column of their rows.

    \b
    Examples:
    turnout usage show 0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d
    """
    from proxy.commands.sources import ledger_file
    from proxy.ledger.reader import find
    from proxy.ledger.record import whole
    from proxy.ledger.show import show as report

    path = ledger_file(config, ledger)
    found = find(path, request_id)
    if not found:
        fail(f"{path} knows no call {request_id}: give the x-request-id of an answer (turnout usage --rows lists them)")
    if json:
        say_json([whole(record) for record in found])
    else:
        typer.echo(report(found), nl=False)


def start(since: str | None) -> int | None:
    """Milliseconds since 1970."""
    from datetime import UTC, datetime

    if since is None:
        return None
    span = _SPAN.fullmatch(since)
    if span is not None:
        return int((time.time() - int(span[1]) * _SECONDS[span[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        misused(f"turnout usage: --since {since}: write 30m, 12h, 7d, 2w or a date as 2026-08-01")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _say_rows(found: list[UsageRecord], *, json: bool) -> None:
    from proxy.ledger.record import iso
    from proxy.ledger.report import rows_json
    from proxy.ledger.show import dollars

    if json:
        typer.echo(rows_json(found), nl=False)
        return
    names = ("time", "request_id", "alias", "class", "backend", "status", "outcome", "in", "out", "cost", "ms")
    say_table(
        names,
        [
            (
                iso(row.started_at), row.request_id, row.alias or "-", row.cls or "-", row.backend or "-",
                str(row.status or "-"), row.outcome, _number(row.input_tokens), _number(row.output_tokens),
                dollars(row.cost_nano_usd), _number(row.duration_ms),
            )
            for row in found
        ],
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _say_totals(found: list[UsageRecord], by: tuple[str, ...], *, json: bool) -> None:
    from proxy.ledger.report import table
    from proxy.ledger.totals import DIMENSIONS, totals

    try:
        folded = totals(found, by)
    except KeyError as error:
        misused(f"turnout usage: --by {error.args[0]}: there is {', '.join(DIMENSIONS)} and every column")
    if json:
        say_json([{**dict(zip(by, key, strict=True)), **_plain(total)} for key, total in folded.items()])
    elif folded:
        draw(table(folded, by))
    else:
        typer.echo("no calls in this time")


def _plain(total: Total) -> dict[str, Any]:
    """A sum of which nobody told any part is None; ``unknown`` counts the parts that nobody told."""
    sums = {
        "input_tokens": total.input,
        "cached_tokens": total.cached,
        "output_tokens": total.output,
        "reasoning_tokens": total.reasoning,
        "cost_nano_usd": total.cost,
    }
    return {
        "calls": total.calls,
        "attempts": total.attempts,
        "failed": total.failed,
        **{name: amount.value if amount.known else None for name, amount in sums.items()},
        "unknown": {name: amount.unknown for name, amount in sums.items() if amount.unknown},
    }
