"""Two configurations side by side, and texts with their secrets hidden."""

from __future__ import annotations

import msgspec
import pytest

from proxy.changes import affected, changes
from proxy.settings.grammar import Document
from proxy.settings.masking import HEADERS, SECRETS, masked
from proxy.settings.units import Secret, Secrets
from proxy.snapshot import build_text

BASE = """\
version: 1
backends:
  oss: {provider: vllm, model: m, base_url: "http://127.0.0.1:9/v1", local: true}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-ant-old-secret, headers: {x-org: private-1}}
pools: {both: [oss, claude]}
aliases:
  auto: {policy: p}
policies:
  p: {rules: [{when: {class: simple}, use: [oss]}, {use: [both]}]}
keys:
  - {name: ann, secret: sk-ann-secret-1}
  - {name: bob, secret: sk-bob-secret-1, tags: [a]}
ledger: {url: "postgresql://u:hunter2@db/turnout"}
server:
  secret: seal-of-all
"""


def between(new: str) -> dict[str, tuple[str, object, object]]:
    one, other = (build_text(text, file="x", generation=1, env={}).config for text in (BASE, new))
    return {each.path: (each.kind, each.old, each.new) for each in changes(one, other)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("model: m,", "model: n,", {"backends.oss.model": ("changed", "m", "n")}),
        ("class: simple", "class: [simple, moderate]", {
            "policies.p.rules[0].when.class": ("changed", "simple", ["simple", "moderate"])
        }),
        ("[oss, claude]", "[claude, oss]", {"pools.both": ("changed", ["oss", "claude"], ["claude", "oss"])}),
        ("tags: [a]", "tags: [a, b]", {"keys.bob.tags": ("changed", ["a"], ["a", "b"])}),
        ("sk-ant-old-secret", "sk-ant-new-secret", {"backends.claude.credential": ("changed", "***", "***")}),
        ("private-1", "private-2", {"backends.claude.headers.x-org": ("changed", "***", "***")}),
        ("hunter2@db", "hunter3@db", {
            "ledger.url": ("changed", "postgresql://db/turnout", "postgresql://db/turnout")
        }),
        ("  - {name: ann, secret: sk-ann-secret-1}\n", "", {"keys.ann": ("removed", {"name": "ann", "secret": "***"}, None)}),
    ],
)  # fmt: skip
def test_each_key_is_told_by_its_path_and_no_secret_is(
    old: str, new: str, told: dict[str, tuple[str, object, object]]
) -> None:
    assert old in BASE
    assert between(BASE.replace(old, new)) == told


def test_nothing_is_told_where_nothing_differs() -> None:
    assert between(BASE + "# a comment\n") == {}


def test_what_is_affected_and_what_takes_a_restart() -> None:
    new = BASE.replace("model: m,", "model: n,").replace("tags: [a]", "tags: []") + "  workers: 2\n"
    one, other = (build_text(text, file="x", generation=1, env={}).config for text in (BASE, new))
    found = changes(one, other)
    assert affected(found) == {"backends": ["oss"], "keys": ["bob"]}
    assert [each.path for each in found if each.restart] == ["server.workers"]


def test_a_text_is_shown_without_its_secrets() -> None:
    lists = "secret: [one-secret, '${TWO}']\n  admin_key: '${ADMIN}'\n  # sk-ant-commented-out-12345"
    shown = masked(BASE.replace("secret: seal-of-all", lists))
    for secret in ("sk-ant", "private-1", "sk-ann", "sk-bob", "hunter2", "one-secret"):
        assert secret not in shown
    for kept in ("credential: ***", "postgresql://u:***@db/turnout", "${TWO}", "${ADMIN}", "tags: [a]"):
        assert kept in shown
    assert len(shown.splitlines()) == len(BASE.splitlines()) + 2


@pytest.mark.parametrize(
    "text",
    ["a: [", "- a", "backends:\n  b:\n    credential: |\n      sk-long-secret\n", 'server: {admin_key: "a\\tb"}'],
)
def test_a_text_that_cannot_be_judged_is_not_shown(text: str) -> None:
    shown = masked(text)
    assert shown.startswith("# ")
    assert "sk-long" not in shown
    assert len(shown.splitlines()) == 1


def test_a_condition_on_headers_is_no_secret() -> None:
    text = "policies:\n  p: {rules: [{when: {headers: {x-team: blue}}, use: [oss]}]}\n"
    assert masked(text) == text


def test_every_secret_of_the_grammar_is_known_to_the_mask() -> None:
    found = set[str]()

    def look(kind: object, name: str) -> None:
        match kind:
            case msgspec.inspect.CustomType(cls=cls) if cls in (Secret, Secrets):
                found.add(name)
            case msgspec.inspect.StructType(fields=fields):
                for each in fields:
                    look(each.type, each.encode_name)
            case msgspec.inspect.UnionType(types=types):
                for each in types:
                    look(each, name)
            case msgspec.inspect.DictType(value_type=value):
                look(value, name)
            case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
                look(item, name)

    look(msgspec.inspect.type_info(Document), "")
    assert found == SECRETS | {HEADERS}
