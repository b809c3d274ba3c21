"""``turnout check`` and ``turnout config schema``: what they print, and the exit status that scripts rely on (D19)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command_line import CONFIG, said, turnout

from proxy.schema import schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "proxy.yaml"
    found.write_text(CONFIG)
    return found


def test_a_good_file_is_counted_and_what_is_left_out_is_named(file: Path) -> None:
    result = turnout("check", file)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == f"{file}: good: 2 backends, 3 aliases, 1 policy, 1 key, {len(lines) - 1} warning" + (
        "" if len(lines) == 2 else "s"
    )
    assert any(line.startswith(f"{file}: backends.gemini is left out: no credential") for line in lines)


def test_the_usual_file_is_the_one_of_this_folder(file: Path) -> None:
    assert turnout("check").stdout.startswith("proxy.yaml: good: ")


def test_a_bad_file_is_told_line_by_line(file: Path) -> None:
    file.write_text("servr: {port: 1}\nbackends:\n  oss: {provider: vllm, modl: m}\n  x: {model: m}\n")
    result = turnout("check", file)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}:1: servr: unknown key 'servr': did you mean 'server'?"
    assert [line.split(":")[1] for line in lines] == ["1", "3", "3", "4"]


def test_a_file_that_is_not_text_is_a_bad_file(file: Path) -> None:
    file.write_bytes(b"version: 1\n# \xff\n")
    result = turnout("check", file)
    assert (result.exit_code, result.stdout) == (1, f"{file}:2: the file is not UTF-8\n")


def test_no_file_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("check",), ("check", "nope.yaml"), ("check", str(tmp_path))):
        result = turnout(*words)
        assert result.exit_code == 2
        assert result.stderr.startswith("turnout check: cannot read ")


def test_json_of_a_good_file(file: Path) -> None:
    found = said(turnout("check", file, "--json"))
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["backends"] == ["oss", "claude"]
    assert found["left_out"]["gemini"].startswith("no credential")


def test_json_of_a_bad_file(file: Path) -> None:
    file.write_text("version: 1\nservr: {}\n")
    result = turnout("check", file, "--json")
    assert result.exit_code == 1
    (problem,) = msgspec.json.decode(result.stdout)["problems"]
    assert (problem["file"], problem["line"]) == (str(file), 2)
    assert "'server'" in problem["message"]


def test_the_shipped_file_is_good_and_says_who_fills_in() -> None:
    result = turnout("check", ROOT / "proxy.yaml")
    assert result.exit_code == 0
    assert "demo: auto: no backend written here can be used" in result.stdout


def test_no_secret_is_printed(file: Path) -> None:
    assert "nobody-may-see-this" not in turnout("check", file, "--json").output + turnout("check", file).output


def test_the_schema_is_the_grammars() -> None:
    assert said(turnout("config", "schema")) == msgspec.json.decode(msgspec.json.encode(schema()))
