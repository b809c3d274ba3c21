"""Two configurations side by side: which keys differ, with secrets hidden, and which of them take a restart."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from proxy.config import Config
from proxy.ledger import address
from proxy.settings.source import Path, dotted
from proxy.settings.units import Secret, Secrets, shown

_HIDDEN = "***"
_SECRET, _URL = "\0secret ", "\0url "
"""What stands before a secret's mark, and before an address that may hold a password; no text of a file can."""
_INTERNAL = frozenset({"warnings", "absent", "filled", "measured"})
_RESTART = (
    ("server", "host"), ("server", "port"), ("server", "workers"), ("ledger", "url"), ("telemetry", "otlp"),
    ("state", "redis"),
)  # fmt: skip
"""What a reload cannot change."""
_LONG = 120
_KEYED = "name"
"""Entries of a list that have one are told by it, and not by their place."""


class Change(Struct, frozen=True, omit_defaults=True):
    """One key. A side that has no such key is None, and ``kind`` says so."""

    path: str
    kind: str
    """``changed`` | ``added`` | ``removed``."""
    old: Any = None
    new: Any = None
    restart: bool = False


def changes(old: Config, new: Config) -> list[Change]:
    """Every key that differs, in the order of the grammar. Secrets are hidden, but told where they differ."""
    mark = secrets.token_bytes(16)
    return list(_compared(_plain(old, mark), _plain(new, mark), ()))


def restarts(old: Config, new: Config) -> list[str]:
    """The keys among them that take a restart."""
    return [change.path for change in changes(old, new) if change.restart]


def affected(found: Sequence[Change]) -> dict[str, list[str]]:
    """The aliases, policies, backends and so on that have a change, each once."""
    told: dict[str, list[str]] = {}
    for change in found:
        section, _, rest = change.path.replace("[", ".", 1).partition(".")
        if section in {"aliases", "policies", "backends", "teams", "keys", "pools", "roles"} and rest:
            name = rest.partition(".")[0].partition("[")[0]
            if name not in told.setdefault(section, []):
                told[section].append(name)
    return told


def _plain(config: Config, mark: bytes) -> dict[str, Any]:
    """As plain values, with each secret as a mark by which it is told from another and by nobody else."""

    def hidden(value: Any) -> Any:
        if isinstance(value, Secret):
            return _SECRET + hmac.digest(mark, value.reveal().encode(), "sha256").hex()
        if isinstance(value, Secrets):
            return [hidden(each) for each in value]
        return shown(value)

    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=hidden)
    for section, name in (("ledger", "url"), ("state", "redis")):
        url = plain[section][name]
        if url is not None:
            plain[section][name] = _URL + url
    return {name: value for name, value in plain.items() if name not in _INTERNAL}


def _compared(old: Any, new: Any, path: Path) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _member(old, new, name, (*path, str(name)))
    elif _listed(old) and _listed(new):
        by_name = [{each[_KEYED]: each for each in side} for side in (old, new)]
        for name in [*by_name[0], *(name for name in by_name[1] if name not in by_name[0])]:
            yield from _member(by_name[0], by_name[1], name, (*path, str(name)))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and old and new:
        yield from _in_order(old, new, path)
    elif old != new:
        yield _change("changed", path, old, new)


def _member(old: Mapping[Any, Any], new: Mapping[Any, Any], name: Any, path: Path) -> Iterator[Change]:
    if name not in new:
        yield _change("removed", path, old[name], None)
    elif name not in old:
        yield _change("added", path, None, new[name])
    else:
        yield from _compared(old[name], new[name], path)


def _in_order(old: Sequence[Any], new: Sequence[Any], path: Path) -> Iterator[Change]:
    """Lists of words are one value; lists of rules are compared place by place."""
    if not any(isinstance(each, Mapping) for each in (*old, *new)):
        if old != new:
            yield _change("changed", path, old, new)
        return
    for index in range(max(len(old), len(new))):
        here = (*path, index)
        if index >= len(new):
            yield _change("removed", here, old[index], None)
        elif index >= len(old):
            yield _change("added", here, None, new[index])
        else:
            yield from _compared(old[index], new[index], here)


def _listed(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(e, Mapping) and _KEYED in e for e in value)
    )


def _change(kind: str, path: Path, old: Any, new: Any) -> Change:
    return Change(dotted(path), kind, _seen(old), _seen(new), path in _RESTART)


def _seen(value: Any) -> Any:
    """The value fit for eyes: nothing secret, nothing endless, no key that was left to its default."""
    if isinstance(value, str) and value.startswith(_SECRET):
        return _HIDDEN
    if isinstance(value, str) and value.startswith(_URL):
        return address.shown(value.removeprefix(_URL))
    if isinstance(value, Mapping):
        seen = {name: _seen(each) for name, each in value.items()}
        return {name: each for name, each in seen.items() if each not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [_seen(each) for each in value]
    return f"{value[:_LONG]}…" if isinstance(value, str) and len(value) > _LONG else value
