"""``turnout calibrate``: the classifier's thresholds by the share, or the money, that the operator wants."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.commands.line import Config, Json, LedgerUrl, fail, misused, say_json

if TYPE_CHECKING:
    from ruamel.yaml import YAML

    from policies.classify.refit import Refit
    from proxy.calibrating import Calibrated, Past
    from proxy.corpus import Sample
    from proxy.snapshot import Snapshot


def calibrate(
    local_share: Annotated[
        float | None, typer.Option(metavar="0..1", help="The share of the prompts that is to count as simple.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="What 30 days like those in the ledger may cost.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prompts with outcomes, JSON Lines: re-fit the weights, too.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE|-", help="Prompts, JSON Lines; default: the scores in the ledger.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Of the ledger: 30m, 12h, 7d, 2w or a date; default 30d.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the result into the configuration file.")] = False,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Set the thresholds so that a share of the prompts stays local, or a month costs no more than a budget.

    Prompts need no labels. A line of a file is a chat, Responses or Messages request, or {"prompt": "…"}.
    A label is "local_worse" (true, false or 0..1), or "weak" and "strong" (the two answers' scores, 0..1): with at
    least ten, the weights are re-fitted towards the shipped ones, and kept as they are where that wins nothing.

    \b
    Examples:
    turnout calibrate --local-share 0.6
    turnout calibrate --local-share 0.6 --prompts prompts.jsonl --write
    turnout calibrate --budget 200 --since 14d
    turnout calibrate --labels outcomes.jsonl --local-share 0.5
    """
    from policies.classify import shipped
    from policies.pricing import NANO
    from proxy.calibrating import calibrated, labelled
    from proxy.commands.sources import chosen, written

    if local_share is None and budget is None and labels is None:
        misused("turnout calibrate: say what is wanted: --local-share, --budget or --labels")
    if local_share is not None and (budget is not None or not 0 <= local_share <= 1):
        misused("turnout calibrate: --local-share is between 0 and 1, and stands without --budget")
    model = shipped()
    samples = _read(prompts) if prompts is not None else []
    told = labelled(_read(labels), model) if labels is not None else []
    if labels is not None and not told:
        fail(f"{labels}: no line has a label: add local_worse, or weak and strong")
    snapshot = written(config)
    from_ledger = budget is not None or not (samples or told)
    past = _past(snapshot, config, ledger, since or "30d") if from_ledger else []
    share = local_share if local_share is not None or budget is not None else snapshot.config.classifier.local_share
    try:
        found = calibrated(
            model,
            samples=samples,
            labels=told,
            past=past,
            share=share,
            budget_nano=None if budget is None else round(budget * NANO),
        )
    except ValueError as error:
        fail(f"turnout calibrate: {error}")
    _say(found, json=json)
    if write:
        _write(found, chosen(config))


def _read(path: Path) -> list[Sample]:
    from proxy.corpus import BadLine, samples

    try:
        lines = sys.stdin.buffer.readlines() if str(path) == "-" else path.read_bytes().splitlines()
    except OSError as error:
        misused(f"turnout calibrate: cannot read {path} ({error.strerror}): name a file of JSON Lines")
    found: list[Sample] = []
    for each in samples(lines):
        if isinstance(each, BadLine):
            fail(f"{path}:{each.line}: {each.why}")
        found.append(each)
    return found


def _past(snapshot: Snapshot, config: Path | None, ledger: str | None, since: str) -> list[Past]:
    from policies.classify import shipped
    from proxy.calibrating import of_ledger
    from proxy.commands.sources import ledger_book
    from proxy.ledger.question import asked

    local = {name: backend.local for name, backend in snapshot.backends.items()}
    try:
        began = asked(since=since, now=time.time()).since
    except ValueError as error:
        misused(f"turnout calibrate: --{error}")
    with ledger_book(config, ledger) as book:
        return of_ledger(book.each(since=began), shipped(), local)


def _say(found: Calibrated, *, json: bool) -> None:
    import msgspec

    if json:
        say_json(found)
        return
    calibration = found.calibration
    typer.echo(f"prompts     {calibration.prompts:,}")
    if found.share is not None and found.asked is not None:
        typer.echo(f"local       {found.share:.1%} of them ({found.asked:.1%} wanted)")
    typer.echo(f"thresholds  simple below {calibration.simple_below:g}, complex from {calibration.complex_from:g}")
    if not found.gates_held:
        typer.echo("gates       some give way, for the share cannot be met otherwise")
    if found.refit is not None:
        typer.echo(f"labels      {calibration.labels:,}: {_learned(found.refit)}")
    typer.echo("")
    share = {"local_share": found.asked} if found.asked is not None else {}
    section = {"classifier": {**share, "calibration": msgspec.to_builtins(calibration)}}
    _yaml().dump(section, sys.stdout)


def _learned(refit: Refit) -> str:
    if refit.prior_apgr is None or refit.refit_apgr is None or refit.error is None:
        return "they cannot tell whether a re-fit wins, so the shipped weights stay"
    told = f"APGR {refit.prior_apgr:.3f} before, {refit.refit_apgr:.3f} after (cross-validated, +-{refit.error:.3f})"
    return f"{told}: {'the shipped weights stay' if refit.kept_prior else 're-fitted'}"


def _yaml() -> YAML:
    """Keeps comments, order and quotes of what it reads."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.representer.add_representer(type(None), lambda of, _: of.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml


def _write(found: Calibrated, path: Path | None) -> None:
    """Into the file, its comments and its order kept; a running Turnout takes it over at once."""
    import msgspec

    if path is None:
        misused("turnout calibrate: there is no configuration file to write to: name one with --config")
    yaml = _yaml()
    document = yaml.load(path.read_text("utf-8"))
    section = document.setdefault("classifier", {})
    if section is None:
        section = document["classifier"] = {}
    if found.asked is not None:
        section["local_share"] = round(found.asked, 4)
    section["calibration"] = msgspec.to_builtins(found.calibration)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    typer.echo(f"written to {path}", err=True)
