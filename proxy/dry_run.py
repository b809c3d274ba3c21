"""What a configuration would change, worked out in a process of its own: no call waits for it.

``python -P -m proxy.dry_run``: one question on stdin, one answer on stdout, both JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import msgspec
from msgspec import Struct

from proxy.changes import affected, changes
from proxy.effects import decisions, effects, grounds
from proxy.key_desk import of_entry
from proxy.keyed import built, stored
from proxy.ledger.book import open_book
from proxy.ledger.schema import LedgerError
from proxy.settings import ConfigError
from proxy.settings.grammar import Key
from proxy.snapshot import Snapshot, build_text
from proxy.state.store import StoreFailed


class Question(Struct, frozen=True, kw_only=True):
    """``old`` is the text in force, ``new`` the one to be weighed, both whole; ``last``: decisions to look at."""

    old: str
    new: str
    file: str
    last: int


async def weigh(question: Question) -> dict[str, Any]:
    """The changes, and their effect on the last decisions; or what is wrong with the new text."""
    env = os.environ
    try:
        new = await built(question.new, file=question.file, generation=0, env=env)
    except ConfigError as error:
        problems = msgspec.to_builtins(error.problems)
        return {"ok": False, "error": str(error.problems[0]), "problems": problems}
    old = build_text(question.old, file=question.file, generation=0, env=env, has_keys=True, compared=True)
    found = changes(old.config, new.config)
    notes = list(_notes(old, new))
    answer = {
        "ok": True,
        "hash": new.hash[:12],
        "in_force": old.hash[:12],
        "changes": msgspec.to_builtins(found),
        "affected": affected(found),
        "restart": [change.path for change in found if change.restart],
        "warnings": list(new.warnings),
        "effects": None,
    }
    try:
        rows = open_book(old.config.ledger.url).rows(limit=2 * question.last)
        sides = grounds(old, new, await _keys(old, notes))
        answer["effects"] = effects(decisions(rows, question.last), *sides).plain()
    except LedgerError as error:
        notes.append(f"the ledger cannot be read, so that no decision was looked at: {error}")
    return {**answer, "notes": notes}


async def _keys(old: Snapshot, notes: list[str]) -> list[Key]:
    """The keys of the store that are good now, also those whose team is gone by the file."""
    try:
        entries = (await stored(old.config)).entries
    except StoreFailed as error:
        notes.append(f"the keys of the store cannot be read, so that their calls count as refused: {error}")
        return []
    states = [(entry, of_entry(entry, old.config, time.time()).state) for entry in entries]
    return [entry.key for entry, state in states if state in {"active", "no team"}]


def _notes(old: Snapshot, new: Snapshot) -> list[str]:
    """What the numbers do not know."""
    told = ["every backend is taken to be in health and idle, but for those that were away at the call"]
    kinds = [
        {kind for kind, _, _ in each.sought.detectors} if each.sought is not None else set() for each in (old, new)
    ]
    if fresh := sorted(kinds[1] - kinds[0]):
        told.append(f"no text is kept, so that nobody knows what these patterns would have found: {', '.join(fresh)}")
    return told


def main() -> None:
    """Questions come from the supervisor alone."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    os.nice(5)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(weigh(question))))


if __name__ == "__main__":
    main()
