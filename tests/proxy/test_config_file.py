"""The file as text: YAML bounds, lines, variables, secret files, overrides, units."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from proxy.config import Config, ConfigError, load
from proxy.settings.source import MAX_DEPTH, MAX_TEXT, parse
from proxy.settings.units import Dollars, Seconds, Secret, Size, decode

OSS = "backends:\n  oss: {provider: vllm, model: m, base_url: 'http://vllm:8000/v1'}\n"
CLAUDE = "backends:\n  claude:\n    provider: anthropic\n    model: claude-sonnet-5\n    credential: "


def loaded(text: str, env: dict[str, str] | None = None, file: str = "proxy.yaml") -> Config:
    return load(text, file=file, env=env or {})


def problems(text: str, env: dict[str, str] | None = None, file: str = "proxy.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text, env, file)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2\n", "proxy.yaml:2: not valid YAML"),
        ("server: {port: 1}\ndemo: auto\nserver: {port: 2}\n", "proxy.yaml:3: server: the key stands here a second"),
        ("server:\n  port: 1\n  port: 2\n", "proxy.yaml:3: server.port: the key stands here a second time"),
        ("- a\n", "proxy.yaml:1: the file must be a mapping"),
        ("demo: !!python/object:os.system {}\n", "proxy.yaml:1: demo"),
        ("demo: !secret x\n", "proxy.yaml:1: the tag '!secret' is not taken"),
        ("? [a]\n: b\n", "proxy.yaml:1: a key must be plain text"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_a_bomb_of_aliases_is_bounded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "once its aliases are expanded" in problems("\n".join(lines))[0]


def test_an_alias_of_itself_is_bounded() -> None:
    assert "nested deeper" in problems("a: &a [*a]\n")[0]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 5, 5000])
def test_depth_is_bounded(depth: int) -> None:
    assert "nested deeper" in problems("a: " + "[" * depth + "]" * depth)[0]


def test_size_is_bounded() -> None:
    assert "larger than" in problems("# " + "x" * MAX_TEXT)[0]


def test_anchors_and_merges_work() -> None:
    text = "a: &base {x: 1, y: 0x10}\nb: {<<: *base, y: 3}\nc: {<<: [*base, {z: 2.5}]}\n"
    assert parse(text, "f").value == {
        "a": {"x": 1, "y": 16}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 16, "z": 2.5},
    }  # fmt: skip


def test_yaml_1_2_scalars() -> None:
    text = "a: yes\nb: off\nc: true\nd: null\ne: 010\nf: 2026-01-01\ng: 1e3\nh: 90d\n"
    found = parse(text, "f").value
    assert found == {
        "a": "yes", "b": "off", "c": True, "d": None, "e": 10, "f": "2026-01-01", "g": 1000.0, "h": "90d",
    }  # fmt: skip


# --- variables -----------------------------------------------------------------------------------------------------


def test_variables_are_substituted() -> None:
    text = "server: {host: '${HOST}', port: '${PORT:-4001}'}\nledger: {url: 'sqlite:///${NAME:?no name}.db'}\n" + OSS
    config = loaded(text, {"HOST": "127.0.0.2", "NAME": "book"})
    assert (config.server.host, config.server.port, config.ledger.url) == ("127.0.0.2", 4001, "sqlite:///book.db")


def test_an_unset_variable_is_an_error_with_its_mend() -> None:
    found = problems("server:\n  host: ${HOST}\n  port: ${PORT:?which port}\n")
    assert found == [
        "proxy.yaml:2: server.host: set HOST in the environment, or write ${HOST:-default}",
        "proxy.yaml:3: server.port: which port",
    ]


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ("${KEY}", "no credential: set KEY in the environment, or write ${KEY:-default}"),
        ("'${KEY:?}'", "no credential: set KEY in the environment, or write ${KEY:-default}"),
        ("'${KEY:?ask Ada for it}'", "no credential: ask Ada for it"),
    ],
)
@pytest.mark.parametrize("env", [{}, {"KEY": ""}])
def test_an_unset_credential_leaves_its_backend_out(credential: str, reason: str, env: dict[str, str]) -> None:
    config = loaded(CLAUDE + credential, env)
    assert config.absent == {"claude": reason}
    assert config.backends["claude"].credential is None
    assert f"backends.claude is left out: {reason}" in config.warnings


def test_a_set_credential_is_kept() -> None:
    config = loaded(CLAUDE + "${KEY}", {"KEY": "sk-1"})
    assert config.absent == {}
    assert config.backends["claude"].credential == Secret("sk-1")


# --- secret files --------------------------------------------------------------------------------------------------


def test_secrets_come_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file\n", "utf-8")
    (tmp_path / "seal").write_text("seal-1\n", "utf-8")
    text = (
        "server: {secret_file: seal, admin_key_file: key}\nkeys: [{name: a, secret_file: key}]\n"
        "backends: {c: {provider: anthropic, model: m, credential_file: key}}\n"
    )
    config = loaded(text, file=str(tmp_path / "proxy.yaml"))
    assert config.server.secret == (Secret("seal-1"),)
    assert config.server.admin_key == Secret("sk-file")
    assert config.keys[0].secret == Secret("sk-file")
    assert config.backends["c"].credential == Secret("sk-file")


def test_a_missing_secret_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = str(tmp_path / "proxy.yaml")
    found = problems(OSS + "keys:\n  - name: a\n    secret_file: nowhere\n", file=file)
    assert found[0].startswith(f"{file}:5: keys[0].secret_file: cannot read 'nowhere' (No such file")


def test_a_secret_and_its_file_are_one_too_many(tmp_path: Path) -> None:
    found = problems(CLAUDE + "x\n    credential_file: y\n", file=str(tmp_path / "p.yaml"))
    assert "'credential' stands here too" in found[0]


# --- overrides -----------------------------------------------------------------------------------------------------


def test_the_environment_overrides_scalars() -> None:
    env = {
        "TURNOUT_SERVER__PORT": "4100",
        "TURNOUT_SERVER__OPEN": "true",
        "TURNOUT_BACKENDS__OSS__BASE_URL": "http://other:9/v1",
        "TURNOUT_BACKENDS__OSS__TIMEOUTS__CONNECT": "250ms",
        "TURNOUT_DEMO": "auto",
        "TURNOUT_KEYS__0__NAME": "renamed",
        "TURNOUT_SHARED": "/nowhere",
    }
    config = loaded(OSS + f"keys: [{{name: a, sha256: '{'0' * 64}'}}]\n", env)
    assert (config.server.port, config.server.open, config.demo) == (4100, True, "auto")
    assert config.backends["oss"].base_url == "http://other:9/v1"
    assert config.backends["oss"].timeouts.connect == 0.25
    assert config.keys[0].name == "renamed"


def test_an_override_finds_names_with_dashes() -> None:
    text = OSS.replace("oss:", "on-prem.1:")
    assert loaded(text, {"TURNOUT_BACKENDS__ON_PREM_1__MODEL": "other"}).backends["on-prem.1"].model == "other"


def test_an_override_mends_a_missing_credential_and_is_not_expanded() -> None:
    config = loaded(CLAUDE + "${KEY}", {"TURNOUT_BACKENDS__CLAUDE__CREDENTIAL": "sk-${x"})
    assert config.backends["claude"].credential == Secret("sk-${x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TURNOUT_SERVER__PROT", "unknown key 'prot': did you mean 'port'?"),
        ("TURNOUT_BACKENDS__OSS", "and this is a section"),
        ("TURNOUT_DEMO__X", "'demo' is a single value, nothing is below it"),
        ("TURNOUT_KEYS__7__NAME", "'7' is not the number of an entry of the list"),
        ("TURNOUT_NOWHERE__X", "unknown key 'nowhere'"),
    ],
)
def test_a_wrong_override_is_told_by_its_name(name: str, said: str) -> None:
    found = problems(OSS + "demo: never\nkeys: []\n", {name: "x"})
    assert any(said in problem for problem in found)
    assert len(found) == 1


# --- units ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("2m", 120), ("1.5h", 5400), ("90d", 7_776_000), (3, 3), ("0", 0), ("never", math.inf)],
)
def test_durations(written: object, seconds: float) -> None:
    assert decode(Seconds, written) == seconds


@pytest.mark.parametrize("written", ["5 parsecs", -1, True, "", "inf", "nan", "-3s", None, []])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        decode(Seconds, written)


@pytest.mark.parametrize(("written", "size"), [("64MiB", 64 * 2**20), ("10MB", 10**7), (4096, 4096), ("1 KiB", 1024)])
def test_sizes(written: object, size: int) -> None:
    assert decode(Size, written) == size


@pytest.mark.parametrize("written", ["64Mi", "-1", True, "1.5MiB"])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        decode(Size, written)


def test_dollars_are_exact() -> None:
    assert decode(Dollars, 0.1) == Dollars("0.1")
    for wrong in (-1, "x", "NaN", "inf", True):
        with pytest.raises(ValueError, match="is not an amount"):
            decode(Dollars, wrong)


def test_a_secret_hides() -> None:
    secret = Secret("sk-canary")
    assert "canary" not in f"{secret} {secret!r} {secret:>20} {[secret]}"
    assert secret.reveal() == "sk-canary"
    assert secret == Secret("sk-canary")
    assert secret != Secret("other")
    assert secret != "sk-canary"
    assert not Secret("")
