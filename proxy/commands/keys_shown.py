"""Keys for eyes: the table of all, the lines of one, and a call to try one with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from policies import aliases
from policies.rules.book import PIN
from proxy.commands.line import say_table
from proxy.settings.shape import did_you_mean

if TYPE_CHECKING:
    from proxy.key_desk import Listed
    from proxy.snapshot import Snapshot

_COLUMNS = ("name", "state", "team", "owner", "aliases", "limits", "budget", "expires", "from")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - nothing is bound here
_WORDS = {"rpm": "{} requests/min", "tpm": "{} tokens/min", "parallel": "{} at a time"}
"""A limit, as it is told."""


def table(found: Sequence[Listed]) -> None:
    """One line for each."""
    say_table(
        _COLUMNS,
        [
            (
                each.name, each.state, each.team or "-", each.owner or "-", _aliases(each), _limits(each) or "-",
                _budget(each) or "-", each.expires or "never", each.origin,
            )
            for each in found
        ],
    )  # fmt: skip


def lines(key: Listed, where: str | None) -> Iterator[str]:
    """All that is known of a key. ``where``: file and line, of one that stands in proxy.yaml."""
    told = {
        "key": key.name,
        "state": key.state,
        "team": key.team,
        "owner": key.owner,
        "tags": ", ".join(key.tags),
        "aliases": _aliases(key),
        "data": key.data_class,
        "limits": _limits(key),
        "budget": _budget(key),
        "created": key.created,
        "expires": key.expires or "never",
        "revoked": key.revoked,
        "replaced": f"the secret before this one works until {key.replaced_until}" if key.replaced_until else None,
        "from": where or key.origin,
    }
    yield from (f"{name:<10}{text}" for name, text in told.items() if text)


def strangers(snapshot: Snapshot, key: Listed) -> Iterator[str]:
    """The aliases of a key that nothing in the configuration answers to: surely a slip."""
    names = [*snapshot.config.aliases, *(f"{PIN}{name}" for name in snapshot.backends)]
    for each in key.aliases or ():
        if not aliases.answered(each, names):
            yield f"note      nothing in {snapshot.file} answers to '{each}': {did_you_mean(each, names)}"


def curl(snapshot: Snapshot, secret: str, key: Listed) -> str:
    """A call to try it with."""
    server = snapshot.config.server
    host = _EVERYWHERE.get(server.host, f"[{server.host}]" if ":" in server.host else server.host)
    models = [name for name in snapshot.listed(key.aliases) if "*" not in name]
    body: dict[str, Any] = {
        "model": models[0] if models else "auto",
        "messages": [{"role": "user", "content": "Hi!"}],
    }
    told = msgspec.json.encode(body).decode()
    return (
        f"curl http://{host}:{server.port}/v1/chat/completions -H 'Authorization: Bearer {secret}' "
        f"-H 'Content-Type: application/json' -d '{told}'"
    )


def _aliases(key: Listed) -> str:
    return "all" if key.aliases is None else ", ".join(key.aliases) or "none"


def _limits(key: Listed) -> str:
    return ", ".join(_WORDS[name].format(f"{value:,}") for name, value in key.limits.items())


def _budget(key: Listed) -> str | None:
    return None if key.budget is None else f"${key.budget['usd']:,g} / {key.budget['window']}"
