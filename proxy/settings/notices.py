"""What the operator should know of a good file: keys that change nothing yet, backends that are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.providers import PROVIDERS
from policies.rules.grammar import Guard, Rule
from proxy.backends import is_public
from proxy.settings.grammar import BackendEntry, Document
from proxy.settings.source import Path, dotted
from proxy.weighing import stale

_LATER: tuple[Path, ...] = (
    ("ledger", "attribution"),
    ("backends", "*", "cost"),
    ("backends", "*", "limits"),
    ("aliases", "*", "baseline"),
    ("teams", "*", "budget"),
)
"""Keys of the grammar that this build reads and does not act on. ``*`` is any name."""
_UNCOUNTED = "budget_used"
"""What a rule may ask and nobody tells it yet. An unknown fact matches nothing."""


def notices(document: Document, written: Mapping[str, object], absent: Mapping[str, str]) -> list[str]:
    """``written``: the file's own values, so that a default is not taken for the operator's word."""
    found = [f"backends.{name} is left out: {reason}" for name, reason in absent.items()]
    found += [f"{dotted(path)} has no effect in this build" for key in _LATER for path in _places(written, key)]
    found += [f"{dotted(path)} never matches: this build counts no budgets" for path in _uncounted(document)]
    if document.classifier.calibration is not None and (why := stale(document.classifier.calibration)) is not None:
        found.append(f"classifier.calibration does not count: it {why}")
    if document.backends and not document.aliases:
        found.append("there are no aliases: clients can ask for model 'backend/NAME' only")
    for name, entry in document.backends.items():
        found += [f"backends.{name}: {text}" for text in _backend(entry)]
    return found


def _uncounted(document: Document) -> Iterator[Path]:
    rules: list[tuple[Path, Guard | Rule]] = [(("guards", i), guard) for i, guard in enumerate(document.guards)]
    for name, policy in document.policies.items():
        for part in ("before", "rules", "after"):
            rules += [(("policies", name, part, i), rule) for i, rule in enumerate(getattr(policy, part))]
    for path, rule in rules:
        yield from _asked(rule.when or {}, (*path, "when"))


def _asked(when: object, path: Path) -> Iterator[Path]:
    """Where a ``when`` asks for it, ``any`` and ``not`` included."""
    if isinstance(when, list):
        for index, each in enumerate(when):
            yield from _asked(each, (*path, index))
    elif isinstance(when, Mapping):
        for word, value in when.items():
            if word == _UNCOUNTED:
                yield (*path, word)
            elif word in {"any", "not"}:
                yield from _asked(value, (*path, word))


def _backend(entry: BackendEntry) -> Iterator[str]:
    row = PROVIDERS[entry.provider]
    url = entry.base_url or row.base_url or ""
    if entry.local is None and row.local and is_public(url):
        yield "the address may be public, so it does not count as local ('local: false' says so without this notice)"
    if entry.credential is not None and url.startswith("http:") and is_public(url):
        yield "the credential crosses a public network in the clear: use https"


def _places(value: object, key: Path, path: Path = ()) -> Iterator[Path]:
    if not key:
        yield path
    elif isinstance(value, Mapping):
        names = list(value) if key[0] == "*" else [key[0]] if key[0] in value else []
        for name in names:
            yield from _places(value[name], key[1:], (*path, name))
