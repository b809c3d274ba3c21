"""What a policy says: who asks, what was decided and why, which targets are left, and what to do after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from adapters import ir
from policies.data_classes.data_class import RESTRICTED
from policies.limits.limit import Limit

if TYPE_CHECKING:
    from policies.classify import Verdict
    from policies.rules.terms import Terms


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks. Without keys everyone on loopback is ``local``. ``key_id`` never is the secret."""

    key_id: str | None = None
    name: str = "local"
    team: str | None = None
    tags: tuple[str, ...] = ()
    data_class: str | None = None
    """The key's own; ``team_data_class`` the team's."""
    team_data_class: str | None = None
    pin: bool | Literal["local"] = True
    policy: Mapping[str, str] = {}
    """alias -> policy, and ``default``: the team's own choice."""
    owner: str | None = None
    """Who has the key, where it is no team's."""
    aliases: tuple[str, ...] | None = None
    """The model names that it may ask for (``*`` is any text); None: all."""
    expires: float | None = None
    """Seconds since 1970; None: never."""
    limits: tuple[Limit, ...] = ()
    """The team's, then the key's own: every one of them must hold."""

    @property
    def tenant(self) -> str:
        """Whose stored turns, cache and usage these are (D15)."""
        return self.team or self.owner or self.name


class Target(Struct, frozen=True):
    """A backend on offer, and how a writer sees it."""

    backend: str
    upstream: ir.Upstream
    local: bool = False
    unproven: frozenset[str] = frozenset()
    """Abilities that it may have and that nobody has vouched for: neither its card nor the operator."""
    places: int | None = None
    """Calls that it takes at once from here; None: no limit is set."""


class Told(Struct, frozen=True):
    """A class that came from outside (S24). ``by``: ``header`` | ``hook``."""

    cls: str
    by: str


class Arranged(Struct, frozen=True):
    """Targets in the order in which they are tried, and what the trace tells of how it came about."""

    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}
    """What the ledger keeps of it (D16)."""
    late: frozenset[str] = frozenset()
    """Backends that stand behind because their answer would begin too late."""


class Denied(Struct, frozen=True):
    """A refusal by policy, guard or pin."""

    reason: str
    status: int = 403
    code: str = "policy_denied"
    param: str | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided, and why. Headers, log line, ledger row and ``explain`` all show this one value."""

    policy: str
    policy_hash: str = ""
    rule: str = ""
    """Which rule ended the walk: ``hybrid[2]``, ``guards[0]``, ``pinned``."""
    reason: str | None = None
    cls: str | None = None
    """simple | moderate | complex, or None when no rule looked."""
    score: float | None = None
    gate: str | None = None
    verdict: Verdict | None = None
    """What the classifier found, with every contribution; None when nobody asked it."""
    plan: tuple[Target, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    """(backend, why it was left out)."""
    dropped: Mapping[str, tuple[ir.Named, ...]] = {}
    """backend -> what its writer will leave out."""
    set: Mapping[str, Any] = {}
    """What ``set`` rules changed: effort, max_output_tokens …"""
    terms: Terms | None = None
    """What the rules ask for beside the targets: cache, condensing, escalation, stickiness."""
    data_class: frozenset[str] = frozenset()
    """The labels in force, those of rules and patterns included."""
    allowed: frozenset[str] | None = None
    """The backends that guards and rules let this data meet, also where a helper call takes it; None: any."""
    denied: Denied | None = None
    overrides: tuple[str, ...] = ()
    """What operators have turned that it stands on: ``policy auto=local_only; until=…; generation=3``."""
    pinned: bool = False
    trace: tuple[str, ...] = ()
    """Every rule that was looked at, one line each."""
    facts: Mapping[str, Any] = {}
    """Every value that a rule could read (D16), without any prompt text."""

    @property
    def restricted(self) -> bool:
        """May only local backends meet this data?"""
        return RESTRICTED in self.data_class


class Step(Struct, frozen=True):
    """After a failure: try again, take the next target, or stop. ``wait`` in seconds."""

    what: Literal["again", "next", "stop"]
    wait: float = 0.0
    why: str = ""
    later: bool = False
    """The upstream has named a time that is too far for us and not for the client."""
