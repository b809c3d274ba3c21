"""What a well-formed file may get wrong: each rule of the grammar, its line and its mend."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from proxy.config import Config, ConfigError, load

BASE = """\
backends:
  oss: {provider: vllm, model: m, base_url: "http://vllm:8000/v1"}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-canary}
"""


def loaded(text: str, **more: bool) -> Config:
    return load(text, file="proxy.yaml", env={}, **more)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return [str(problem).removeprefix("proxy.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {hots: x}", "1: server.hots: unknown key 'hots': did you mean 'host'?"),
        ("sever: {}", "1: sever: unknown key 'sever': did you mean 'server'?"),
        ("server: {port: many}", "1: server.port: expected int, got str"),
        ("server: {port: 70000}", "1: server.port: expected int <= 65535"),
        ("server: []", "1: server: expected a mapping ({host: …}), not a list"),
        ("server: {response_model: up}", "1: server.response_model: 'up' is not taken: known: alias, upstream"),
        ("version: 2", "1: version: invalid enum value 2"),
        ("backends:\n  oss: {provider: vllm}", "2: backends.oss: 'model' is missing: add it"),
        ("policies:\n  a:\n    befor: []", "3: policies.a.befor: unknown key 'befor': did you mean 'before'?"),
        (
            "policies:\n  a:\n    rules:\n      - {user: [x]}",
            "4: policies.a.rules[0].user: unknown key 'user'",
        ),
        ("teams:\n  a: {pin: loca}", "2: teams.a.pin: 'loca' is not taken: did you mean 'local'?"),
        ("timeouts: {commit_after: soon}", "1: timeouts.commit_after: 'soon' is not a duration"),
        ("keys:\n  - {name: a, sha256: zz}", "2: keys[0].sha256: expected str matching regex"),
    ],
)
def test_shape(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_every_problem_is_told_at_once() -> None:
    found = problems("server:\n  hots: x\n  port: y\nbackends:\n  a: 1\n")
    assert [line.split(":")[0] for line in found] == ["2", "3", "5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pools: {oss: [oss]}", "pools.oss: 'oss' is a backend, too"),
        ("pools: {p: [os]}", "pools.p[0]: no backend 'os': did you mean 'oss'?"),
        ("pools: {p: []}", "pools.p: the pool is empty"),
        ("roles: {local: osss}", "roles.local: no backend or pool 'osss': did you mean 'oss'?"),
        ("aliases: {a: {}}", "aliases.a: an alias has either 'policy' or 'use'"),
        ("aliases: {a: {policy: hybrid, use: [oss]}}", "aliases.a: an alias has either 'policy' or 'use'"),
        ("aliases: {a: {use: []}}", "aliases.a: 'use' is empty"),
        ("aliases: {backend/x: {use: [oss]}}", "aliases.backend/x: names that begin with 'backend/'"),
        ("aliases: {a: {use: [osss]}}", "aliases.a.use"),
        ("aliases: {a: {policy: hybird}}", "aliases.a.policy"),
        ("policies: {p: {extends: nothing}}", "policies.p.extends"),
        ("policies: {p: {rules: [{use: [nobody]}]}}", "policies.p.rules[0].use"),
        ("guards: [{when: {colour: red}, only: {local: true}}]", "guards[0].when.colour"),
        ("teams: {t: {policy: {auto: hybrid}}}", "teams.t.policy.auto: no alias 'auto'"),
        ("teams: {t: {policy: {default: nope}}}", "teams.t.policy.default"),
        ("keys: [{name: a, secret: x}, {name: a, secret: y}]", "keys[1].name: a second key is named 'a'"),
        ("keys: [{name: a, team: t, secret: x}]", "keys[0].team: no team 't'"),
        ("keys: [{name: a}]", "keys[0]: a key has exactly one of"),
        ("state: {redis: 'redis://x'}", "state.redis: machines that share a store must share a secret"),
        ("ledger: {url: 'postgresql://x/y'}", "ledger.url: machines that share a store must share a secret"),
        ("telemetry: {otlp: collector}", "telemetry.otlp: not a URL"),
        ("timeouts: {head: 0s}", "timeouts.head: every connection would be closed at once"),
        ("timeouts: {write: 0s}", "timeouts.write: every connection would be closed at once"),
        ("server: {max_head: 1KiB}", "server.max_head: the headers of usual clients need more"),
        ("media: {allow: ['http://files.internal']}", "media.allow[0]: 'http://files.internal' is not a host"),
        ("media: {allow: [a.b, 'a.b:8080', '[::1]:80', 'a.b/x']}", "media.allow[3]: 'a.b/x' is not a host"),
        ("telemetry: {otlp: 'http://u:p@collector:4318'}", "telemetry.otlp: a secret stands in the URL"),
        ("server: {host: 0.0.0.0}", "server.host: '0.0.0.0' is reachable from other machines and there is no key"),
        ("server: {drain_delay: never}", "server.drain_delay: nothing would stop it for so long: write at most 10m"),
    ],
)
def test_names_and_places(text: str, said: str) -> None:
    assert problems(BASE + text)[0].startswith(f"4: {said}")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{provider: vlm, model: m}", "backends.x.provider: no provider 'vlm': did you mean 'vllm'?"),
        ("{provider: openai_compatible, model: m}", "backends.x: 'base_url' is missing"),
        ("{provider: anthropic, model: m}", "backends.x: anthropic wants a credential: add 'credential: \"${ANTHROPIC"),
        ("{provider: vllm, model: m, base_url: vllm}", "backends.x.base_url: not a URL"),
        ('{provider: openai, model: m, credential: "sk-a\\nb: c"}', "backends.x.credential: no header can carry this"),
        ("{provider: openai, model: m, credential: clé}", "backends.x.credential: no header can carry this"),
        ('{provider: vllm, model: m, headers: {x-a: "b\\r\\nc: d"}}', "backends.x.headers.x-a: no header can carry"),
        ("{provider: vllm, model: m, base_url: 'http://h:x/'}", "backends.x.base_url: not a URL"),
        ("{provider: vllm, model: m, base_url: 'ftp://h/'}", "backends.x.base_url: not a URL"),
        ("{provider: vllm, model: m, base_url: 'http://u:hush@h/'}", "backends.x.base_url: a secret stands in the URL"),
        (
            "{provider: vllm, model: m, base_url: 'http://h/v1?a=b'}",
            "backends.x.base_url: a base URL ends with",
        ),
        (
            "{provider: vllm, model: m, base_url: 'http://h/v1/chat/completions'}",
            "backends.x.base_url: a base URL ends before the endpoint",
        ),
        ("{provider: anthropic, model: m, credential: k, dialect: openai_chat}", "backends.x.dialect: anthropic does"),
        ("{provider: vllm, model: m, capabilities: {tool: true}}", "backends.x.capabilities.tool: unknown key 'tool'"),
        ("{provider: vllm, model: m, capabilities: {context: big}}", "backends.x.capabilities.context: expected int"),
        ("{provider: vllm, model: m, headers: {Host: h}}", "backends.x.headers.Host: not a header that can be set"),
        (
            "{provider: vllm, model: m, base_url: 'https://vllm.example.com', local: true}",
            "backends.x.local: the address may be public",
        ),
    ],
)
def test_backends(entry: str, said: str) -> None:
    found = problems(f"backends:\n  x: {entry}\n")
    assert found[0].startswith(f"2: {said}")
    assert "hush" not in "".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "server: {host: 0.0.0.0, open: true}",
        "server: {host: 0.0.0.0}\nkeys: [{name: a, secret: x}]",
        "server: {host: '::1'}",
        "server: {host: localhost}",
    ],
)
def test_binds_that_are_allowed(text: str) -> None:
    assert loaded(BASE + text).server.host


def test_keys_in_the_store_allow_a_bind() -> None:
    assert loaded(BASE + "server: {host: 0.0.0.0}", has_keys=True).server.host == "0.0.0.0"


def test_local_public_confirms() -> None:
    entry = "{provider: vllm, model: m, base_url: 'https://h.example.com', local: true, local_public: confirm}"
    assert loaded(f"backends: {{x: {entry}}}").backends["x"].local


def test_an_unbound_role_is_an_error_only_where_it_is_used() -> None:
    text = "backends:\n  oss: {provider: vllm, model: m}\naliases:\n"
    assert loaded(text + "  a: {policy: local_only}\n").warnings == ()
    found = problems(text + "  a: {policy: claude_only}\n")
    assert found[0].startswith("4: aliases.a.policy")
    assert "claude" in found[0]


def test_the_grammar_page_loads_and_has_its_effect(tmp_path: Path, shared: Path) -> None:
    page = (shared / "design" / "proxy-yaml.md").read_text("utf-8")
    text = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "intern").write_text("sk-intern", "utf-8")
    text = text.replace("/run/secrets/intern", str(tmp_path / "intern")).replace('"…"', f'"{"a" * 64}"')
    text = text.replace("{use: [oss-embed]}", "{use: [oss]}")
    config = load(text, file="proxy.yaml", env={"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"})
    assert not [warning for warning in config.warnings if "no effect" in warning]
    limits = config.backends["claude"].limits
    assert limits is not None
    assert (limits.rpm, limits.input_tpm) == (1000, 400_000)
    assert config.teams["clinical"].pin == "local"


def test_a_default_is_not_warned_of() -> None:
    assert loaded(BASE + "aliases:\n  auto: {use: [oss]}\n").warnings == ()


def test_a_file_without_aliases_says_what_clients_can_ask_for() -> None:
    assert loaded(BASE).warnings == ("there are no aliases: clients can ask for model 'backend/NAME' only",)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{provider: vllm, model: m, base_url: 'https://vllm.example.com'}", "does not count as local"),
        ("{provider: vllm, model: m, local: false, base_url: 'http://8.8.8.8', credential: k}", "in the clear"),
    ],
)
def test_notices(entry: str, said: str) -> None:
    assert any(said in warning for warning in loaded(f"backends: {{x: {entry}}}").warnings)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{provider: openai, model: m, credential: from_client, limits: {rpm: 60}}", "each caller's own key"),
        ("{provider: openai, model: m, credential: k, limits: {}}", "it limits nothing"),
        ("{provider: openai, model: m, credential: k, limits: {rpm: 0}}", "rpm"),
        ("{provider: vllm, model: m, max_parallel: 1, queue: -1}", "queue"),
        ("{provider: vllm, model: m, max_parallel: 1, queue_ms: 2s}", "queue_ms"),
    ],
)
def test_quotas_and_queues(entry: str, said: str) -> None:
    [found] = problems(f"backends:\n  x: {entry}\n")
    assert found.startswith("2: backends.x")
    assert said in found


def test_two_keys_cannot_share_a_secret() -> None:
    digest = sha256(b"sk-one").hexdigest()
    text = f"backends:\n  x: {{provider: vllm, model: m}}\nkeys:\n  - {{name: a, secret: sk-one}}\n  - {{name: b, sha256: {digest}}}\n"
    [found] = problems(text)
    assert found.startswith("5: keys[1]")
    assert "'a'" in found


def test_a_rule_that_asks_what_nobody_measures_is_told() -> None:
    rule = "{when: {budget_used: '>80%'}, deny: later}"
    text = f"{BASE}aliases:\n  auto: {{policy: p}}\npolicies:\n  p: {{extends: hybrid, before: [{rule}]}}\n"
    [told] = loaded(text).warnings
    assert told.startswith("policies.p.before[0].when.budget_used")
    assert "never matches" in told


def test_a_key_of_its_own_is_not_taken_for_a_team() -> None:
    """What is stored would be theirs together (D15)."""
    text = BASE + "keys: [{name: a, secret: x}]\nteams: {a: {}}"
    assert problems(text)[0].startswith("4: keys[0].name: a team is named 'a', too")
    assert loaded(BASE + "keys: [{name: a, team: a, secret: x}]\nteams: {a: {}}").keys[0].team == "a"
