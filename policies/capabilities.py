"""What a request needs against what a backend can do, beyond what its dialect already refuses."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import ir
from policies.facts import Facts

CONTEXT = "context_length"
"""The name under which a too small context is told."""
ABILITIES = frozenset({"tools", "images", "files", "audio", CONTEXT})
"""Every name that is told here."""


def lacks(facts: Facts, able: ir.Capabilities) -> list[ir.Named]:
    """All that this request needs and the backend has not; empty while the body is unread."""
    return [] if facts.request is None else [*_abilities(facts, able), *_context(facts, able)]


def _abilities(facts: Facts, able: ir.Capabilities) -> Iterator[ir.Named]:
    modality = facts.modality
    if "tools" in facts.needs and not able.tools:
        yield ir.Named("tools", "this backend has no tool use", "contract")
    if "image" in modality and not able.images:
        yield ir.Named("images", "this backend takes no images", "contract")
    if "file" in modality and not able.files:
        yield ir.Named("files", "this backend takes no files", "contract")
    if "audio" in modality and not able.audio:
        yield ir.Named("audio", "this backend takes no sound", "contract")


def _context(facts: Facts, able: ir.Capabilities) -> Iterator[ir.Named]:
    """The estimate is rough, so a request is left out only when it is surely or very likely too long."""
    if able.context is None or facts.request is None:
        return
    asked = min(facts.request.max_output_tokens or 0, able.max_output or able.context)
    if facts.input_tokens + asked > able.context:
        why = f"about {facts.input_tokens} input + {asked} output tokens are over its context of {able.context}"
        yield ir.Named(CONTEXT, why, "contract")
