"""``turnout usage``: what was used, by whom and for how much; the rows themselves; one call as a readable report."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.commands import usage_money
from proxy.commands.line import Config, Json, LedgerUrl, draw, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.ledger.book import Book
    from proxy.ledger.question import Asked
    from proxy.ledger.record import UsageRecord

app = typer.Typer(invoke_without_command=True)
app.command()(usage_money.reprice)
app.command()(usage_money.machines)

Since = Annotated[str | None, typer.Option(help="30m, 12h, 7d, 2w or a date (2026-08-01). Default: all that is kept.")]
Until = Annotated[str | None, typer.Option(help="The same; what began then is not counted any more.")]
Where = Annotated[
    list[str] | None,
    typer.Option(help="Only rows with this value: alias=auto, team=search, outcome=error. Repeatable."),
]
Timezone = Annotated[str, typer.Option(help="Whose days and months: Europe/Berlin.")]


@app.callback()
def usage(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    by: Annotated[
        str,
        typer.Option(help="day, hour, month, alias, backend, caller, team, class, policy, user, tag:NAME, any column."),
    ] = "day",
    where: Where = None,
    timezone: Timezone = "UTC",
    rows: Annotated[bool, typer.Option("--rows", help="The rows, one per attempt, instead of totals.")] = False,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV, for spreadsheets.")] = False,
) -> None:
    """Totals of the ledger: calls, tokens, cost and what was saved. What nobody told is 'unknown', never 0.

    \b
    Examples:
    turnout usage --since 1d --by alias,backend
    turnout usage --since 2026-11-01 --until 2026-12-01 --by tag:feature,user --csv
    turnout usage --since 7d --where team=search --rows --json > rows.jsonl
    turnout usage show 0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d
    """
    if context.invoked_subcommand is not None:
        return
    from proxy.commands.sources import ledger_book
    from proxy.ledger.question import asked

    if json and csv:
        misused("turnout usage: --json and --csv are two formats: choose one")
    try:
        question = asked(since=since, until=until, by=by, where=where or (), timezone=timezone, now=time.time())
    except ValueError as error:
        misused(f"turnout usage: --{error}")
    with ledger_book(config, ledger) as book:
        (_say_rows if rows else _say_totals)(book, question, json=json, csv=csv)


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The x-request-id that the client saw.")],
    content: Annotated[
        bool, typer.Option("--content", help="Also what was thought and answered, where it is a stored response.")
    ] = False,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """The report of one call: its route, its attempts, tokens, reasoning against completion, cost and times.

    Calls that helped it (condensing, counting) stand after its own attempts. --json prints every column of their rows.

    \b
    Examples:
    turnout usage show 0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d
    """
    from proxy.commands.sources import kept_answer, ledger_book, ledger_name
    from proxy.ledger.record import whole
    from proxy.ledger.show import show as report

    with ledger_book(config, ledger) as book:
        found = book.find(request_id)
    if not found:
        mend = "give the x-request-id of an answer (turnout usage --rows lists them)"
        fail(f"{ledger_name(config, ledger)} knows no call {request_id}: {mend}")
    if json:
        say_json([whole(record) for record in found])
        return
    typer.echo(report(found), nl=False)
    if content:
        for line in kept_answer(found[0], config, ledger):
            typer.echo(line)


def _say_rows(book: Book, question: Asked, *, json: bool, csv: bool) -> None:
    from proxy.ledger.record import public
    from proxy.ledger.report import as_csv, rows_json

    found = book.each(since=question.since, until=question.until, filters=question.filters)
    if json or csv:
        _say_lines(rows_json(found) if json else as_csv(map(public, found)))
        return
    names = ("time", "request_id", "alias", "class", "backend", "status", "outcome", "in", "out", "cost", "ms")
    say_table(names, list(map(_row, found)))


def _say_lines(lines: Iterable[str]) -> None:
    """As they come: a year of rows is not held in memory."""
    for line in lines:
        typer.echo(line)


def _row(row: UsageRecord) -> tuple[str, ...]:
    from proxy.ledger.record import iso
    from proxy.ledger.show import dollars

    return (
        iso(row.started_at), row.request_id, row.alias or "-", row.cls or "-", row.backend or "-",
        str(row.status or "-"), row.outcome, _number(row.input_tokens), _number(row.output_tokens),
        dollars(row.cost_nano_usd), _number(row.duration_ms),
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _say_totals(book: Book, question: Asked, *, json: bool, csv: bool) -> None:
    from proxy.ledger import told
    from proxy.ledger.report import as_csv, table

    folded = book.totals(
        question.by,
        since=question.since,
        until=question.until,
        filters=question.filters,
        timezone=question.timezone,
    )
    if json:
        say_json(told.lines(folded, question.shown))
    elif csv:
        _say_lines(as_csv(map(_flat, told.lines(folded, question.shown))))
    elif folded:
        draw(table(folded, question.shown))
    else:
        typer.echo("no calls in this time")


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """Every cell one value: ``unknown_cost_nano_usd`` and so on, 0 where nothing is unknown."""
    from proxy.ledger.told import COUNTED

    unknown = line["unknown"]
    plain = {name: value for name, value in line.items() if name != "unknown"}
    return {**plain, **{f"unknown_{name}": unknown.get(name, 0) for name in COUNTED}}
