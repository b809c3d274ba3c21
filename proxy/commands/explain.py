"""``turnout explain``: the decision on a request that is not sent, or on a call of the past."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from proxy.commands.line import Config, Json, LedgerUrl, fail, misused, say_json

if TYPE_CHECKING:
    from policies.verdict import Caller
    from proxy.snapshot import Snapshot


class _Shown(NamedTuple):
    """How the answer is to be printed."""

    json: bool
    body: bool


_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_APIS = ("chat", "responses", "messages", "embeddings", "completions")


def explain(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|ID", help="A user's message, or the x-request-id of a past call.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The alias to ask for; 'auto' for a text.")] = None,
    request: Annotated[str | None, typer.Option(metavar="FILE|-", help="A whole request body; - is stdin.")] = None,
    api: Annotated[str | None, typer.Option(help=f"{' | '.join(_APIS)}; default: by the body.")] = None,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="Ask as this key, of the file or the store.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="A header that rules may read.")
    ] = None,
    config: Config = None,
    ledger: LedgerUrl = None,
    json: Json = False,
    sent: Annotated[bool, typer.Option("--body", help="Also show what the first backend would be sent.")] = False,
) -> None:
    """Say which backend a request would go to, and why: the live decision and its whole trace. Nothing is sent.

    Every backend is taken to be in health. With the id of a past call: what was decided then, from the ledger.

    \b
    Examples:
    turnout explain --model auto "Create a FastAPI server"
    turnout explain --request body.json --key intern-ci --json
    turnout explain 0198c5b2-6f3e-7a41-9c3d-2f4e5a6b7c8d
    """
    if (text is None) == (request is None):
        misused("turnout explain: give a TEXT, the ID of a call, or --request FILE: one of them")
    if text is not None and model is None and _ID.fullmatch(text):
        from proxy.commands.past import explain_past

        explain_past(text.lower(), config, ledger, json=json)
        return
    body = _text(text, model or "auto", api) if text is not None else _body(request or "-", model)
    from proxy.apis import guessed

    _explain(body, _named(api) or guessed(body), config, key, _headers(header or []), _Shown(json, sent))


def _explain(
    body: bytes, api: str, config: Path | None, key: str | None, headers: dict[str, str], shown: _Shown
) -> None:
    from adapters.failures import error_body
    from proxy.commands.explained import lines
    from proxy.commands.sources import served, stored_callers, stored_overrides
    from proxy.explain import as_json
    from proxy.explain import explain as explained

    snapshot = served(config).snapshot
    callers = stored_callers(snapshot) if key is not None or not snapshot.callers else {}
    asker, overrides = _caller(snapshot, callers, key), stored_overrides(snapshot)
    found = explained(snapshot, api, body, headers, asker, overrides=overrides)
    if found.decision is None and found.failure is not None:
        if shown.json:
            typer.echo(error_body(found.failure))
            raise typer.Exit(1)
        fail(f"turnout explain: the client would get {found.failure.status}: {found.failure.message}")
    if shown.json:
        say_json({"api": api, **as_json(found)})
        return
    told = _asker(key, keyed=bool(snapshot.callers or callers))
    for line in lines(found, told, f"{api}), {snapshot.file}", body=shown.body):
        typer.echo(line)


def _text(text: str, model: str, api: str | None) -> bytes:
    import msgspec

    asked = {
        "responses": {"input": text},
        "embeddings": {"input": text},
        "completions": {"prompt": text},
    }.get(api or "chat", {"messages": [{"role": "user", "content": text}]})
    return msgspec.json.encode({"model": model, **asked})


def _body(source: str, model: str | None) -> bytes:
    """The request's bytes, unchanged but for the alias where another one is asked for."""
    import msgspec

    from adapters import ir, strict

    try:
        body = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        misused(f"turnout explain: cannot read {source} ({error.strerror}): name a file with a request's JSON body")
    if model is None:
        return body
    try:
        return msgspec.json.encode({**strict.fields(body), "model": model})
    except ir.Invalid as error:
        fail(f"turnout explain: {error}")


def _named(api: str | None) -> str | None:
    if api is not None and api not in _APIS:
        misused(f"turnout explain: --api {api}: there are {', '.join(_APIS)}")
    return api


def _headers(given: Sequence[str]) -> dict[str, str]:
    for each in given:
        if ":" not in each:
            misused(f"turnout explain: --header {each}: write NAME:VALUE")
    return {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in given)}


def _caller(snapshot: Snapshot, stored: Mapping[str, Caller], key: str | None) -> Caller | None:
    if key is None:
        return None
    from proxy.explain import named

    found = named(snapshot, key) or stored.get(key)
    if found is None:
        names = ", ".join(sorted({*stored, *(caller.name for caller in snapshot.callers.values())})) or "none"
        misused(f"turnout explain: there is no key '{key}' (there are: {names})")
    return found


def _asker(key: str | None, *, keyed: bool) -> str | None:
    """Who asks, where there are keys."""
    if key is None and not keyed:
        return None
    return key or "no key: a live call would get 401, name a key with --key"
