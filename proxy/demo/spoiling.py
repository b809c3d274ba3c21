"""Answers of models that do not keep to a format, chosen by the model's name or ``x-demo-fault`` like the other faults.

``json-broken``: cut in the middle, or with arguments that nobody asked for. ``json-prose``: between prose, in a code
fence. ``json-mended``: broken until the model is shown an answer of its own.
"""

from __future__ import annotations

import re

from proxy.demo.base import Ask, Json

_NAME = re.compile(r"(?:^|fault-)(json-broken|json-prose|json-mended)$")


def spoil_of(ask: Ask) -> str:
    """How the call wants its answer spoilt; empty for not at all."""
    found = _NAME.search(ask.headers.get("x-demo-fault", "") or ask.model)
    return found[1] if found else ""


def spoil_text(how: str, text: str, *, again: bool) -> str:
    """``again``: the model has been shown an answer of its own."""
    if how == "json-prose":
        return f"Here is what you asked for:\n\n```json\n{text}\n```\n\nShall I go on?"
    return text[: len(text) // 2] if _broken(how, again) else text


def spoil_arguments(how: str, arguments: Json, *, again: bool) -> Json:
    """A tool's arguments, likewise."""
    return {"unasked": True} if _broken(how, again) else arguments


def _broken(how: str, again: bool) -> bool:
    return how == "json-broken" or (how == "json-mended" and not again)
