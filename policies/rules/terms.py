"""What a rule asks for beside its targets: their order, and how the call is to be treated."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from policies.caching import Caching
from policies.condensing.condense import Condensing
from policies.escalation.escalate import Escalation
from policies.rules.grammar import Order
from policies.sticky import Sticky


class Terms(Struct, frozen=True, kw_only=True):
    """None: the rule says nothing of it, and what stood before holds."""

    order: Order | None = None
    weights: Mapping[str, float] | None = None
    """backend -> weight, for ``order: weighted``."""
    sticky: Sticky | None = None
    ttft_target: float | None = None
    """Seconds to the first token beyond which the next target is tried first."""
    cache: Caching | None = None
    condense: Condensing | None = None
    escalate: Escalation | None = None
    data_class: str | None = None
    """Raises the request's."""

    def over(self, before: Terms) -> Terms:
        """These terms, and where they say nothing those that stood before."""
        if self is NO_TERMS or self is before:
            return before
        if before is NO_TERMS:
            return self
        return Terms(
            **{
                name: getattr(before, name) if getattr(self, name) is None else getattr(self, name)
                for name in self.__struct_fields__
            }
        )


NO_TERMS = Terms()
