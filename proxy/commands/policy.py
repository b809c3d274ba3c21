"""``turnout policy``: the rules as they stand, parents and all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from proxy.commands.line import Config, Json, fail, misused, say_json, say_table

if TYPE_CHECKING:
    from proxy.cases import Case, Difference
    from proxy.snapshot import Snapshot

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


@app.command("test")
def judge(
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="A YAML file of cases; - is stdin.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Decide on every case of a file and compare: exit status 1 when one is not decided as it expects. Nothing is sent.

    A case is {name, text | request, model, api, key, headers, time, down, load, budget_used, budget_pace, draw,
    expect}; expect takes backend, plan, policy, rule, class, denied, status, code, skipped, dropped, set and
    data_class.

    \b
    Examples:
    turnout policy test cases.yaml
    turnout policy test cases.yaml --config proxy.yaml --json
    """
    from proxy.cases import read_cases
    from proxy.commands.sources import served
    from proxy.settings import ConfigError

    try:
        text = sys.stdin.read() if str(cases) == "-" else cases.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        misused(f"turnout policy test: cannot read {cases} ({error}): name a YAML file with cases")
    try:
        found = read_cases(text, str(cases))
    except ConfigError as error:
        fail(str(error), 2)
    results = _judged(served(config).snapshot, found)
    bad = sum(bool(result.differs) for result in results)
    if json:
        say_json({"cases": len(results), "failed": bad, "results": results})
    else:
        _say(results, bad)
    raise typer.Exit(1 if bad else 0)


class Result(Struct, frozen=True):
    """One case and what differs; none: it is decided as it expects."""

    name: str
    differs: list[Difference]
    trace: tuple[str, ...] = ()


def _judged(snapshot: Snapshot, cases: Sequence[Case]) -> list[Result]:
    from proxy.cases import judge as judged

    results: list[Result] = []
    for case in cases:
        try:
            found, differs = judged(snapshot, case)
        except ValueError as error:
            misused(f"turnout policy test: {case.title}: {error}")
        results.append(Result(case.title, differs, found.decision.trace if found.decision is not None else ()))
    return results


def _say(results: Sequence[Result], bad: int) -> None:
    for result in results:
        typer.echo(f"{'FAIL' if result.differs else 'ok  '}  {result.name}")
        for each in result.differs:
            typer.echo(f"        {each.what}: expected {_shown(each.expected)}, got {_shown(each.got)}")
        for step in result.trace if result.differs else ():
            typer.echo(f"          | {step}")
    typer.echo(f"{len(results)} cases, {bad} failed" if bad else f"{len(results)} cases, all as expected")


def _shown(value: object) -> str:
    return "nothing" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
