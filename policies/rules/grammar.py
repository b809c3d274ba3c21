"""The words of the rule language as ``proxy.yaml`` spells them: rules, guards, policies, routes; not yet compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from policies.overrides import Override
from policies.retries import Retries

Path: TypeAlias = tuple[str | int, ...]
"""Where in the file: ``("policies", "night", "rules", 0, "when", "class")``."""

Problem: TypeAlias = tuple[Path, str]
"""Where, and what is wrong with its mend."""

Order: TypeAlias = Literal["listed", "weighted", "least_busy", "cheapest"]

RESERVED = ("hedge",)
"""Words that are understood but change nothing yet; compiling warns of them."""


class RuleErrors(Exception):  # noqa: N818 - many errors, told together
    """The rules cannot be compiled; ``problems`` names every place and its mend."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, path))}: {text}" for path, text in problems))
        self.problems: list[Problem] = list(problems)


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"continue_": "continue"}):
    """One line of a policy: when it applies, and what it then does. Without ``when`` it always applies."""

    when: dict[str, Any] | None = None
    use: list[str] | None = None
    """Roles, pools and backends, in the order in which they are tried."""
    only: dict[str, Any] | None = None
    """Leaves out every target that is not of this kind: ``{local: true}`` or ``{backends: [oss]}``."""
    deny: str | None = None
    """Refuses the request with this reason."""
    set: dict[str, Any] | None = None
    """Changes the request: ``effort``, ``max_output_tokens``, ``temperature``, ``top_p``; or how it is treated:
    ``cache``, ``data_class``."""
    continue_: bool = False
    """The walk goes on after this rule."""
    reason: str | None = None
    order: Order | None = None
    """How the targets are tried: as listed (the default), by ``weights``, the least busy or the cheapest first."""
    weights: dict[str, float] | None = None
    sticky: Literal["never", "tool_loop", "conversation"] | None = None
    condense: str | dict[str, Any] | None = None
    escalate: bool | list[str] | dict[str, Any] | None = None
    ttft_target: str | float | None = None
    """A backend whose answer would begin later than this is not asked first."""
    hedge: Any = None


class Guard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that stands before every policy and that nothing overrides. Every guard is looked at."""

    when: dict[str, Any] | None = None
    only: dict[str, Any] | None = None
    deny: str | None = None
    reason: str | None = None


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules in order. With ``extends``: ``before``, then ``rules``, then all of the parent's, then ``after``."""

    extends: str | None = None
    before: list[Rule] = []
    rules: list[Rule] = []
    after: list[Rule] = []
    unsupported: Literal["drop", "reject"] | None = None
    """Tuning and unknown fields that a target cannot take: dropped and named (default), or the target is skipped."""
    retries: Retries | None = None
    sticky: Literal["never", "tool_loop", "conversation"] | None = None
    """For all its rules: when a thread stays with the backend that answered it; ``tool_loop`` by default."""
    ttft_target: str | float | None = None


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an alias leads: through a policy, or straight to ``use``."""

    alias: str
    policy: str | None = None
    use: tuple[str, ...] | None = None
    defaults: Mapping[str, Any] = {}
    """Fill only what the client left out."""
    baseline: str | None = None
    """provider/model whose price the savings are counted against."""
    listed: bool | None = None
    """Shown in ``/v1/models``; None: yes unless the alias is a pattern."""
    mirror: bool = False
    """Responses: reasoning summaries also as reasoning text, and always a reasoning item first (D25)."""
    reasoning_field: str = "reasoning_content"
    """Chat: where reasoning is shown."""
    ttft_target: float | None = None
    """Seconds; the alias's own, where no rule says otherwise."""
    override: Override | None = None
    """The operator's word for a while, which stands before every choice of a policy."""
