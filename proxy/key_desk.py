"""Where keys of the store are made, replaced, revoked and listed: for the command line and for admins."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from policies.durations import seconds
from proxy import keys, minting
from proxy.callers import moment
from proxy.config import Config
from proxy.settings.checks import check
from proxy.settings.grammar import Key
from proxy.settings.shape import convert, mistakes
from proxy.settings.source import dotted
from proxy.state.keys import Entry, Former, KeyStore, News, plain

State: TypeAlias = Literal["active", "expired", "revoked", "no team", "shadowed"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_RESERVED = frozenset({"local"})
"""What calls without keys are the tenant of."""
_SPAN = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_OWN_SECRET = ("secret", "secret_file", "sha256")
_TRIES = 5
"""How often a key is looked at again that somebody else changes at the same time."""
_FORMERS = 5
"""Replaced secrets of one key that are told apart from wrong ones."""


class NotDone(Exception):  # noqa: N818 - nothing is broken
    """It cannot be done; the message says why, and what can be."""


class InFile(NotDone):
    """The key stands in the configuration, which only its file can change."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' stands in the configuration: change it there")


class Listed(Struct, frozen=True, kw_only=True, rename={"origin": "from"}):
    """One key as it is shown: no secret, no hash. Times are ISO 8601, UTC."""

    name: str
    origin: Literal["file", "store"]
    state: State
    team: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] | None = None
    data_class: str | None = None
    limits: dict[str, Any] = {}
    budget: dict[str, Any] | None = None
    created: str | None = None
    expires: str | None = None
    revoked: str | None = None
    replaced_until: str | None = None
    """The secret before this one works until then."""


def listed(config: Config, news: News, now: float) -> list[Listed]:
    """The file's keys in its order, then the store's by name. ``now``: seconds since 1970."""
    names = {key.name for key in config.keys}
    own = [_shown(key, "file", _state(key, config, now)) for key in config.keys]
    stored = sorted(news.entries, key=lambda entry: entry.key.name)
    return [*own, *(of_entry(entry, config, now, shadowed=entry.key.name in names) for entry in stored)]


def of_entry(entry: Entry, config: Config, now: float, *, shadowed: bool = False) -> Listed:
    """A key of the store as it is shown."""
    state: State = "shadowed" if shadowed else "revoked" if entry.revoked else _state(entry.key, config, now)
    until = max((former.until for former in entry.formers), default=-math.inf)
    return msgspec.structs.replace(
        _shown(entry.key, "store", state),
        created=_iso(entry.created),
        revoked=None if entry.revoked is None else _iso(entry.revoked),
        replaced_until=_iso(until) if until > now and state != "revoked" else None,
    )


async def create(store: KeyStore, config: Config, wanted: Mapping[str, Any], now: float) -> tuple[str, Entry]:
    """The secret, which nobody will be told again, and the key. ``wanted``: the words of an entry under ``keys:``, but
    that ``expires`` may be a span (``90d``). Raises NotDone or StoreFailed."""
    news = await store.news(0)
    problems = [*_misnamed(wanted.get("name"), config, news), *_misspelt(wanted)]
    if problems:
        raise NotDone("; ".join(problems))
    secret = minting.made()
    told = {**wanted, "expires": _expiry(wanted.get("expires"), now), "sha256": keys.digest(secret)}
    key: Key = convert(Key, {name: value for name, value in told.items() if value is not None})
    problems = _mistaken(key, config, news)
    if problems:
        raise NotDone("; ".join(problems))
    entry = Entry(key=key, created=now)
    if not await store.add(entry):
        raise NotDone(f"a key named '{key.name}' was made just now: choose another name")
    return secret, entry


async def rotate(
    store: KeyStore, config: Config, name: str, now: float, *, grace: str = "24h", expires: str | None = None
) -> tuple[str, Entry]:
    """A new secret for a key, and the key; the old one works on for ``grace``. ``expires``: of the key, from now on as
    in ``create``. Raises NotDone or StoreFailed."""
    if in_file(name, config) is not None:
        raise InFile(name)
    until, secret = now + _grace(grace), minting.made()
    later = _expiry(expires, now)

    def change(entry: Entry) -> Entry:
        if entry.revoked is not None:
            raise NotDone(f"'{name}' was revoked on {keys.day(entry.revoked)}: create another key")
        ends = later or entry.key.expires
        if ends is not None and moment(ends) <= now:
            raise NotDone(f"'{name}' expired on {ends}: say until when it is to work now (expires)")
        kept = [msgspec.structs.replace(each, until=min(each.until, until)) for each in entry.formers]
        formers = (*kept, Former(entry.key.sha256 or "", until))[-_FORMERS:]
        key = msgspec.structs.replace(entry.key, sha256=keys.digest(secret), expires=ends)
        return msgspec.structs.replace(entry, key=key, formers=formers)

    return secret, await _changed(store, config, name, change)


async def revoke(store: KeyStore, config: Config, name: str, now: float) -> Entry:
    """The key, which is refused from now on; of one that was revoked before nothing changes. One of the store whose
    name stands in the file, too, can be revoked. Raises NotDone or StoreFailed."""
    return await _changed(
        store, config, name, lambda entry: entry if entry.revoked else msgspec.structs.replace(entry, revoked=now)
    )


def in_file(name: str, config: Config) -> int | None:
    """Where a key of this name stands under ``keys:``."""
    return next((index for index, key in enumerate(config.keys) if key.name == name), None)


async def _changed(store: KeyStore, config: Config, name: str, change: Callable[[Entry], Entry]) -> Entry:
    for _ in range(_TRIES):
        news = await store.news(0)
        entry = next((each for each in news.entries if each.key.name == name), None)
        if entry is None:
            raise _absent(name, config, news)
        changed = change(entry)
        if changed is entry or await store.change(changed):
            return changed
    raise NotDone(f"'{name}' is being changed by somebody else: look at it, and try again")


def _absent(name: str, config: Config, news: News) -> NotDone:
    if in_file(name, config) is not None:
        return InFile(name)
    if name in news.unread:
        return NotDone(f"'{name}' was made by a newer Turnout: use that one")
    return NotDone(f"there is no key '{name}'")


def _misnamed(name: object, config: Config, news: News) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "name: write 1 to 64 letters, digits, dots, dashes, underscores or @, the first a letter or a digit"
    elif name in _RESERVED:
        yield f"name: '{name}' is what calls without keys are known by: choose another"
    elif in_file(name, config) is not None:
        yield f"name: a key named '{name}' stands in the configuration: choose another"
    elif name in news.unread:
        yield f"name: a key named '{name}' exists: choose another"
    else:
        yield from (_taken(entry) for entry in news.entries if entry.key.name == name)


def _taken(entry: Entry) -> str:
    name = entry.key.name
    if entry.revoked is not None:
        return f"name: '{name}' was revoked on {keys.day(entry.revoked)}, and its rows bear its name: choose another"
    return f"name: a key named '{name}' exists: choose another, or replace its secret (turnout keys rotate {name})"


def _misspelt(wanted: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{word}: a key that is made here gets a secret of its own" for word in _OWN_SECRET if word in wanted)
    told = {name: value for name, value in wanted.items() if name not in _OWN_SECRET}
    yield from (_told(path, text) for path, text in mistakes(Key, told))


def _mistaken(key: Key, config: Config, news: News) -> list[str]:
    """By the very checks of the file, with the other keys beside it."""
    others = [*config.keys, *(entry.key for entry in news.entries if entry.revoked is None)]
    document = msgspec.structs.replace(config, keys=(*others, key))
    found = check(document, config.absent, has_keys=True)
    return [_told(path[2:], text) for path, text in found if path[:2] == ("keys", len(others))]


def _told(path: tuple[str | int, ...], text: str) -> str:
    return f"{dotted(path)}: {text}" if path else text


def _expiry(told: object, now: float) -> str | None:
    """A day, a time or a span from now on -> as the grammar has it. Raises NotDone."""
    if not isinstance(told, str):
        return None
    span = _SPAN.fullmatch(told)
    if span is not None:
        return _iso(now + int(span[1]) * _UNITS[span[2]])
    try:
        until = moment(told)
    except ValueError:
        raise NotDone(f"expires: '{told}' is no day: write 90d, 2027-01-01 or 2027-01-01T12:00:00Z") from None
    if until <= now:
        raise NotDone(f"expires: {told} is over: write a later day")
    return told


def _grace(told: str) -> float:
    try:
        found = seconds(told)
    except ValueError as error:
        raise NotDone(f"grace: {error}") from None
    if not math.isfinite(found):
        raise NotDone("grace: an old secret must end: write 24h, or 0s to end it now")
    return found


def _state(key: Key, config: Config, now: float) -> State:
    if key.expires is not None and moment(key.expires) <= now:
        return "expired"
    return "no team" if key.team is not None and key.team not in config.teams else "active"


def _shown(key: Key, origin: Literal["file", "store"], state: State) -> Listed:
    told = plain(key)
    return Listed(
        name=key.name,
        origin=origin,
        state=state,
        team=key.team,
        owner=key.owner,
        tags=key.tags,
        aliases=key.aliases,
        data_class=key.data_class,
        limits=told.get("limits", {}),
        budget=told.get("budget"),
        expires=key.expires,
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
