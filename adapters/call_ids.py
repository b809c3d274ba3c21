"""Ids of tool calls that every vendor takes: the same id always becomes the same one."""

from __future__ import annotations

from adapters.names import BAD, marked


def legal_id(given: str) -> str:
    """A tool call's id within ``[a-zA-Z0-9_-]+``; a valid one is unchanged, two different ones stay different (G11)."""
    return given if given and not BAD.search(given) else marked(given)
