"""``turnout explain``: the decision on a request that is not sent, or on a call of the past."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.commands.line import Config, Json, LedgerFile, fail, misused, say_json

if TYPE_CHECKING:
    from policies.verdict import Caller
    from proxy.explain import Explained
    from proxy.snapshot import Snapshot

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_APIS = ("chat", "responses", "messages", "embeddings", "completions")


def explain(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|ID", help="A user's message, or the x-request-id of a past call.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The alias to ask for; 'auto' for a text.")] = None,
    request: Annotated[str | None, typer.Option(metavar="FILE|-", help="A whole request body; - is stdin.")] = None,
    api: Annotated[str | None, typer.Option(help=f"{' | '.join(_APIS)}; default: by the body.")] = None,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="Ask as this key of the file.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="A header that rules may read.")
    ] = None,
    config: Config = None,
    ledger: LedgerFile = None,
    json: Json = False,
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
    _explain(body, _named(api) or _guess(body), config, key, _headers(header or []), json=json)


def _explain(
    body: bytes, api: str, config: Path | None, key: str | None, headers: dict[str, str], *, json: bool
) -> None:
    from adapters.failures import error_body
    from proxy.commands.sources import served
    from proxy.explain import as_json
    from proxy.explain import explain as explained

    snapshot = served(config).snapshot
    found = explained(snapshot, api, body, headers, _caller(snapshot, key))
    if found.decision is None and found.failure is not None:
        if json:
            typer.echo(error_body(found.failure))
            raise typer.Exit(1)
        fail(f"turnout explain: the client would get {found.failure.status}: {found.failure.message}")
    if json:
        say_json({"api": api, **as_json(found)})
        return
    for line in _lines(found, snapshot, api, key):
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


def _guess(body: bytes) -> str:
    """By the field in which the question stands. What cannot be read is explained as chat, with its error."""
    from adapters import ir, strict

    try:
        top = strict.fields(body)
    except ir.Invalid:
        return "chat"
    if "messages" in top:
        return "chat"
    # In Responses "prompt" is an object; the legacy one is a text or a list of texts.
    legacy = "prompt" in top and bytes(top["prompt"]).lstrip()[:1] in (b'"', b"[")
    return "completions" if legacy and "input" not in top else "responses"


def _headers(given: Sequence[str]) -> dict[str, str]:
    for each in given:
        if ":" not in each:
            misused(f"turnout explain: --header {each}: write NAME:VALUE")
    return {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in given)}


def _caller(snapshot: Snapshot, key: str | None) -> Caller | None:
    if key is None:
        return None
    found = next((caller for caller in snapshot.callers.values() if caller.name == key), None)
    if found is None:
        names = ", ".join(sorted(caller.name for caller in snapshot.callers.values())) or "none"
        misused(f"turnout explain: there is no key '{key}' (there are: {names})")
    return found


def _lines(found: Explained, snapshot: Snapshot, api: str, key: str | None) -> Iterable[str]:
    decision = found.decision
    assert decision is not None  # noqa: S101 - the caller has told a failure without one
    yield _line("asked", f"{decision.facts.get('alias', '')} ({api}), {snapshot.file}")
    if key is not None or snapshot.callers:
        yield _line("caller", key or "no key: a live call would get 401, name a key with --key")
    if decision.cls is not None:
        score = "" if decision.score is None else f"score {decision.score:.3f}"
        told = ", ".join(part for part in (score, f"gate {decision.gate}" if decision.gate else "") if part)
        yield _line("class", f"{decision.cls} ({told})" if told else decision.cls)
    yield _line("policy", f"{decision.policy} {decision.policy_hash}")
    yield _line("rule", f"{decision.rule or 'none'}{f': {decision.reason}' if decision.reason else ''}")
    if found.failure is not None:
        yield _line("denied", f"{found.failure.status} {found.failure.code or ''}: {found.failure.message}")
    if found.target is not None:
        later = [target.backend for target in decision.plan[1:]]
        then = f", then {', '.join(later)}" if later else ""
        yield _line("backend", f"{found.target.backend} ({found.target.upstream.model}){then}")
    for name, value in decision.set.items():
        yield _line("set", f"{name}: {value}")
    for named in found.dropped:
        yield _line("dropped", f"{named.name}: {named.why}")
    yield from story(decision.trace, decision.facts)


def story(trace: Iterable[str], facts: object) -> Iterable[str]:
    """The trace and the facts, as every explanation ends."""
    import msgspec

    for number, step in enumerate(trace):
        yield _line("" if number else "trace", step)
    plain = msgspec.to_builtins(facts)
    for number, (name, value) in enumerate(plain.items()):
        yield _line("" if number else "facts", f"{name}: {value}")


def _line(name: str, text: str) -> str:
    return f"{name:<10}{text}".rstrip()
