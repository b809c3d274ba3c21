"""A configuration's text as it may be shown: written as it was, comments and all, with literal secrets hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.settings.source import ConfigError, Path, parse

SECRETS = frozenset({"credential", "secret", "admin_key"})
"""Keys whose values are secrets, or lists of them."""
HEADERS = "headers"
"""Keys whose members' values are."""
_RULES = frozenset({"policies", "guards"})
"""Where ``headers`` is a condition."""
_HIDDEN = "***"
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|rk|AIza|gsk|xai|hf|ghp)[-_A-Za-z0-9]{12,}")
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(@)")


def masked(text: str) -> str:
    """``${VAR}`` stays, for it tells no secret. A text that is no YAML, or hides a secret over several lines, is not
    shown at all."""
    try:
        source = parse(text, "")
    except ConfigError:
        return "# this text is not valid YAML, so that nobody knows what of it is secret\n"
    lines = text.splitlines(keepends=True)
    for path, value in _secrets(source.value, ()):
        at = source.line(path) - 1
        if value not in lines[at]:
            return "# a secret stands here over several lines, so that this text is not shown\n"
        lines[at] = lines[at].replace(value, _HIDDEN)
    return _PASSWORD.sub(rf"\1{_HIDDEN}\2", _LIKE_A_KEY.sub(_HIDDEN, "".join(lines)))


def _secrets(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every literal secret and where it stands."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            here = (*path, key)
            if key in SECRETS:
                yield from _literal(each, here)
            elif key == HEADERS and path[:1] and path[0] not in _RULES and isinstance(each, Mapping):
                for name, member in each.items():
                    yield from _literal(member, (*here, name))
            else:
                yield from _secrets(each, here)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _secrets(each, (*path, index))


def _literal(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _literal(each, (*path, index))
    elif value is not None and (text := _VARIABLE.sub("", str(value))) and text != "from_client":
        yield path, str(value)
