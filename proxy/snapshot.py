"""The snapshot: one configuration, resolved and compiled, immutable. A call keeps the one that it came in with."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from policies import library
from policies.aliases import KEY
from policies.aliases import allowed as may_ask
from policies.data_classes import findings
from policies.data_classes.findings import Sought
from policies.near import near
from policies.retries import Retries
from policies.rules.book import Book
from policies.rules.grammar import Route
from policies.rules.plan import PINNED
from policies.tariff import NOTHING, Overlay
from policies.verdict import Caller
from proxy import defaults, tariffs
from proxy.backends import Backend, Timeouts
from proxy.callers import caller_of, digest_of
from proxy.config import Config, compile_rules, load, resolve_backends
from proxy.ledger import address
from proxy.settings.grammar import Alias
from proxy.settings.units import shown
from proxy.tariffs import Baseline
from proxy.weighing import Weights

__all__ = ["Backend", "Snapshot", "Timeouts", "build", "build_text"]

_ANY = "*"
_NO_DEADLINE = float("inf")


class Pattern(Struct, frozen=True):
    """A wildcard alias: ``gpt-*``."""

    expression: re.Pattern[str]
    route: Route


class Snapshot(Struct, frozen=True, kw_only=True):
    """What every call of one generation follows. Values only: no clock, no connection, no counter."""

    generation: int
    hash: str
    """SHA-256 of the text, hex."""
    file: str
    loaded_at: float
    """Wall clock, seconds."""
    config: Config
    backends: Mapping[str, Backend]
    aliases: Mapping[str, Route]
    """Exact names, in the order of the file."""
    patterns: tuple[Pattern, ...]
    """Wildcards, the longest first."""
    book: Book
    weights: Weights
    """The classifier's, as calibrated."""
    callers: Mapping[str, Caller]
    """SHA-256 of the key, hex -> who has it."""
    warnings: tuple[str, ...] = ()
    sought: Sought | None = None
    """The patterns that raise a request's data class."""
    overlay: Overlay = NOTHING
    """The operator's own prices."""
    baselines: Mapping[str, Baseline] = {}
    """What aliases count savings against, by their words for it."""
    ttft_targets: frozenset[float] = frozenset()
    """Every ``ttft_target`` of rules, policies and aliases, in seconds."""

    def route(self, alias: str) -> Route | None:
        """Exact names win over patterns, longer patterns over shorter."""
        found = self.aliases.get(alias)
        if found is not None:
            return found
        return next((pattern.route for pattern in self.patterns if pattern.expression.fullmatch(alias)), None)

    def near(self, alias: str, allowed: tuple[str, ...] | None = None) -> list[str]:
        """At most three names that may have been meant, of those that a key with the aliases ``allowed`` is shown."""
        return near(alias, self.listed(allowed), most=3, like=0.5)

    def listed(self, allowed: tuple[str, ...] | None = None) -> list[str]:
        """The names of ``GET /v1/models``: a pattern is shown only where the operator says so. ``allowed``: the aliases
        of the key that asks; a name of its own that only a pattern serves is shown, too."""
        exact = [name for name, route in self.aliases.items() if route.listed is not False]
        names = [*exact, *(pattern.route.alias for pattern in self.patterns if pattern.route.listed)]
        if allowed is None:
            return names
        own = [name for name in allowed if _ANY not in name and name not in self.aliases and self.route(name)]
        return [*(name for name in names if may_ask(allowed, name)), *own]

    def retries(self, policy: str | None) -> Retries:
        """The policy's own, else the file's."""
        own = self.book.retries(policy) if policy is not None else Retries()
        return own if own != Retries() else _retries(self.config)

    def policies(self) -> list[str]:
        """Every policy that a decision may name: the file's own, the library's, aliases without one, pins, and keys."""
        direct = [f"alias:{name}" for name, alias in self.config.aliases.items() if alias.use is not None]
        return [*self.config.policies, *library.load(), *direct, PINNED, KEY]

    @property
    def usual_baseline(self) -> str | None:
        """The baseline of the most aliases; None where none has one."""
        told = [alias.baseline for alias in self.config.aliases.values() if alias.baseline is not None]
        return max(told, key=told.count) if told else None

    @property
    def demo(self) -> bool:
        """Nothing but the demo answers here."""
        usable = {name for name, backend in self.backends.items() if backend.unavailable is None}
        return self.config.filled and bool(usable) and usable <= defaults.DEMO_NAMES

    def masked(self) -> dict[str, Any]:
        """The configuration as plain values, secrets hidden, for ``GET /admin/config``."""
        plain: dict[str, Any] = msgspec.to_builtins(self.config, enc_hook=shown)
        for part, name in (("ledger", "url"), ("state", "redis")):
            if plain[part][name] is not None:
                plain[part][name] = address.shown(plain[part][name])
        return {key: value for key, value in plain.items() if key not in {"warnings", "absent", "filled", "measured"}}


def build_text(
    text: str,
    *,
    file: str,
    generation: int,
    env: Mapping[str, str],
    has_keys: bool = False,
    compared: bool = False,
    now: float | None = None,
) -> Snapshot:
    """Load and build. Raises ConfigError."""
    config = load(text, file=file, env=env, has_keys=has_keys, compared=compared)
    return build(config, generation=generation, text_hash=sha256(text.encode()).hexdigest(), file=file, now=now)


def build(config: Config, *, generation: int, text_hash: str, file: str, now: float | None = None) -> Snapshot:
    """The snapshot of a configuration that ``load`` has checked. ``now``: wall clock, seconds."""
    backends = resolve_backends(config)
    book = compile_rules(config, backends)
    routes = {name: _route(name, alias) for name, alias in config.aliases.items()}
    return Snapshot(
        generation=generation,
        hash=text_hash,
        file=file,
        loaded_at=time.time() if now is None else now,
        config=config,
        backends=backends,
        aliases={name: route for name, route in routes.items() if _ANY not in name},
        patterns=_patterns(routes),
        book=book,
        weights=Weights(config.classifier),
        callers={digest_of(key): caller_of(key, config.teams) for key in config.keys},
        warnings=config.warnings,
        sought=findings.compiled(config.data_classes.detect, config.data_classes.patterns),
        overlay=tariffs.overlay(config, backends.values()),
        baselines={word: tariffs.baseline(word, backends) for each in routes.values() if (word := each.baseline)},
        ttft_targets=book.ttft_targets | {each.ttft_target for each in routes.values() if each.ttft_target is not None},
    )


def _route(name: str, alias: Alias) -> Route:
    filled = {key: value for key, value in msgspec.structs.asdict(alias.defaults).items() if value is not None}
    return Route(
        alias=name,
        policy=alias.policy,
        use=alias.use,
        defaults=filled,
        baseline=alias.baseline,
        listed=alias.listed,
        mirror=alias.responses.reasoning_text == "mirror",
        reasoning_field=alias.chat.reasoning_field,
        ttft_target=None if alias.ttft_target is None else float(alias.ttft_target),
    )


def _patterns(routes: Mapping[str, Route]) -> tuple[Pattern, ...]:
    found = [
        Pattern(re.compile(".*".join(map(re.escape, name.split(_ANY))), re.DOTALL), route)
        for name, route in routes.items()
        if _ANY in name
    ]
    return tuple(sorted(found, key=lambda pattern: -len(pattern.route.alias.replace(_ANY, ""))))


def _retries(config: Config) -> Retries:
    rules = config.retries
    deadline = None if rules.deadline == _NO_DEADLINE else float(rules.deadline)
    return Retries(attempts=rules.attempts, base=float(rules.base), cap=float(rules.cap), deadline=deadline)
