"""Backends that cut prompts without a word: rows are flagged, the operator is warned, the context is lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapters import ir
from policies.facts import estimate_input
from policies.prompt import media
from policies.truncation import FLAG, Cut, Seen, count_words, judge
from proxy.attempt import Attempt
from proxy.call import Call

Warn = Callable[[str, Cut, int | None], None]
"""Hears, once for each backend and configuration, who cuts, by how much, and the limit that counts from then on."""


class Truncation:
    """What this worker has seen of each backend under one configuration: the next one may name a mended server."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._generation = 0
        self._seen: dict[str, Seen] = {}
        self._warned: set[tuple[str, bool]] = set()
        self.contexts: Mapping[str, int] = {}
        """``Moment.contexts``."""

    def adopt(self, generation: int) -> None:
        """Begin anew with another configuration."""
        self._generation, self._seen, self._warned, self.contexts = generation, {}, set(), {}

    def note(self, call: Call, attempt: Attempt) -> None:
        """An attempt is over: flag it where its prompt was cut."""
        request = _readable(call, attempt)
        reported = attempt.usage.input if attempt.usage is not None else None
        if request is None or reported is None or call.snapshot.generation != self._generation:
            return
        name = attempt.backend.name
        seen, cut = judge(
            self._seen.get(name, Seen()),
            estimate_input(request),
            reported,
            words=lambda enough: count_words(request, enough),
            context=attempt.upstream.capabilities.context,
        )
        self._seen[name] = seen
        self._correct(name, seen.limit)
        if cut is not None:
            attempt.flags.append(FLAG)
            self._tell(name, cut, seen.limit)

    def _correct(self, name: str, limit: int | None) -> None:
        if limit != self.contexts.get(name):
            others = {other: tokens for other, tokens in self.contexts.items() if other != name}
            self.contexts = others if limit is None else {**others, name: limit}

    def _tell(self, name: str, cut: Cut, limit: int | None) -> None:
        """Once when it is seen, and once more when the limit is known by which calls are planned."""
        told = (name, limit is not None)
        if told not in self._warned:
            self._warned.add(told)
            self._warn(name, cut, limit)


def _readable(call: Call, attempt: Attempt) -> ir.Request | None:
    """What was sent, where its tokens can be judged: a vendor whose bytes pass unread does not cut, and nobody knows
    beforehand what a picture costs."""
    if attempt.exact or attempt.failure is not None or call.api.dialect is None or call.api.counts is not None:
        return None
    request = attempt.request or call.request()
    return request if next(media(request), None) is None else None
