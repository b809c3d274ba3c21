"""The embedded configuration: what Turnout does when nobody has written a backend, or no backend can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from adapters.providers import PROVIDERS

_MODELS = {"anthropic": "claude-sonnet-5", "google": "gemini-3.1-pro", "openai": "gpt-5.6"}
"""The cloud's providers, the one for hard work first, with the model that is used unless the operator names one."""
_NAMES = {"anthropic": "claude", "google": "gemini", "openai": "openai"}
_NEEDS = {"claude_only": "claude", "local_only": "local"}
"""The named policies that cannot work without this role."""

_DEMO: tuple[tuple[str, str, str, str], ...] = (
    ("demo-local", "vllm", "demo-local", "local: true"),
    ("demo-claude", "anthropic", "claude-sonnet-5", ""),
    ("demo-openai", "openai", "gpt-5.6", "dialect: openai_responses"),
    ("demo-gemini", "google", "gemini-3.1-pro", ""),
    ("demo-chat", "openai_compatible", "demo-chat", "capabilities: {reasoning_field: null}"),
)
EMBEDDED = "(embedded defaults)"
"""Stands where a file's name would."""
DEMO_NAMES = frozenset(name for name, *_ in _DEMO)
_FREE = "price: {input: 0, output: 0}"
"""The demo answers by itself: its models' real prices would be fiction in the ledger."""
_NOT_RUNNING = "http://127.0.0.1:9"


class LocalServer(Struct, frozen=True):
    """A server that answered on this machine: its provider's name, base URL and the first model it lists."""

    provider: str
    base_url: str
    model: str


class _Line(Struct, frozen=True):
    name: str
    provider: str
    text: str
    local: bool


def embedded(env: Mapping[str, str], servers: Sequence[LocalServer], demo_url: str | None) -> str:
    """YAML: cloud backends for the keys in ``env``, the local ``servers`` found, and when there is neither the demo
    at ``demo_url`` (scheme, host and port); without that, no backend at all."""
    lines = [*_local(servers), *_cloud(env)]
    if not lines and demo_url is not None:
        lines = _demo(demo_url)
    if not lines:
        return "version: 1\n"
    return "\n".join(["version: 1", "backends:", *(f"  {line.name}: {line.text}" for line in lines), *_routes(lines)])


def not_running(env: Mapping[str, str]) -> str:
    """The embedded configuration for checking and explaining, when nobody looked for servers and no demo runs."""
    return embedded(env, (), _NOT_RUNNING)


def _local(servers: Sequence[LocalServer]) -> list[_Line]:
    lines: list[_Line] = []
    for server in servers:
        name = server.provider.replace("_", "-")
        text = f'{{provider: {server.provider}, base_url: "{server.base_url}", model: {_quoted(server.model)}}}'
        lines.append(_Line(name, server.provider, text, local=True))
    return lines


def _cloud(env: Mapping[str, str]) -> list[_Line]:
    lines: list[_Line] = []
    for provider, model in _MODELS.items():
        key = PROVIDERS[provider].key_env
        if key and env.get(key):
            text = f'{{provider: {provider}, model: {model}, credential: "${{{key}}}"}}'
            lines.append(_Line(_NAMES[provider], provider, text, local=False))
    return lines


def _demo(url: str) -> list[_Line]:
    lines: list[_Line] = []
    for name, provider, model, more in _DEMO:
        base = f"{url.rstrip('/')}{PROVIDERS[provider].version}"
        extra = f", {more}, {_FREE}" if more else f", {_FREE}"
        text = f'{{provider: {provider}, base_url: "{base}", model: {model}{extra}}}'
        lines.append(_Line(name, provider, text, local=name == "demo-local"))
    return lines


def _routes(lines: list[_Line]) -> list[str]:
    """Roles by name, and the aliases that can work with these backends."""
    members = {
        "local": [line.name for line in lines if line.local],
        "cloud": [line.name for line in lines if not line.local],
        "claude": [line.name for line in lines if line.provider == "anthropic"],
    }
    bound = {role: names for role, names in members.items() if names}
    google = [line.name for line in lines if line.provider == "google"]
    policies = [name for name in ("hybrid", "local_fallback", *_NEEDS) if name not in _NEEDS or _NEEDS[name] in bound]
    aliases = {
        "auto": "policy: hybrid",
        **{name: f"policy: {name}" for name in policies},
        "gpt-*": "policy: hybrid",
        "claude-*": "policy: claude_only" if "claude" in bound else "policy: hybrid",
        "gemini-*": f"use: [{', '.join(google)}]" if google else "policy: hybrid",
    }
    return [
        "pools:",
        *(f"  {role}-pool: [{', '.join(names)}]" for role, names in bound.items()),
        "roles:",
        *(f"  {role}: {role}-pool" for role in bound),
        "aliases:",
        *(f'  "{alias}": {{{route}}}' for alias, route in aliases.items()),
        "",
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
