"""``turnout budget``: how full every budget is, and money that is granted beside one until a day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from proxy.commands.line import Config, Json, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.limits.accounts import Account
    from proxy.state.pots import Coffers

app = typer.Typer(no_args_is_help=True, help="What teams and keys may spend, and have spent.")
_MOST = 10**9
"""Dollars of one grant."""

T = TypeVar("T")
Look = Callable[[], Awaitable[list["Account"]]]
"""Every budget as it stands now."""


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List every budget of the configuration: used, reserved, left, its share and pace, when it resets, its grants.

    Reserved is what calls under way may cost. Pace is the share that the window will have used at its end if things go
    on like this. Works while Turnout runs and while it does not.

    \b
    Examples:
    turnout budget list
    turnout budget list --json
    """
    found = _opened(config, lambda _, look: look())
    if json:
        say_json([_plain(account) for account in found])
    elif found:
        _say(found)
    else:
        typer.echo("no team or key here has a budget: teams.NAME.budget, keys[].budget, turnout keys create --budget")


@app.command()
def grant(
    words: Annotated[list[str], typer.Argument(metavar="[TEAM] USD", help="Whose budget, and dollars: interns 20.")],
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="From then on it no longer holds; default: its window's end.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="A key's own budget instead of a team's.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Raise what is left of a budget, at once in every worker, until a day (ISO 8601; UTC where it has no zone).

    \b
    Examples:
    turnout budget grant interns 20 --until 2026-12-24
    turnout budget grant --key ann 5
    """
    if len(words) != (1 if key is not None else 2):
        misused("turnout budget grant: write TEAM USD, or USD --key NAME")
    owner = f"key:{key}" if key is not None else f"team:{words[0]}"
    nano, ends = _nano(words[-1]), _until(until)

    async def granted(coffers: Coffers, look: Look) -> tuple[str, Account]:
        from secrets import token_hex

        from proxy.limits.accounts import account_of
        from proxy.state.pots import Grant

        before = await look()
        account = account_of(before, owner)
        if account is None:
            fail(_stranger(before, owner))
        made = Grant(id=token_hex(4), of=owner, nano_usd=nano, until=int(account.resets if ends is None else ends))
        await coffers.grant(made)
        after = account_of(await look(), owner)
        assert after is not None  # noqa: S101 - it was there a moment ago
        return made.id, after

    id_, account = _opened(config, granted)
    if json:
        say_json({"id": id_, **_plain(account)})
        return
    from policies.limits.refusing import money
    from policies.limits.refusing import owner as told
    from policies.limits.windows import iso

    ends_at = next(each.until for each in account.grants if each.id == id_)
    typer.echo(
        f"granted {money(nano, nano)} to {told(account.limit)} until {iso(ends_at)}; "
        f"{money(max(account.left, 0), account.amount)} is left "
        f"(turnout budget revoke {id_} takes it back)"
    )


@app.command()
def revoke(
    grant_id: Annotated[str, typer.Argument(metavar="ID", help="Of a grant: turnout budget list tells it.")],
    config: Config = None,
) -> None:
    """Take a grant back, at once in every worker. What was spent of it stays spent.

    \b
    Examples:
    turnout budget revoke 1f4e09aa
    """

    async def revoked(coffers: Coffers, _: Look) -> bool:
        return await coffers.revoke(grant_id)

    if not _opened(config, revoked):
        fail(f"there is no grant {grant_id} that still holds: turnout budget list names them")
    typer.echo(f"revoked {grant_id}")


def _opened(config: Path | None, work: Callable[[Coffers, Look], Awaitable[T]]) -> T:
    """Do this with the pots that the configuration's Turnout uses, running or not."""
    from functools import partial

    from proxy.commands.sources import ledger_book, stored_callers, written
    from proxy.ledger.address import folder_of
    from proxy.ledger.book import open_book
    from proxy.ledger.schema import LedgerError
    from proxy.limits.accounts import accounts, budgets
    from proxy.opening import coffers
    from proxy.state.pots import PotsAway

    snapshot = written(config)
    redis, url = snapshot.config.state.redis, snapshot.config.ledger.url
    if redis is None:
        # With Redis any machine will do; a file's folder has to be the right one.
        with ledger_book(config, None):
            pass
    limits = list(budgets(snapshot, stored_callers(snapshot).values()))

    async def done() -> T:
        opened = coffers(redis, folder_of(url))
        try:
            return await work(opened, lambda: accounts(limits, snapshot, opened, partial(open_book, url), time.time()))
        finally:
            await opened.close()

    try:
        return asyncio.run(done())
    except (PotsAway, LedgerError) as error:
        fail(f"turnout budget: where budgets are counted cannot be reached: {error}")


def _nano(usd: str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        dollars = Decimal(usd.removeprefix("$"))
    except InvalidOperation:
        dollars = Decimal(0)
    if not (dollars.is_finite() and 0 < dollars <= _MOST):
        misused(f"turnout budget grant: '{usd}' is no amount: write dollars, such as 20 or 2.50")
    return int(dollars * 1_000_000_000)


def _until(text: str | None) -> float | None:
    from proxy.callers import moment

    if text is None:
        return None
    try:
        found = moment(text)
    except ValueError:
        misused(f"turnout budget grant: --until {text}: write a day or a time, such as 2026-12-24 or 2026-12-24T18:00Z")
    if found <= time.time():
        misused(f"turnout budget grant: --until {text} is over")
    return found


def _stranger(found: Sequence[Account], owner: str) -> str:
    from proxy.settings.shape import did_you_mean

    scope, _, name = owner.partition(":")
    known = [account.limit.name for account in found if account.limit.scope == scope]
    mend = did_you_mean(name, known) if known else f"give a {scope} a 'budget' first"
    return f"turnout budget grant: no {scope} '{name}' has a budget: {mend}"


def _say(found: Sequence[Account]) -> None:
    from policies.limits.refusing import money
    from policies.limits.windows import iso, named

    now = time.time()
    say_table(
        ("budget", "window", "amount", "used", "reserved", "left", "share", "pace", "resets", "grants"),
        [
            (
                f"{each.limit.scope} {each.limit.name}", named(each.limit.window, now),
                *(money(part, each.amount) for part in (each.amount, each.used, each.reserved, max(each.left, 0))),
                f"{each.share:.1%}", f"{each.pace:.0%}", iso(each.resets),
                ", ".join(
                    f"{grant.id}: {money(grant.nano_usd, grant.nano_usd)} until {iso(grant.until)}"
                    for grant in each.grants
                ),
            )
            for each in found
        ],
    )  # fmt: skip


def _plain(account: Account) -> dict[str, Any]:
    from policies.limits.windows import iso

    limit = account.limit
    return {
        "scope": limit.scope,
        "name": limit.name,
        "window": str(limit.window),
        "timezone": limit.window.timezone,
        "amount_nano_usd": account.amount,
        "used_nano_usd": account.used,
        "reserved_nano_usd": account.reserved,
        "left_nano_usd": account.left,
        "share": account.share,
        "pace": account.pace,
        "resets": iso(account.resets),
        "grants": [{"id": each.id, "nano_usd": each.nano_usd, "until": iso(each.until)} for each in account.grants],
    }
