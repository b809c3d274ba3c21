"""Where overrides are made and cleared: for the command line and for admins."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import TYPE_CHECKING

from msgspec import Struct

from policies.durations import seconds
from policies.overrides import DRAIN, EVERY, POLICY, Override
from proxy.callers import moment
from proxy.key_desk import NotDone
from proxy.keyed import state_file
from proxy.overrides import idle
from proxy.settings.shape import did_you_mean
from proxy.state.overrides import OverrideStore, SqliteOverrides, Stored, glance

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.settings.grammar import Alias
    from proxy.snapshot import Snapshot

USUAL = "1h"
"""How long an override stands where nobody says: one without an end is what people forget."""
_MOST = 100
"""Overrides at one time: every worker reads all of them."""
_LONGEST = 200
"""Characters of a reason."""
_SHOWN = 5
"""Aliases that a warning names."""
_TRIES = 5
"""How often the store is looked at again that somebody else changes at the same time."""


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be turned: one of ``policy`` and ``drain``."""

    policy: str | None = None
    """``auto=local_only``; the alias ``*`` is every one."""
    drain: str | None = None
    """A backend."""
    ttl: str | None = None
    """``30m``, ``1h``, ``2d``, ``never``; USUAL where ``until`` says nothing either."""
    until: str | None = None
    """ISO 8601; UTC where it has no zone."""
    reason: str | None = None


class Made(Struct, frozen=True):
    """An override, what it has taken the place of, and what its operator should know."""

    override: Override
    replaced: Override | None
    warnings: tuple[str, ...]


async def put(store: OverrideStore, snapshot: Snapshot, wanted: Wanted, *, by: str, now: float) -> Made:
    """Turn it, in the place of what had turned the same alias or backend. ``by``: who asks. ``now``: seconds since
    1970. Raises NotDone or StoreFailed."""
    kind, name, policy = _meant(wanted)
    made = Override(
        id=token_hex(3),
        kind=kind,
        name=name,
        policy=policy,
        until=_until(wanted, now),
        created=now,
        by=by,
        reason=_reason(wanted.reason),
    )
    _check(made, snapshot)
    for _ in range(_TRIES):
        was = await store.news("") or Stored()
        before = _standing(was, now)
        kept = [each for each in before if (each.kind, each.name) != (kind, name)]
        if len(kept) >= _MOST:
            raise NotDone(f"there are {_MOST} overrides already: clear some")
        if await _changed(store, was, (*kept, made)):
            replaced = next((each for each in before if each not in kept), None)
            return Made(made, replaced, tuple(_warnings(made, kept, snapshot)))
    raise NotDone("somebody else changes the overrides: look at them, and try again")


async def clear(store: OverrideStore, which: str | None, now: float) -> list[Override]:
    """What was cleared. ``which``: the id of an override, its alias or its backend; None: all of them. Raises NotDone
    or StoreFailed."""
    for _ in range(_TRIES):
        was = await store.news("") or Stored()
        before = _standing(was, now)
        gone = [each for each in before if which is None or which in (each.id, each.name)]
        if not gone and which is not None:
            raise NotDone(_absent(which, before))
        if not gone or await _changed(store, was, [each for each in before if each not in gone]):
            return gone
    raise NotDone("somebody else changes the overrides: look at them, and try again")


async def standing(config: Config, now: float) -> tuple[int, list[Override]]:
    """The generation of the overrides, and those that have not expired; the store is not made where it is not there.
    Raises StoreFailed."""
    if config.state.redis is None:
        found = glance(state_file(config))
    else:
        async with opened(config) as store:
            found = await store.news("") or Stored()
    return found.generation, _standing(found, now)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[OverrideStore]:
    """The store, to be changed, whether Turnout runs or not. Raises StoreFailed."""
    if config.state.redis is not None:
        from proxy.state.remote import open_redis
        from proxy.state.remote_overrides import RedisOverrides

        remote = RedisOverrides(open_redis(config.state.redis))
        try:
            yield remote
        finally:
            await remote.close()
        return
    from proxy.state.sqlite import SqliteStore

    file = SqliteStore(state_file(config))
    try:
        yield SqliteOverrides(file)
    finally:
        file.close()


async def _changed(store: OverrideStore, was: Stored, overrides: Iterable[Override]) -> bool:
    new = Stored(generation=was.generation + 1, mark=token_hex(8), overrides=tuple(overrides))
    return await store.swap(new, was.mark)


def _standing(stored: Stored, now: float) -> list[Override]:
    return [each for each in stored.overrides if each.stands(now)]


def _meant(wanted: Wanted) -> tuple[str, str, str | None]:
    if (wanted.policy is None) == (wanted.drain is None):
        raise NotDone("say what to turn, one of them: policy (auto=local_only) or drain (a backend)")
    if wanted.drain is not None:
        return DRAIN, wanted.drain, None
    alias, sign, policy = (wanted.policy or "").rpartition("=")
    if not (alias and sign and policy):
        raise NotDone(f"'{wanted.policy}' is not ALIAS=POLICY: write auto=local_only, or *=local_only for all")
    return POLICY, alias, policy


def _until(wanted: Wanted, now: float) -> float | None:
    """Raises NotDone."""
    if wanted.until is not None:
        if wanted.ttl is not None:
            raise NotDone("ttl: until says when it ends: leave one of them out")
        return _time(wanted.until, now)
    try:
        ttl = seconds(wanted.ttl or USUAL)
    except ValueError as error:
        raise NotDone(f"ttl: {error}") from None
    if ttl <= 0:
        raise NotDone("ttl: it would be over at once: write 30m, 1h or 2d")
    return None if ttl == math.inf else now + ttl


def _time(told: str, now: float) -> float:
    try:
        until = moment(told)
    except ValueError:
        raise NotDone(f"until: '{told}' is no time: write 2027-01-01T06:00:00Z") from None
    if until <= now:
        raise NotDone(f"until: {told} is over: write a later time")
    return until


def _reason(told: str | None) -> str | None:
    if told is not None and (len(told) > _LONGEST or not told.isprintable()):
        raise NotDone(f"reason: write one line of at most {_LONGEST} characters")
    return told or None


def _check(made: Override, snapshot: Snapshot) -> None:
    """Raises NotDone with the names that may have been meant."""
    if made.kind == DRAIN and made.name not in snapshot.backends:
        raise NotDone(f"there is no backend '{made.name}': {did_you_mean(made.name, snapshot.backends)}")
    if made.kind == POLICY and made.name != EVERY and snapshot.route(made.name) is None:
        raise NotDone(f"there is no alias '{made.name}': {did_you_mean(made.name, snapshot.config.aliases)}")
    policies = snapshot.book.policies
    if made.policy is not None and made.policy not in policies:
        raise NotDone(f"there is no policy '{made.policy}': {did_you_mean(made.policy, policies)}")
    why = idle(made, snapshot)
    if why is not None:
        raise NotDone(why)


def _absent(which: str, before: list[Override]) -> str:
    if not before:
        return f"there is no override '{which}': nothing is overridden"
    names = {name for each in before for name in (each.id, each.name)}
    return f"there is no override '{which}': {did_you_mean(which, names)}"


# --- what the operator should know ---------------------------------------------------------------------------------


def _warnings(made: Override, others: list[Override], snapshot: Snapshot) -> Iterator[str]:
    if made.until is None:
        yield f"IT HAS NO END: it stands until somebody clears it (turnout override clear {made.id})"
    now = [*others, made]
    drained = {each.name for each in now if each.kind == DRAIN}
    usable = {name for name, each in snapshot.backends.items() if each.unavailable is None} - drained
    if not usable:
        yield "no backend is left: every call gets 503"
        return
    if made.kind == DRAIN:
        yield from _stranded(made, now, usable, snapshot)
    elif _targets(made.policy or "", snapshot).isdisjoint(usable):
        yield f"no backend of {made.policy} can be used now: its calls get 503"
    if made.name == EVERY:
        yield "pins (backend/NAME) are held to the policy's rules, not to its targets: drain what they must not meet"
        yield "embeddings stay with their own models: vectors of two models cannot be compared"


def _stranded(made: Override, now: list[Override], usable: set[str], snapshot: Snapshot) -> Iterator[str]:
    local = {name for name, each in snapshot.backends.items() if each.local}
    if made.name in local and local.isdisjoint(usable):
        yield "no local backend is left: restricted data gets 503"
    turned = {each.name: each.policy for each in now if each.kind == POLICY}
    lost = [
        name
        for name, alias in snapshot.config.aliases.items()
        if (found := _reached(name, alias, turned, snapshot)) and made.name in found and found.isdisjoint(usable)
    ]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        yield f"no backend is left for {', '.join(lost[:_SHOWN])}{more}: their calls get 503"


def _reached(name: str, alias: Alias, turned: dict[str, str | None], snapshot: Snapshot) -> set[str]:
    """The backends that an alias leads to, as things are turned; a team may have another policy for it."""
    policy = turned.get(name) or turned.get(EVERY) or alias.policy
    if policy is not None:
        return _targets(policy, snapshot)
    return set(snapshot.book.names.backends(alias.use or ()))


def _targets(policy: str, snapshot: Snapshot) -> set[str]:
    found = snapshot.book.policies.get(policy)
    return {target.backend for line in (found.lines if found else ()) for target in line.use or ()}
