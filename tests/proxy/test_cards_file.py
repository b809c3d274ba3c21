"""The file of model cards: read beside proxy.yaml, told of when it is wrong, and never a reason not to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import said, turnout
from live import Live, demo_config, demo_upstream
from public_door import CHAT, chat, post

from policies.cards import Card, Trials
from proxy import cards
from proxy.config import ConfigError, cards_file, load, with_cards
from proxy.snapshot import Snapshot, build_text

CONFIG = """version: 1
backends:
  oss: {provider: vllm, model: m, base_url: 'http://127.0.0.1:8000', local: true}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-ant-x}
aliases: {both: {use: [oss, claude]}}
"""
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def card(backend: str = "oss", *, right: int = 3, **changes: Any) -> Card:
    who = {"backend": backend, "provider": "vllm", "model": "m", "base_url": "http://127.0.0.1:8000/v1"}
    return Card(**(who | changes), probed_at="2026-11-21T07:00:00+00:00", tools=Trials(right=right, asked=3))


def built(text: str = CONFIG) -> Snapshot:
    Path("proxy.yaml").write_text(text)
    text = with_cards(text, file="proxy.yaml", env={})
    return build_text(text, file="proxy.yaml", generation=1, env={})


def test_without_a_file_nothing_was_measured() -> None:
    found = built()
    assert found.backends["oss"].unproven == {"tools"}
    assert found.backends["claude"].unproven == set()
    assert found.warnings == ()


@pytest.mark.parametrize(("right", "able"), [(3, True), (1, False)])
def test_a_card_counts_before_the_tables_and_proves(right: int, able: bool) -> None:
    cards.write(Path("cards.json"), card(right=right))
    found = built().backends["oss"]
    assert (found.upstream.capabilities.tools, found.unproven) == (able, set())


def test_the_operator_counts_before_the_card() -> None:
    cards.write(Path("cards.json"), card(right=0))
    found = built(CONFIG.replace("local: true", "local: true, context: 9000, capabilities: {tools: true}"))
    assert found.backends["oss"].upstream.capabilities.tools
    assert found.backends["oss"].upstream.capabilities.context == 9_000
    own = built(CONFIG.replace("local: true", "local: true, capabilities: {tools: true}")).backends["oss"]
    assert own.unproven == set()


def test_a_backend_elsewhere_needs_no_card() -> None:
    assert built(CONFIG.replace("local: true", "local: false")).backends["oss"].unproven == set()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "older"}, "is of older (now m)"),
        ({"provider": "ollama"}, "is of ollama (now vllm)"),
        ({"base_url": "http://10.0.0.9/v1"}, "is of http://10.0.0.9/v1 (now http://127.0.0.1:8000/v1)"),
        ({"backend": "gone"}, "there is no backend 'gone'"),
    ],
)
def test_a_card_of_something_else_does_not_count_and_is_told(changes: dict[str, str], told: str) -> None:
    cards.write(Path("cards.json"), card(**changes))
    found = built()
    assert found.backends["oss"].unproven == {"tools"}
    assert [told in warning for warning in found.warnings] == [True]


def test_two_models_of_one_backend_keep_a_card_each() -> None:
    path = Path("cards.json")
    for each in (card(model="older"), card(right=1), card(model="older", right=2), card()):
        cards.write(path, each)
    assert len(msgspec.json.decode(path.read_bytes())["cards"]) == 2
    assert built().backends["oss"].upstream.capabilities.tools
    assert built().warnings == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "cards.json: "),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"cards": [], "version": 2}', "invalid enum value 2"),
        (b'{"cards": [{"backend": "oss"}]}', "cards[0]: object missing required field 'provider'"),
        (b'{"cards": [' + b" " * cards.MAX_FILE + b"]}", "larger than"),
        (b'{"cards": ' + b"[" * 100_000, "cards.json: "),
        (b"[]", "expected 'object'"),
    ],
)
def test_a_broken_file_is_told_with_its_mend_and_stops_nobody(content: bytes, told: str) -> None:
    Path("cards.json").write_bytes(content)
    (warning,) = built().warnings
    assert told in warning
    assert "cards.json" in warning
    checked = turnout("check")
    assert checked.exit_code == 0
    assert warning in checked.output


def test_a_broken_card_spoils_no_other() -> None:
    cards.write(Path("cards.json"), card())
    raw = msgspec.json.decode(Path("cards.json").read_bytes())
    Path("cards.json").write_bytes(msgspec.json.encode({"cards": [{"no": 1}, *raw["cards"]]}))
    found = built()
    assert found.backends["oss"].unproven == set()
    assert len(found.warnings) == 1


def test_a_broken_file_is_not_written_over() -> None:
    Path("cards.json").write_bytes(b"mine")
    with pytest.raises(ValueError, match="malformed"):
        cards.write(Path("cards.json"), card())
    assert Path("cards.json").read_bytes() == b"mine"


def test_the_key_names_another_file_beside_the_configuration() -> None:
    assert cards_file("cards: sub/c.json", file="/etc/turnout/proxy.yaml", env={}) == Path("/etc/turnout/sub/c.json")
    assert cards_file("version: 1", file="proxy.yaml", env={"TURNOUT_CARDS": "/x.json"}) == Path("/x.json")
    with pytest.raises(ConfigError, match="cards"):
        load("cards: [1]", file="proxy.yaml", env={})


def test_check_and_explain_read_it() -> None:
    Path("proxy.yaml").write_text(CONFIG)
    body = msgspec.json.encode(chat("both", tools=[TOOL])).decode()
    before = said(turnout("explain", "--request", "-", "--json", given=body))
    assert before["plan"] == ["claude"]
    cards.write(Path("cards.json"), card())
    assert said(turnout("explain", "--request", "-", "--json", given=body))["plan"] == ["oss", "claude"]


def test_every_worker_follows_a_card_that_is_written_while_they_serve(tmp_path: Path) -> None:
    """The supervisor watches the file and hands its text to the workers, which read no file themselves."""
    with demo_upstream() as url:
        text = demo_config(url, "  both: {use: [local, chat]}\ncards: measured/mine.json\n")
        (tmp_path / "measured").mkdir()
        with Live(text, folder=tmp_path, workers=2) as live:
            hashes = {live.get("/admin/config")[1]["hash"]}
            assert post(live, CHAT, chat("both", tools=[TOOL])).told("backend") == "chat"
            local = card("local", model="demo-local", base_url=f"{url}/v1")
            cards.write(tmp_path / "measured" / "mine.json", local)
            live.until(lambda: live.get("/admin/config")[1]["generation"] == 2, "reloaded for the card")
            hashes.add(live.get("/admin/config")[1]["hash"])
            assert {post(live, CHAT, chat("both", tools=[TOOL])).told("backend") for _ in range(6)} == {"local"}
            (tmp_path / "measured" / "mine.json").write_bytes(b"broken")
            live.until(lambda: live.get("/admin/config")[1]["generation"] == 3, "reloaded all the same")
            assert post(live, CHAT, chat("both", tools=[TOOL])).told("backend") == "chat"
    assert len(hashes) == 2
