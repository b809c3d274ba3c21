"""``turnout explain ID``: what was decided then, from the ledger; and whether the policy is still the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from proxy.commands.explained import story
from proxy.commands.line import fail, say_json
from proxy.commands.sources import ledger_book, ledger_name, written
from proxy.ledger.record import UsageRecord, iso

if TYPE_CHECKING:
    from proxy.snapshot import Snapshot


def explain_past(request_id: str, config: Path | None, ledger: str | None, *, json: bool) -> None:
    """Print the decision of one recorded call."""
    with ledger_book(config, ledger) as book:
        rows = [row for row in book.find(request_id) if row.request_id == request_id]
    if not rows:
        fail(f"{ledger_name(config, ledger)} knows no call {request_id} (to explain it as a text: --model auto)")
    since = _since(rows[-1], written(config))
    if json:
        say_json(_as_json(rows, since))
        return
    for line in _lines(rows, since):
        typer.echo(line)


def _since(row: UsageRecord, snapshot: Snapshot) -> str | None:
    """``same``, ``changed`` or ``gone``; None where the row has no policy of the rule language."""
    if row.policy is None or not row.policy_hash:
        return None
    policy = snapshot.book.policies.get(row.policy)
    if policy is None:
        return "gone"
    return "same" if policy.hash == row.policy_hash else "changed"


def _facts(row: UsageRecord) -> dict[str, Any]:
    import msgspec

    return msgspec.json.decode(row.facts, type=dict[str, Any]) if row.facts else {}


def _overrides(row: UsageRecord) -> list[str]:
    """What an operator had turned then that the decision stood on."""
    flags = row.flags.split(", ") if row.flags else []
    return [flag.removeprefix("override ") for flag in flags if flag.startswith("override ")]


def _as_json(rows: Sequence[UsageRecord], since: str | None) -> dict[str, Any]:
    """The keys of a fresh explanation; the ledger does not keep the plan as such, so it is None."""
    row = rows[-1]
    facts = _facts(row)
    refused = {"status": row.status, "code": row.error_code, "reason": row.error_message}
    return {
        "request_id": row.request_id,
        "started_at": iso(row.started_at),
        "api": row.api,
        "class": row.cls,
        "score": facts.get("score"),
        "gate": facts.get("gate"),
        "policy": row.policy,
        "policy_hash": row.policy_hash,
        "policy_since": since,
        "rule": row.rule,
        "reason": row.decision_reason,
        "overrides": _overrides(row),
        "backend": row.backend,
        "plan": None,
        "skipped": None,
        "dropped": row.dropped.split(", ") if row.dropped else [],
        "denied": refused if row.attempt == 0 and row.outcome != "ok" else None,
        "cached_from": row.cached_from,
        "attempts": [{"backend": r.backend, "outcome": r.outcome, "error": r.error_code} for r in rows if r.attempt],
        "generation": row.generation,
        "trace": (row.trace or "").splitlines(),
        "facts": facts,
    }


_SINCE = {
    "same": "the same as now",
    "changed": "changed since: the same request may go elsewhere now",
    "gone": "no longer in the configuration",
}


def _lines(rows: Sequence[UsageRecord], since: str | None) -> Iterable[str]:
    row = rows[-1]
    told = f", {_SINCE[since]}" if since else ""
    lines = [
        ("call", f"{row.request_id}, {iso(row.started_at)}, generation {row.generation}"),
        ("asked", f"{row.alias} ({row.api})"),
        ("class", row.cls),
        ("policy", f"{row.policy} {row.policy_hash or ''}".rstrip() + told),
        *(("override", each) for each in _overrides(row)),
        ("rule", f"{row.rule or 'none'}{f': {row.decision_reason}' if row.decision_reason else ''}"),
        *(("attempt", _attempt(each)) for each in rows),
        ("dropped", row.dropped),
    ]
    yield from (f"{name:<10}{text}" for name, text in lines if text)
    yield from story((row.trace or "").splitlines(), _facts(row))


def _attempt(row: UsageRecord) -> str:
    where = f"{row.backend} ({row.upstream_model})" if row.backend else "no backend was asked"
    if row.cached_from:
        return f"the answer of {row.cached_from} again, first given by {where}"
    why = f": {row.error_message}" if row.error_message else ""
    return f"{where}, {row.outcome}{why}"
