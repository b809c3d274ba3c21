"""What a question may ask of the demo in so many words: tools by name, step by step, and text word for word."""

from __future__ import annotations

import re

_STEP = re.compile(r"\buse the tools? ([\w-]+(?: and [\w-]+)*)", re.IGNORECASE)
_FENCED = re.compile(r"```\n(.*?)```", re.DOTALL)


def steps(question: str) -> list[list[str]]:
    """The tools to call, step by step: "use the tool a, then use the tools b and c" is ``[[a], [b, c]]``."""
    return [found.split(" and ") for found in _STEP.findall(question)]


def means(word: str, name: str, namespace: str | None) -> bool:
    """Whether ``word`` names this tool: with its namespace or without, wherever that is told."""
    whole = name if namespace is None else f"{namespace}__{name}"
    return whole == word or whole.endswith(f"__{word}")


def verbatim(question: str) -> str | None:
    """The first text between fences (three backquotes), which a tool is to get as it stands."""
    found = _FENCED.search(question)
    return None if found is None else found[1]
