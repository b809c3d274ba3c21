"""``turnout usage reprice`` and ``machines``: history rated again, and what machines of one's own cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.commands.line import Config, Json, LedgerUrl, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.ledger.question import Asked
    from proxy.repricing import Repriced

Since = Annotated[str | None, typer.Option(help="30m, 12h, 7d, 2w or a date (2026-08-01). Default: all that is kept.")]
Until = Annotated[str | None, typer.Option(help="The same; what began then is left as it is.")]
Where = Annotated[list[str] | None, typer.Option(help="Only rows with this value: backend=claude. Repeatable.")]


def reprice(
    since: Since = None,
    until: Until = None,
    where: Where = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Rate the rows of the ledger again, by the prices of the configuration and the sheet on the day of each call.

    Budgets that have counted a call go on with what they counted. Rows whose cost no rate of the shipped sheet explains
    are listed. Turnout may serve meanwhile.

    \b
    Examples:
    turnout usage reprice --since 2026-11-01 --dry-run
    turnout usage reprice --where backend=claude
    """
    from proxy.commands.sources import ledger_book, written
    from proxy.repricing import reprice as rate_again

    question = _asked(since, until, where)
    snapshot = written(config)
    with ledger_book(config, ledger) as book:
        rows = book.each(since=question.since, until=question.until, filters=question.filters)
        found = rate_again(rows, snapshot, write=None if dry_run else book.rewrite)
    if json:
        say_json({**found.plain(), "dry_run": dry_run})
        return
    for line in _told(found, dry_run=dry_run):
        typer.echo(line)


def machines(
    since: Annotated[str, typer.Option(help="30m, 12h, 7d, 2w or a date (2026-08-01).")] = "30d",
    until: Until = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/MODEL", help="What they are held against. Default: that of the most aliases."),
    ] = None,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """What machines of your own (backends with 'cost') did and cost, their idle hours included, and from how many
    tokens a day they are cheaper than the cloud.

    \b
    Examples:
    turnout usage machines --since 7d
    turnout usage machines --baseline openai/gpt-5.6 --json
    """
    from proxy.commands.sources import ledger_book, written
    from proxy.machines import known_baseline, report

    question, snapshot = _asked(since, until, None), written(config)
    against = baseline or snapshot.usual_baseline
    if against is not None and not known_baseline(against, snapshot):
        misused(f"turnout usage machines: --baseline {against}: write provider/model, such as openai/gpt-5.6")
    with ledger_book(config, ledger) as book:
        end = question.until or int(time.time() * 1000)
        begun = question.since or 0
        found = report(snapshot, book.totals(("backend",), since=begun, until=end), begun, end, against)
    if json:
        say_json(found)
        return
    if not found:
        typer.echo("no backend of the configuration has a 'cost'")
        return
    from proxy.ledger.machines_shown import HEAD, cells

    say_table(HEAD, [cells(each) for each in found])


def _asked(since: str | None, until: str | None, where: list[str] | None) -> Asked:
    from proxy.ledger.question import asked

    try:
        return asked(since=since, until=until, where=where or (), now=time.time())
    except ValueError as error:
        misused(f"turnout usage: --{error}")


def _told(found: Repriced, *, dry_run: bool) -> Iterator[str]:
    from proxy.ledger.show import dollars

    would = "would change" if dry_run else "changed"
    yield f"{found.looked:,} rows looked at, {found.changed:,} {would}"
    yield f"cost {dollars(found.before)} -> {dollars(found.after)}, of the rows that {would}"
    if found.newly_known:
        yield f"{found.newly_known:,} rows had no cost before"
    for request_id, attempt, why in found.odd:
        yield f"off the sheet: {request_id} attempt {attempt} {why}"
    if found.more_odd:
        yield f"and {found.more_odd:,} more off the sheet"
