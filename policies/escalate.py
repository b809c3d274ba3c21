"""Is an answer too bad to be given to the client while a better backend is left to ask?"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from policies.grammar import Path, Problem


class Escalation(Struct, frozen=True, kw_only=True):
    """``escalate: true``, ``escalate: [refusal, empty]`` or ``escalate: {on: […], logprob_below: -1.5}``."""

    on: frozenset[str]


SIGNS = ("refusal", "empty", "truncated", "invalid_json", "logprob")
"""What makes an answer bad."""


def read_escalate(value: Any, path: Path) -> tuple[Escalation | None, list[Problem]]:
    """The rule's words, or what is wrong with them."""
    wanted = list(SIGNS) if value is True else value
    if not isinstance(wanted, list) or not set(wanted) <= set(SIGNS):
        return None, [(path, f"takes true or a list of {', '.join(SIGNS)}, not {value!r}")]
    return Escalation(on=frozenset(wanted)), []
