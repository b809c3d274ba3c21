"""``turnout policy``: a policy with its parents in place, and the list of all."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import CONFIG, said, turnout
from live import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)


def test_show_puts_the_parents_rules_in_place() -> None:
    result = turnout("policy", "show", "night")
    assert result.exit_code == 0
    assert "# night.before[0]" in result.stdout
    assert "# hybrid[0]" in result.stdout
    rules = yaml.safe_load(result.stdout)["rules"]
    assert rules[0] == {"when": {"data_class": "restricted"}, "deny": "restricted data stays here"}
    assert len(rules) == 2 + len(yaml.safe_load(turnout("policy", "show", "hybrid").stdout)["rules"])


def test_an_unknown_policy_is_told_with_the_nearest() -> None:
    result = turnout("policy", "show", "hybird")
    assert result.exit_code == 1
    assert result.stderr.startswith("turnout policy show: there is no policy 'hybird': did you mean 'hybrid'?")


def test_list_has_the_files_and_the_librarys() -> None:
    found = {row["name"]: row for row in said(turnout("policy", "list", "--json"))}
    assert set(found) == {"claude_only", "local_only", "hybrid", "local_fallback", "paced", "night"}
    assert (found["night"]["from"], found["hybrid"]["from"]) == ("file", "library")
    assert found["hybrid"]["aliases"] == ["auto"]


def test_list_is_plain_text_in_a_pipe() -> None:
    lines = turnout("policy", "list").stdout.splitlines()
    assert lines[0].split() == ["policy", "from", "rules", "hash", "aliases"]
    assert any(line.split()[:2] == ["night", "file"] for line in lines)
    assert "\x1b" not in "".join(lines)


def test_list_is_a_table_on_a_terminal() -> None:
    shown, terminal = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    try:
        subprocess.run([sys.executable, "-m", "proxy.cli", "policy", "list"], check=True, stdout=terminal, env=env)
        written = os.read(shown, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(shown)
    assert "\x1b[1mpolicy" in written
    assert "night" in written


def test_a_broken_file_is_told_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text("servr: {}\n")
    for words in (("policy", "list"), ("policy", "show", "hybrid"), ("explain", "Hi!"), ("usage",), ("doctor",)):
        result = turnout(*words)
        assert result.exit_code == 1
        assert result.stderr.startswith("proxy.yaml:1: servr: unknown key")
