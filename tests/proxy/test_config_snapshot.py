"""From a configuration to a snapshot: backends, routes, callers, what is shown and what never is."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from adapters.providers import PROVIDERS
from policies.pricing import per_million
from policies.retries import Retries
from proxy import defaults
from proxy.backends import is_public
from proxy.config import wants_embedded, with_embedded
from proxy.defaults import LocalServer, embedded
from proxy.snapshot import Backend, Snapshot, build_text

KEYS = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a", "GEMINI_API_KEY": "sk-g"}


def snapshot(text: str, env: dict[str, str] | None = None, file: str = "proxy.yaml") -> Snapshot:
    return build_text(text, file=file, generation=7, env=env or {}, now=1_800_000_000.0)


def backend(entry: str) -> Backend:
    return snapshot(f"backends: {{x: {entry}}}").backends["x"]


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("{provider: vllm, model: m}", "http://127.0.0.1:8000/v1"),
        ("{provider: vllm, model: m, base_url: 'http://h:1'}", "http://h:1/v1"),
        ("{provider: vllm, model: m, base_url: 'http://h:1/'}", "http://h:1/v1"),
        ("{provider: vllm, model: m, base_url: 'http://h:1/api/v3/'}", "http://h:1/api/v3"),
        ("{provider: google, model: m, base_url: 'http://h:1'}", "http://h:1/v1beta"),
        ("{provider: openai, model: m, credential: k}", "https://api.openai.com/v1"),
    ],
)
def test_base_urls_are_normal(entry: str, url: str) -> None:
    assert backend(entry).base_url == url


def test_a_backend_is_resolved_from_its_row() -> None:
    found = backend("{provider: openai, model: gpt-5.6, credential: sk-x, options: {store: false}}")
    assert (found.speaks, found.upstream.dialect) == (("openai_chat", "openai_responses"), "openai_chat")
    assert (found.upstream.wire, found.family, found.local) == ("exact", "openai", False)
    assert found.upstream.options == {"store": False}
    assert (found.timeouts.connect, found.timeouts.first_byte, found.timeouts.idle) == (5, 120, 60)
    assert found.credential is not None
    assert found.credential.reveal() == "sk-x"
    assert not found.upstream.capabilities.sampling
    assert found.with_dialect("openai_responses").dialect == "openai_responses"


def test_a_chosen_dialect_is_the_only_one() -> None:
    found = backend("{provider: openai, model: gpt-5.6, credential: k, dialect: openai_responses}")
    assert (found.speaks, found.upstream.dialect) == (("openai_responses",), "openai_responses")
    messages = backend("{provider: vllm, model: m, dialect: anthropic_messages}")
    assert (messages.upstream.dialect, messages.family) == ("anthropic_messages", "anthropic")


def test_the_operator_corrects_the_tables() -> None:
    found = backend(
        "{provider: vllm, model: m, context: 4096, capabilities: {images: false, efforts: [low]}, max_parallel: 3,"
        " price: {input: 0.05, output: 0.2}, timeouts: {first_byte: 90s, total: never}, headers: {X-Team: a}}"
    )
    can = found.upstream.capabilities
    assert (can.context, can.images, can.efforts, can.tools) == (4096, False, ("low",), True)
    assert (found.timeouts.first_byte, found.timeouts.total, found.max_parallel) == (90, float("inf"), 3)
    assert found.price is not None
    assert (found.price.usual.input, found.price.usual.output, found.price.usual.cached) == (
        per_million("0.05"), per_million("0.2"), None,
    )  # fmt: skip
    assert found.headers == {"x-team": "a"}


def test_from_client_has_no_credential_of_its_own() -> None:
    found = backend("{provider: openai, model: m, credential: from_client}")
    assert (found.from_client, found.credential) == (True, None)


@pytest.mark.parametrize(
    ("entry", "local"),
    [
        ("{provider: vllm, model: m}", True),
        ("{provider: vllm, model: m, base_url: 'http://10.0.0.4:8000'}", True),
        ("{provider: vllm, model: m, base_url: 'https://vllm.example.com'}", False),
        ("{provider: vllm, model: m, local: false}", False),
        ("{provider: openai_compatible, model: m, base_url: 'http://gpu:1'}", False),
        ("{provider: openai_compatible, model: m, base_url: 'http://gpu:1', local: true}", True),
    ],
)
def test_what_is_local(entry: str, local: bool) -> None:
    assert backend(entry).local is local
    assert backend(entry).timeouts.first_byte == (60 if local else 120)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False), ("[::1]", False), ("10.1.2.3", False), ("192.168.0.1", False), ("[fd00::1]", False),
        ("vllm", False), ("gpu.internal", False), ("x.svc.cluster.local", False), ("localhost", False),
        ("8.8.8.8", True), ("[2001:4860:4860::8888]", True), ("api.example.com", True), ("evil.local.example", True),
        ("134744072", True), ("0x08080808", True), ("8.8.8.8.", True), ("2130706433", False),
    ],
)  # fmt: skip
def test_public_addresses_are_told_without_dns(host: str, public: bool) -> None:
    assert is_public(f"http://{host}:80/v1") is public


ROUTES = """\
backends: {oss: {provider: vllm, model: m}}
aliases:
  auto: {policy: local_only}
  "gpt-*": {use: [oss]}
  "gpt-4*": {use: [oss], listed: true, defaults: {max_output_tokens: 9}}
  gpt-4o: {use: [oss], listed: false}
  "*": {use: [oss]}
"""


@pytest.mark.parametrize(
    ("alias", "route"),
    [("gpt-4o", "gpt-4o"), ("gpt-4.1", "gpt-4*"), ("gpt-5", "gpt-*"), ("auto", "auto"), ("claude\nx", "*"), ("", "*")],
)
def test_exact_wins_over_long_over_short(alias: str, route: str) -> None:
    found = snapshot(ROUTES).route(alias)
    assert found is not None
    assert found.alias == route


def test_what_is_listed_and_what_is_near() -> None:
    found = snapshot(ROUTES.replace('  "*": {use: [oss]}\n', ""))
    assert found.listed() == ["auto", "gpt-4*"]
    assert found.near("atuo") == ["auto"]
    assert found.route("claude") is None
    four = found.route("gpt-4.1")
    assert four is not None
    assert four.defaults == {"max_output_tokens": 9}


def test_patterns_are_not_regular_expressions() -> None:
    found = snapshot('backends: {o: {provider: vllm, model: m}}\naliases: {"a.*[x]": {use: [o]}}')
    assert found.route("a.b[x]") is not None
    assert found.route("aXbx") is None


def test_callers_are_known_by_the_hash_of_their_key() -> None:
    digest = sha256(b"sk-2").hexdigest()
    text = f"""\
backends: {{oss: {{provider: vllm, model: m}}}}
teams: {{t: {{pin: local, data_class: restricted, tags: [a], policy: {{default: local_only}}}}}}
keys: [{{name: one, secret: sk-1, team: t, tags: [b]}}, {{name: two, sha256: {digest.upper()}}}]
"""
    callers = snapshot(text).callers
    one, two = callers[sha256(b"sk-1").hexdigest()], callers[digest]
    assert (one.key_id, one.team, one.tags, one.team_data_class, one.pin) == (
        "one",
        "t",
        ("a", "b"),
        "restricted",
        "local",
    )
    assert one.policy == {"default": "local_only"}
    assert (two.tenant, two.pin, two.team) == ("two", True, None)


SECRET_TEXT = """\
server: {secret: [canary-1, canary-2], admin_key: canary-3}
backends:
  c: {provider: anthropic, model: m, credential: canary-4, headers: {x-a: canary-5}}
keys: [{name: k, secret: canary-6}]
"""


def test_secrets_are_never_shown() -> None:
    found = snapshot(SECRET_TEXT)
    masked = msgspec.json.encode(found.masked()).decode()
    for shown in (repr(found), str(found.config), masked, repr(found.backends["c"])):
        assert "canary" not in shown
    assert found.masked()["backends"]["c"]["credential"] == "***"
    assert found.backends["c"].headers == {"x-a": "canary-5"}


def test_generation_hash_and_time() -> None:
    text = "backends: {o: {provider: vllm, model: m}}"
    found = snapshot(text)
    assert (found.generation, found.loaded_at, found.file) == (7, 1_800_000_000.0, "proxy.yaml")
    assert found.hash == sha256(text.encode()).hexdigest()


def test_retries_of_the_policy_and_of_the_file() -> None:
    found = snapshot(
        "backends: {o: {provider: vllm, model: m}}\nretries: {attempts: 4, cap: 1s}\n"
        "policies: {p: {extends: local_only, retries: {attempts: 9}}}"
    )
    assert found.retries("p").attempts == 9
    assert found.retries("hybrid") == Retries(attempts=4, base=0.2, cap=1.0)
    assert found.retries(None).attempts == 4


# --- embedded ------------------------------------------------------------------------------------------------------


def test_with_nothing_there_the_demo_answers() -> None:
    text = embedded({}, (), "http://127.0.0.1:4999")
    assert not snapshot(text).demo, "an operator's backends may have these names"
    found = snapshot(text, file=defaults.EMBEDDED)
    assert found.demo
    assert set(found.backends) == defaults.DEMO_NAMES
    assert {"auto", "claude_only", "local_only", "hybrid", "local_fallback"} <= set(found.listed())
    assert {b.upstream.dialect for b in found.backends.values()} == {
        "openai_chat", "openai_responses", "anthropic_messages", "google_gemini",
    }  # fmt: skip
    assert found.backends["demo-gemini"].base_url == "http://127.0.0.1:4999/v1beta"
    assert [name for name, b in found.backends.items() if b.local] == ["demo-local"]
    assert all(found.route(name) for name in ("gpt-4o", "claude-opus-4-8", "gemini-2.5-pro"))


def test_keys_and_local_servers_take_the_place_of_the_demo() -> None:
    server = LocalServer("ollama", "http://127.0.0.1:11434/v1", "qwen3:8b's")
    text = embedded(KEYS, [server], "http://127.0.0.1:4999")
    found = snapshot(text, KEYS)
    assert list(found.backends) == ["ollama", "claude", "gemini", "openai"]
    assert not found.demo
    assert found.backends["ollama"].upstream.model == "qwen3:8b's"
    assert found.backends["ollama"].local
    assert not any(key in text for key in KEYS.values())


@pytest.mark.parametrize("names", [["OPENAI_API_KEY"], ["GEMINI_API_KEY"], ["ANTHROPIC_API_KEY"], list(KEYS)])
def test_any_set_of_keys_makes_a_good_configuration(names: list[str]) -> None:
    env = {name: KEYS[name] for name in names}
    found = snapshot(embedded(env, (), None), env)
    assert found.route("auto") is not None
    assert found.route("local_only") is None
    assert found.warnings == ()


def test_with_nothing_and_no_demo_there_is_no_backend() -> None:
    assert snapshot(embedded({}, (), None)).backends == {}


def test_demo_auto_fills_a_file_without_a_usable_backend() -> None:
    text = "demo: auto\nbackends:\n  claude: {provider: anthropic, model: m, credential: '${NONE}'}\n"
    text += "aliases: {mine: {policy: hybrid}}\n"
    assert wants_embedded(text, file="f", env={})
    assert not wants_embedded(text, file="f", env={"NONE": "sk"})
    assert not wants_embedded(text.replace("auto", "never"), file="f", env={})
    found = snapshot(with_embedded(text, embedded({}, (), "http://127.0.0.1:4999")))
    assert found.demo
    assert {"mine", "auto"} <= set(found.listed())
    assert found.backends["demo-chat"].base_url == "http://127.0.0.1:4999/v1"
    assert (found.backends["claude"].unavailable or "").startswith("no credential")


def test_a_usable_backend_keeps_the_demo_away() -> None:
    text = "demo: auto\nbackends: {o: {provider: vllm, model: m}}\n"
    found = snapshot(with_embedded(text, embedded({}, (), "http://127.0.0.1:4999")))
    assert list(found.backends) == ["o"]


def test_every_provider_can_be_configured() -> None:
    for name in PROVIDERS:
        entry: dict[str, Any] = {"provider": name, "model": "m", "base_url": "http://127.0.0.1:9"}
        found = snapshot(msgspec.json.encode({"backends": {"x": entry}}).decode()).backends["x"]
        assert found.speaks
