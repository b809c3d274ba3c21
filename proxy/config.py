"""proxy.yaml -> Config: read, overridden, substituted, checked whole; every mistake with file, line and mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import msgspec

from policies import library
from policies.cards import Card
from policies.rules.book import Book
from policies.rules.compiler import compile_book
from policies.rules.grammar import Policy, RuleErrors
from proxy import cards, defaults
from proxy.backends import Backend, resolve, subject
from proxy.settings import environment, roles
from proxy.settings.checks import check
from proxy.settings.grammar import Document
from proxy.settings.notices import notices
from proxy.settings.shape import convert, mistakes
from proxy.settings.source import ConfigError, Mistake, Path, Problem, Source, dotted, merged, parse
from proxy.tokens import choosing

__all__ = [
    "Config", "ConfigError", "Problem", "compile_rules", "load", "resolve_backends", "wants_embedded", "with_cards",
    "with_embedded",
]  # fmt: skip

_CARDS = "\n--- # what was measured of its backends\n"
_EMBEDDED = "\n--- # what fills in for a file without a usable backend\n"


class Config(Document, frozen=True, kw_only=True):
    """The file as checked values, and what the operator should know of it."""

    filled: bool = False
    """Its backends are the embedded ones, for want of any that could be used."""
    absent: Mapping[str, str] = {}
    """Backends that are left out: name -> reason."""
    warnings: tuple[str, ...] = ()
    measured: Mapping[str, Card] = {}
    """The model cards that fit a backend, by its name."""


def load(text: str, *, file: str, env: Mapping[str, str], has_keys: bool = False, compared: bool = False) -> Config:
    """Raises ConfigError with every problem found. ``has_keys``: there are keys in the store, besides the file's.
    ``compared``: its prices were held against the shipped sheet before, which need not be loaded for it.

    A ``demo: auto`` file without a usable backend is filled in: with what ``with_embedded`` has put behind it, else
    with a demo that is not running (enough to check and to explain).
    """
    text, _, carried = text.partition(_CARDS)
    text, _, filling = text.partition(_EMBEDDED)
    source = parse(text, file)
    problems = environment.override(source, env)
    absent, found = environment.substitute(source, env)
    found += environment.read_secret_files(source, FilePath(file).parent)
    filled = _wants_demo(source, absent) or file == defaults.EMBEDDED
    if _wants_demo(source, absent):
        source.value = _filled(source, env, filling or defaults.not_running(env))
    told = {path for path, _ in found}
    found += [mistake for mistake in mistakes(Document, source.value) if mistake[0] not in told]
    problems += _problems(source, found)
    if problems:
        raise ConfigError(problems)
    document = choosing.rooted(convert(Document, source.value), FilePath(file).parent)
    problems = _problems(source, check(document, absent, has_keys=has_keys))
    if not (problems or compared):
        from proxy.settings.sheet_checks import against_sheet

        problems = _problems(source, list(against_sheet(document)))
    if problems:
        raise ConfigError(problems)
    told_cards = cards.told(carried, [subject(name, entry) for name, entry in document.backends.items()])
    config = Config(**msgspec.structs.asdict(document), absent=absent, filled=filled, measured=told_cards.cards)
    warnings = [*notices(document, absent), *_check_rules(config, source), *told_cards.warnings]
    return msgspec.structs.replace(config, warnings=tuple(warnings))


def wants_embedded(text: str, *, file: str, env: Mapping[str, str]) -> bool:
    """Does this file ask for ``demo: auto`` and have no backend that could be used? Raises ConfigError."""
    source = parse(text, file)
    environment.override(source, env)
    return _wants_demo(source, environment.substitute(source, env)[0])


def with_embedded(text: str, embedded: str) -> str:
    """One text for ``load``, the lines of the file unmoved: every process that gets it builds the same."""
    return text + _EMBEDDED + embedded


def with_cards(text: str, *, file: str, env: Mapping[str, str]) -> str:
    """The text with the model cards behind it that stand where it says. Raises ConfigError."""
    carried = cards.carry(cards_file(text, file=file, env=env))
    return text + _CARDS + carried if carried else text


def cards_file(text: str, *, file: str, env: Mapping[str, str]) -> FilePath:
    """Where the model cards of this configuration stand, or would. Raises ConfigError."""
    text = text.partition(_EMBEDDED)[0]
    named = cards.DEFAULT
    if "cards" in text or "TURNOUT_CARDS" in env:
        source = parse(text, file)
        environment.override(source, env)
        environment.substitute(source, env)
        named = source.value.get("cards", named)
    return FilePath(file).parent / (named if isinstance(named, str) and named else cards.DEFAULT)


def resolve_backends(config: Config) -> dict[str, Backend]:
    """All backends by name, those that are left out included."""
    return {
        name: resolve(name, entry, config.absent.get(name), config.measured.get(name))
        for name, entry in config.backends.items()
    }


def compile_rules(config: Config, backends: Mapping[str, Backend]) -> Book:
    """Guards, the library's policies and the file's own. Raises policies.rules.grammar.RuleErrors."""
    return compile_book(
        config.policies,
        config.guards,
        pools=roles.pools(config),
        roles=roles.roles(config, backends),
        targets={name: backend.target for name, backend in backends.items()},
        library=_library(),
        used=_policies_named(config),
        uses={("aliases", name, "use"): alias.use for name, alias in config.aliases.items() if alias.use},
    )


def _problems(source: Source, found: Sequence[Mistake]) -> list[Problem]:
    return [source.problem(path, message) for path, message in found]


def _wants_demo(source: Source, absent: Mapping[str, str]) -> bool:
    backends = source.value.get("backends") or {}
    return source.value.get("demo") == "auto" and isinstance(backends, dict) and set(backends) <= set(absent)


def _filled(source: Source, env: Mapping[str, str], embedded: str) -> dict[str, Any]:
    filling = parse(embedded, defaults.EMBEDDED)
    environment.substitute(filling, env)
    return merged(source.value, filling.value)


def _check_rules(config: Config, source: Source) -> list[str]:
    try:
        book = compile_rules(config, resolve_backends(config))
    except RuleErrors as errors:
        raise ConfigError(_problems(source, errors.problems)) from None
    return [f"{dotted(path)}: {message} (line {source.line(path)})" for path, message in book.warnings]


def _policies_named(config: Config) -> dict[Path, str]:
    named: dict[Path, str] = {
        ("aliases", name, "policy"): alias.policy for name, alias in config.aliases.items() if alias.policy
    }
    for team, entry in config.teams.items():
        for alias, policy in entry.policy.items():
            named["teams", team, "policy", alias] = policy
    return named


@cache
def _library() -> Mapping[str, Policy]:
    """The shipped policies; they never change while we run."""
    return {
        name: msgspec.convert(parse(text, f"library/{name}.yaml").value, Policy)
        for name, text in library.load().items()
    }
