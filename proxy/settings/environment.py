"""What the environment adds to the file: ``${VAR}`` in values, secrets in files, ``TURNOUT_…`` overrides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

from proxy.settings.source import Mistake, Path, Problem, Source

PREFIX = "TURNOUT_"
_TOP = ("CARDS", "DEMO", "VERSION")
"""The sections that are scalars: the only overrides without ``__``."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\}")
_SECRET_FILES = {"credential_file": "credential", "secret_file": "secret", "admin_key_file": "admin_key"}
_NO_CREDENTIAL = "no credential"


class _Unset(Exception):  # noqa: N818 - a fact about the environment
    """A variable that must be set is not; the text says which, and how to mend it."""


def substitute(source: Source, env: Mapping[str, str]) -> tuple[dict[str, str], list[Mistake]]:
    """Replace every ``${VAR}`` in place. Returns the backends that are left out for want of a credential
    (name -> reason), and the problems: an unset variable anywhere else."""
    absent: dict[str, str] = {}
    unset_elsewhere: list[Mistake] = []

    def scalar(path: Path, text: str) -> str:
        if path in source.origins:
            return text
        secret = len(path) == 3 and path[0] == "backends" and path[2] == "credential"
        try:
            result = _VARIABLE.sub(lambda found: _expand(found, env, empty=not secret), text)
        except _Unset as unset:
            if secret:
                absent[str(path[1])] = f"{_NO_CREDENTIAL}: {unset}"
            else:
                unset_elsewhere.append((path, str(unset)))
            return ""
        return result

    source.value = _mapped(source.value, (), scalar)
    for name in absent:
        del source.value["backends"][name]["credential"]
    return absent, unset_elsewhere


def read_secret_files(source: Source, folder: FilePath) -> list[Mistake]:
    """Replace every ``*_file:`` of a secret in place by what the file says. Relative paths start at ``folder``."""
    found: list[Mistake] = []
    for path, holder in _holders(source.value):
        for key, target in _SECRET_FILES.items():
            name = holder.get(key)
            if not isinstance(name, str):
                continue
            if holder.get(target) is not None:
                found.append(((*path, key), f"'{target}' stands here too: keep one of them"))
                continue
            try:
                text = (folder / name).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "not UTF-8"
                found.append(((*path, key), f"cannot read '{name}' ({why}): mount it or fix the path"))
                continue
            del holder[key]
            holder[target] = text
            source.lines.setdefault((*path, target), source.line((*path, key)))
    return found


def override(source: Source, env: Mapping[str, str]) -> list[Problem]:
    """Apply ``TURNOUT_SERVER__PORT=4001`` and the like in place, each to a scalar.

    Names of one part that are no section (``TURNOUT_CONFIG``) are not ours and are left alone.
    """
    problems: list[Problem] = []
    for name in sorted(env):
        steps = name.removeprefix(PREFIX).split("__")
        if name.startswith(PREFIX) and (len(steps) > 1 or steps[0] in _TOP):
            message = _set(source, steps, name, env[name])
            if message is not None:
                problems.append(Problem("environment", 1, f"{name}: {message}"))
    return problems


def _set(source: Source, steps: list[str], variable: str, value: str) -> str | None:
    holder: Any = source.value
    path: Path = ()
    for index, step in enumerate(steps):
        key = _key(holder, step)
        if isinstance(holder, list) and not isinstance(key, int):
            return f"'{step}' is not the number of an entry of the list (0 to {len(holder) - 1})"
        path = (*path, key)
        found = holder[key] if isinstance(key, int) else holder.get(key)
        if index == len(steps) - 1:
            if isinstance(found, dict | list):
                return "only a single value can be set from the environment, and this is a section"
            holder[key] = value
        elif found is None and isinstance(holder, dict):
            holder[key] = holder = {}
        elif isinstance(found, dict | list):
            holder = found
        else:
            return f"'{key}' is a single value, nothing is below it"
    source.origins[path] = variable
    return None


def _key(holder: Any, step: str) -> str | int:
    """The key that the file has for ``step``, whatever its case and punctuation; a new one is lower case."""
    if isinstance(holder, list):
        return int(step) if step.isdecimal() and int(step) < len(holder) else step
    for key in holder:
        if re.sub(r"[^A-Z0-9]", "_", str(key).upper()) == step.upper():
            return str(key)
    return step.lower()


def _expand(found: re.Match[str], env: Mapping[str, str], *, empty: bool) -> str:
    name, operator, word = found.groups()
    value = env.get(name, "")
    if value or (empty and operator is None and name in env):
        return value
    if operator == ":-":
        return str(word)
    raise _Unset(word if operator == ":?" and word else f"set {name} in the environment, or write ${{{name}:-default}}")


def _mapped(value: Any, path: Path, scalar: Callable[[Path, str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(item, (*path, key), scalar) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, (*path, index), scalar) for index, item in enumerate(value)]
    return scalar(path, value) if isinstance(value, str) and "${" in value else value


def _holders(document: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    found: list[tuple[Path, Any]] = [(("server",), document.get("server"))]
    backends, keys = document.get("backends"), document.get("keys")
    if isinstance(backends, dict):
        found += [(("backends", name), item) for name, item in backends.items()]
    if isinstance(keys, list):
        found += [(("keys", index), item) for index, item in enumerate(keys)]
    return [(path, item) for path, item in found if isinstance(item, dict)]
