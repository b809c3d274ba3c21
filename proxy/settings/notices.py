"""What the operator should know of a good file: keys that change nothing yet, backends that are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from adapters.providers import PROVIDERS
from policies import aliases
from policies.rules.book import PIN
from policies.rules.grammar import Guard, Rule
from policies.rules.meaning import SIGNS
from proxy.backends import is_local, is_public
from proxy.settings.grammar import Document
from proxy.settings.money import Budget
from proxy.settings.shape import did_you_mean
from proxy.settings.source import Path, dotted
from proxy.settings.upstreams import BackendEntry
from proxy.tokens import choosing
from proxy.weighing import stale

_NO_BUDGET = "never matches but for keys of the store: no team or key here has a budget"
_BUDGET = ("budget_used", "budget_pace")
"""What a rule may ask, and only a caller with a budget answers. An unknown fact matches nothing."""


def notices(document: Document, absent: Mapping[str, str]) -> list[str]:
    """``absent``: the backends that are left out, and why."""
    found = [f"backends.{name} is left out: {reason}" for name, reason in absent.items()]
    whens = list(_whens(document))
    if not any(budget is not None for budget in _budgets(document)):
        found += [f"{dotted(path)} {_NO_BUDGET}" for word in _BUDGET for path, _ in _asked(whens, word)]
    found += _uncounted(document, absent)
    found += _strangers(whens, "alias", document.aliases)
    found += _strangers(whens, "team", document.teams)
    found += _unanswered(document)
    found += _idle_prices(document)
    if document.classifier.calibration is not None and (why := stale(document.classifier.calibration)) is not None:
        found.append(f"classifier.calibration does not count: it {why}")
    if document.backends and not document.aliases:
        found.append("there are no aliases: clients can ask for model 'backend/NAME' only")
    for name, entry in document.backends.items():
        found += [f"backends.{name}: {text}" for text in _backend(entry)]
    return found


def _idle_prices(document: Document) -> Iterator[str]:
    """Prices that no call will ever have: of no backend's model (nor of one with its day), and of no baseline."""
    models = {f"{entry.provider}/{entry.model}": None for entry in document.backends.values()}
    compared = (alias.baseline for alias in document.aliases.values() if alias.baseline and "/" in alias.baseline)
    asked = tuple(key.lower() for key in (*models, *compared))
    for key in document.prices:
        if not key.lower().startswith(asked):
            yield f"prices.{key} is the price of nobody's model: {did_you_mean(key, models)}"


def _budgets(document: Document) -> Iterator[Budget | None]:
    return (budget for _, budget in _placed_budgets(document))


def _placed_budgets(document: Document) -> Iterator[tuple[Path, Budget | None]]:
    yield from ((("teams", name, "budget"), team.budget) for name, team in document.teams.items())
    yield from ((("keys", index, "budget"), key.budget) for index, key in enumerate(document.keys))


def _uncounted(document: Document, absent: Mapping[str, str]) -> Iterator[str]:
    """Nobody but the operator knows what a machine of his own costs, and what has no price is never free."""
    unknown = [name for name, entry in document.backends.items() if name not in absent and _costs_unknown(entry)]
    for path, budget in _placed_budgets(document):
        if budget is not None and budget.counts == "all" and unknown:
            yield (
                f"{dotted(path)} counts local backends too, and nobody knows what {', '.join(unknown)} costs: its "
                "callers are not served there before it has a 'price' or a 'cost', or the budget 'counts: cloud'"
            )


def _costs_unknown(entry: BackendEntry) -> bool:
    return is_local(entry, PROVIDERS[entry.provider]) and entry.price is None and entry.cost is None


def _whens(document: Document) -> Iterator[tuple[Path, object]]:
    rules: list[tuple[Path, Guard | Rule]] = [(("guards", i), guard) for i, guard in enumerate(document.guards)]
    for name, policy in document.policies.items():
        for part in ("before", "rules", "after"):
            rules += [(("policies", name, part, i), rule) for i, rule in enumerate(getattr(policy, part))]
    yield from (((*path, "when"), rule.when or {}) for path, rule in rules)


def _asked(whens: Iterable[tuple[Path, object]], word: str) -> Iterator[tuple[Path, object]]:
    """Where these ask for ``word``, and for what, ``any`` and ``not`` included."""
    for path, when in whens:
        if isinstance(when, list):
            yield from _asked([((*path, index), each) for index, each in enumerate(when)], word)
        elif isinstance(when, Mapping):
            yield from (((*path, word), value) for key, value in when.items() if key == word)
            yield from _asked([((*path, key), value) for key, value in when.items() if key in {"any", "not"}], word)


def _strangers(whens: Iterable[tuple[Path, object]], word: str, known: Mapping[str, object]) -> Iterator[str]:
    """Names that a rule asks for and that nobody has: surely a slip."""
    for path, wanted in _asked(whens, word):
        for name in wanted if isinstance(wanted, list) else [wanted]:
            if not isinstance(name, str) or not SIGNS.isdisjoint(name) or name.startswith("backend/"):
                continue
            if name not in known:
                yield f"{dotted(path)} never matches '{name}': there is no such {word}, {did_you_mean(name, known)}"


def _unanswered(document: Document) -> Iterator[str]:
    """Aliases of keys that nothing here answers to."""
    names = [*document.aliases, *(f"{PIN}{name}" for name in document.backends)]
    for index, key in enumerate(document.keys):
        for at, alias in enumerate(key.aliases or ()):
            if not aliases.answered(alias, names):
                place = dotted(("keys", index, "aliases", at))
                yield f"{place} '{alias}' names nothing that is here: {did_you_mean(alias, names)}"


def _backend(entry: BackendEntry) -> Iterator[str]:
    row = PROVIDERS[entry.provider]
    url = entry.base_url or row.base_url or ""
    if entry.local is None and row.local and is_public(url):
        yield "the address may be public, so it does not count as local ('local: false' says so without this notice)"
    if entry.credential is not None and url.startswith("http:") and is_public(url):
        yield "the credential crosses a public network in the clear: use https"
    if (idle := choosing.notice(entry, row)) is not None:
        yield idle
