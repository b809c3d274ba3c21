"""``turnout override``, while no Turnout runs: turned, listed, explained, cleared."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest
from command_line import said, turnout

CONFIG = """\
version: 1
backends:
  oss: {provider: vllm, model: gpt-oss, base_url: "http://127.0.0.1:9/v1", local: true}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-ant-nobody-may-see-this}
  gemini: {provider: google, model: gemini-3.1-pro, credential: "${GEMINI_API_KEY}"}
aliases:
  auto: {policy: hybrid}
  "gpt-*": {policy: hybrid}
  direct: {use: [claude]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    (tmp_path / "proxy.yaml").write_text(CONFIG)
    return tmp_path


def words(*more: str) -> dict[str, str]:
    """First word -> the rest, of each line."""
    result = turnout("override", *more)
    assert result.exit_code == 0, result.output
    return {line[:10].strip(): line[10:] for line in result.output.splitlines()}


def test_what_was_turned_is_told_with_its_end_and_how_to_end_it(folder: Path) -> None:
    told = words("policy", "auto=local_only", "--ttl", "90m", "--reason", "the cloud is down")
    what, _, id_ = told["override"].removesuffix(")").partition(" (id ")
    assert what == "policy auto=local_only"
    assert told["until"].endswith(", in 1 h 30 min")
    assert told["by"].startswith(f"{pwd.getpwuid(os.getuid()).pw_name}@")
    assert told["reason"] == "the cloud is down"
    assert told["stored"] == f"{folder}/state.db: whatever runs follows within a second"
    assert told["end it"] == f"turnout override clear {id_}"
    again = words("policy", "auto=hybrid")
    assert again["replaces"] == "policy auto=local_only"
    assert again["until"].endswith(", in 1 h (the default: --ttl or --until says otherwise)")
    found = said(turnout("override", "list", "--json"))
    assert (found["generation"], [each["override"] for each in found["overrides"]]) == (2, ["policy auto=hybrid"])


def test_one_without_an_end_is_made_by_its_word_alone_and_told_loudly() -> None:
    result = turnout("override", "policy", "auto=local_only", "--ttl", "never")
    assert result.stderr.startswith(
        "warning   IT HAS NO END: it stands until somebody clears it (turnout override clear "
    )
    assert "until     cleared: it has no end of its own" in result.stdout
    assert turnout("override", "list").stdout.splitlines()[1].split()[2:6] == [
        "auto=local_only",
        "cleared",
        "no",
        "end",
    ]


def test_it_ends_at_a_time_that_was_named() -> None:
    found = said(turnout("override", "drain", "claude", "--until", "2999-01-01T06:00:00Z", "--json"))
    assert found["override"]["until"] == "2999-01-01T06:00:00Z"
    assert found["warnings"] == ["no backend is left for direct: their calls get 503"]


def test_a_drain_that_leaves_nobody_is_made_and_warned_of() -> None:
    assert "no local backend is left: restricted data gets 503" in turnout("override", "drain", "oss").stderr
    assert "no backend is left: every call gets 503" in turnout("override", "drain", "claude").stderr
    told = turnout("override", "policy", "*=local_only").stderr
    assert "no backend is left: every call gets 503" in told
    turnout("override", "clear", "claude")
    told = turnout("override", "policy", "*=local_only").stderr
    assert "no backend of local_only can be used now: its calls get 503" in told
    assert "pins (backend/NAME) are held to the policy's rules" in told


def test_a_name_that_only_a_pattern_serves_may_be_turned() -> None:
    assert words("policy", "gpt-5=local_only")["override"].startswith("policy gpt-5=local_only")
    told = said(turnout("explain", "Hi!", "--model", "gpt-5", "--json"))
    assert (told["policy"], told["backend"]) == ("local_only", "oss")
    assert said(turnout("explain", "Hi!", "--model", "gpt-4", "--json"))["policy"] == "hybrid"


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        (("policy", "atuo=local_only"), 1, "policy: there is no alias 'atuo': did you mean 'auto'?"),
        (("policy", "auto=local_onyl"), 1, "policy: there is no policy 'local_onyl': did you mean 'local_only'?"),
        (("policy", "auto"), 1, "policy: 'auto' is not ALIAS=POLICY: write auto=local_only, or *=local_only for all"),
        (("drain", "claud"), 1, "drain: there is no backend 'claud': did you mean 'claude'?"),
        (("drain", "claude", "--ttl", "1 fortnight"), 1, "drain: ttl: '1 fortnight' is not a duration: write 500ms"),
        (("drain", "claude", "--ttl", "1h", "--until", "2999-01-01"), 1, "drain: ttl: until says when it ends"),
        (("clear", "auto"), 1, "clear: there is no override 'auto': nothing is overridden"),
        (("clear",), 2, "clear: name one of them by its ID or NAME, or write --all"),
        (("clear", "auto", "--all"), 2, "clear: name one of them by its ID or NAME, or write --all"),
        (("drain",), 2, "drain: Missing argument 'BACKEND' (see turnout override drain --help)"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_its_mend(more: tuple[str, ...], status: int, says: str) -> None:
    result = turnout("override", *more)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(f"turnout override {says}")
    assert len(result.stderr.splitlines()) == 1


def test_it_is_cleared_by_its_id_its_name_or_all_together(folder: Path) -> None:
    assert turnout("override", "clear", "--all").stdout == f"nothing is overridden ({folder}/state.db)\n"
    first = said(turnout("override", "drain", "claude", "--json"))["override"]["id"]
    turnout("override", "policy", "auto=local_only")
    turnout("override", "policy", "*=local_only")
    assert turnout("override", "clear", first).stdout == f"cleared   drain claude ({first})\n"
    result = turnout("override", "clear", "atuo")
    assert "did you mean 'auto'?" in result.stderr
    assert "policy auto=local_only" in turnout("override", "clear", "auto").stdout
    assert len(said(turnout("override", "clear", "--all", "--json"))["cleared"]) == 1
    assert turnout("override", "list").stdout == f"nothing is overridden ({folder}/state.db)\n"


def test_a_list_makes_no_file(folder: Path) -> None:
    assert turnout("override", "list").exit_code == 0
    assert not (folder / "state.db").exists()


def test_what_is_over_is_gone() -> None:
    turnout("override", "drain", "claude", "--ttl", "1ms")
    deadline = time.monotonic() + 5
    while said(turnout("override", "list", "--json"))["overrides"]:
        assert time.monotonic() < deadline
    assert "nothing is overridden" in turnout("override", "clear", "claude").stderr


def test_an_explanation_is_made_by_what_is_turned() -> None:
    before = said(turnout("explain", "Hi!", "--model", "direct", "--json"))
    assert (before["backend"], before["overrides"]) == ("claude", [])
    turnout("override", "drain", "claude")
    result = turnout("explain", "Hi!", "--model", "direct")
    assert "override  drain claude; until=" in result.stdout
    assert "claude: left out, drained by override until " in result.stdout


def test_a_store_that_cannot_be_reached_changes_nothing(folder: Path) -> None:
    away = 'server: {secret: shared-by-all}\nstate: {redis: "redis://127.0.0.1:9/0"}\n'
    (folder / "proxy.yaml").write_text(CONFIG + away)
    for more in (("drain", "claude"), ("list",), ("clear", "--all")):
        result = turnout("override", *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "the overrides cannot be reached" in result.stderr
    result = turnout("explain", "Hi!", "--model", "direct")
    assert result.exit_code == 0
    assert "the overrides cannot be read: Redis" in result.stderr


@pytest.mark.parametrize("verb", ["policy", "drain", "list", "clear"])
def test_every_command_has_help_with_an_example(verb: str) -> None:
    result = turnout("override", verb, "--help")
    assert result.exit_code == 0
    assert f"turnout override {verb}" in result.stdout.partition("Examples:")[2]
