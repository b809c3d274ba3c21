"""Attempt: one try at one backend, with all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters import ir
from adapters.dialect import Passable
from adapters.fitting import Emulation, Fitted
from adapters.states import Keeper
from policies.escalation.escalate import Confidence, Escalation
from policies.reasoning import Source
from policies.verdict import Target

if TYPE_CHECKING:
    from adapters.recording import Recording
    from adapters.relay import StreamRelay
    from proxy.classed import Called
    from proxy.gates import Gate
    from proxy.judging import Judge
    from proxy.limits.quotas import Asked
    from proxy.pump import Opened
    from proxy.snapshot import Backend

MAX_DROPPED = 1000
"""Characters of the names that a header and a row tell."""


@dataclass(slots=True)
class Attempt:
    """One try at one backend: one row in the ledger."""

    number: int
    target: Target
    backend: Backend
    wire: Passable
    upstream: ir.Upstream
    exact: bool
    started: float
    sent: float | None = None
    streamed: bool = False
    """Its first event is its first token, not its end."""
    cold: bool = False
    """Its model may have to be loaded first."""
    first_event: float | None = None
    ended: float | None = None
    status: int | None = None
    upstream_status: int | None = None
    outcome: str | None = None
    failure: ir.Failure | None = None
    usage: ir.Usage | None = None
    model: str | None = None
    response_id: str | None = None
    call: str | None = None
    """The id of the first tool call in its answer."""
    upstream_id: str | None = None
    """Of its request, from the answer's headers."""
    finish: str | None = None
    effort: str | None = None
    traceparent: str | None = None
    relay: StreamRelay | None = None
    """What tells a streamed answer, from its first event on."""
    recording: Recording | None = None
    """What is overheard of an answer that is to be kept."""
    called: Called | None = None
    """What is overheard of its tool calls, where its data has a class."""
    dropped: tuple[ir.Named, ...] = ()
    fitted: Fitted | None = None
    """The request in words that this upstream has; None where its bytes pass unread."""
    request: ir.Request | None = None
    """What is written: the fitted request, with the state that its vendor must get back."""
    fetched: Mapping[ir.Need, ir.Media] = field(default_factory=dict)
    removed: tuple[ir.Removed, ...] = ()
    keeper: Keeper | None = None
    judge: Judge | None = None
    """Of an answer whose format is emulated."""
    correction: tuple[ir.Message, ...] = ()
    """The bad answer and what is wrong with it: what the next attempt at this backend is shown."""
    corrects: tuple[ir.Message, ...] = ()
    """The correction that this attempt was shown."""
    escalation: Escalation | None = None
    """By what its answer is judged before it is told; None: it is given as it is."""
    confidence: Confidence | None = None
    """What its tokens' log-probabilities say, where they are asked for."""
    sign: str | None = None
    """What made its answer poor."""
    poor: Opened | None = None
    """That answer, put by in case that nobody gives a better one."""
    answered: bool = False
    """The upstream did its part: a client that leaves says nothing about a backend's health."""
    reasoning_chars: int = 0
    answer_chars: int = 0
    estimated: bool = False
    """The count is our own estimate."""
    aside: bool = False
    """As in ``Api.tokenizes``."""
    probe: bool = False
    """It went out while the breaker was half-open, to find out."""
    gate: Gate | None = None
    """Where it has a place, as long as it has one."""
    asked: Asked | None = None
    """What it was given of its vendor's quotas."""
    flags: list[str] = field(default_factory=list)
    """What the ledger is to show of this attempt: ``truncated_prompt``, ``poor_answer empty``."""
    cost: int | None = None
    """Nano-dollars; None when tokens or price are unknown."""
    price_source: str | None = None
    unit_prices: str | None = None
    entered: int | None = None
    """Where its machine's clock stood when it went there (``state.machines``); None: it is not there."""
    machine_time: int | None = None
    """Its share of the machine's time, nanoseconds; None: its backend is none, or it has not ended."""
    reasoning_tokens: int | None = None
    reasoning_source: Source | None = None
    usage_counted: bool = False
    """The upstream told no output; it is the count of what was said."""

    def __repr__(self) -> str:
        """Without what was asked and answered: that is nobody's but the client's."""
        return f"Attempt({self.number}, {self.backend!r}, {self.outcome!r})"

    @property
    def emulation(self) -> Emulation | None:
        """How this attempt's answer is brought into the format that was asked for; None: the upstream enforces it."""
        return self.fitted.emulation if self.fitted is not None else None

    @property
    def collected(self) -> bool:
        """Is its answer judged as a whole before a byte of it is told?"""
        return self.emulation is not None or self.escalation is not None

    @property
    def hear(self) -> Callable[[ir.Event], None] | None:
        """Who else is told the events of this answer."""
        if self.called is None or self.recording is None:
            one = self.recording or self.called
            return one.hear if one is not None else None
        first, second = self.recording.hear, self.called.hear

        def hear(event: ir.Event) -> None:
            first(event)
            second(event)

        return hear

    def streams(self, head: ir.Head) -> bool:
        """Is the upstream asked for a stream? What must be judged as a whole is asked for as a whole."""
        return head.stream and not self.collected

    @property
    def dropped_names(self) -> str:
        """What the upstream is not told, each name once; bounded, for unknown fields have their client's names."""
        if not self.dropped:
            return ""
        text = ", ".join(dict.fromkeys(named.name for named in self.dropped))[:MAX_DROPPED]
        return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
