"""The command as a whole: help, version, wrong use in one line, light to start."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import turnout

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    ("serve",), ("check",), ("config",), ("config", "schema"), ("explain",), ("usage",), ("usage", "show"),
    ("policy",), ("policy", "show"), ("policy", "list"), ("doctor",), ("demo",),
)  # fmt: skip


def ran(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "VIRTUAL_ENV"}}
    return subprocess.run(
        [sys.executable, *words],
        check=False, capture_output=True, text=True, timeout=30, cwd=folder, env={**clean, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_version() -> None:
    assert turnout("--version").stdout == f"turnout {version('turnout')}\n"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    result = turnout(*words, "--help")
    assert result.exit_code == 0
    if words not in {("config",), ("policy",)}:
        assert "Examples:" in result.stdout
        assert f"turnout {' '.join(words)}" in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bogus",), "turnout: No such command 'bogus' (see turnout --help)"),
        (("serve", "--prot", "1"), "turnout serve: No such option: --prot"),
        (("serve", "--port", "99999"), "turnout serve: Invalid value for '--port'"),
        (("policy", "show"), "turnout policy show: Missing argument 'NAME' (see turnout policy show --help)"),
        (("explain",), "turnout explain: give a TEXT, the ID of a call, or --request FILE"),
        (("explain", "Hi!", "--request", "-"), "turnout explain: give a TEXT"),
        (("explain", "Hi!", "--api", "poetry"), "turnout explain: --api poetry: there are chat, responses"),
        (("explain", "Hi!", "--header", "x"), "turnout explain: --header x: write NAME:VALUE"),
        (("usage", "--since", "soon"), "turnout usage: --since soon: write 30m, 12h, 7d, 2w or a date"),
    ],
)
def test_wrong_use_is_one_line_with_its_mend(words: tuple[str, ...], told: str) -> None:
    result = turnout(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(told)
    assert result.stderr.count("\n") == 1


def test_without_a_command_the_help_is_shown() -> None:
    result = turnout()
    assert result.exit_code == 2
    assert "Usage: turnout" in result.output
    assert "(see turnout --help)" not in result.output


def test_help_loads_none_of_the_house() -> None:
    heavy = "litestar uvicorn httpx2 apsw ruamel.yaml openai anthropic google.genai proxy.snapshot"
    code = f"import sys, proxy.cli; print(*[m for m in '{heavy}'.split() if m in sys.modules])"
    result = ran("-c", code)
    assert result.returncode == 0
    assert result.stdout.split() == []


def test_a_broken_file_stops_serve_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("server: {port: 4000}\nbackends:\n  oss: {provider: vlm, model: m}\n")
    result = ran("-m", "proxy.cli", "serve", "--config", str(file))
    assert result.returncode == 1
    assert f"{file}:3: backends.oss.provider: " in result.stderr
    assert "'vllm'" in result.stderr
    assert "Traceback" not in result.stderr


def test_serve_takes_the_file_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text("version: 1\nservr: {}\n")
    result = ran("-m", "proxy.cli", "serve", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "proxy.yaml:2: servr: unknown key 'servr': did you mean 'server'?\n"


def test_serve_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = ran("-m", "proxy.cli", "serve", "--config", str(tmp_path / "no.yaml"))
    assert result.returncode == 1
    assert "no.yaml: cannot be read: No such file or directory" in result.stderr
