"""``turnout probe``: what it makes of a good server, the card that it leaves, and what routing does with that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import said, turnout
from live import demo_config, demo_upstream, free_port
from probed import Model
from public_door import chat
from scripted import Upstream

from policies.cards import Card
from proxy.probing.answers import png

KEY = "sk-nobody-may-see-this"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(url: str, entry: str = "provider: vllm, model: m, local: true", more: str = "") -> None:
    Path("proxy.yaml").write_text(
        f"backends:\n  oss: {{{entry}, base_url: '{url}/v1', credential: {KEY}}}\n"
        "  other: {provider: openai_compatible, model: o, base_url: 'http://127.0.0.1:9', local: false}\n"
        f"aliases: {{both: {{use: [oss, other]}}}}\n{more}"
    )


@contextmanager
def server(upstream: Upstream, model: Model, **given: str) -> Iterator[Model]:
    upstream.reply = model
    config(upstream.url, **given)
    yield model


def probed(*words: str) -> Card:
    """The card, as it was told and as it was written."""
    told = said(turnout("probe", "oss", "--json", *words))
    card = msgspec.convert(told["card"], Card)
    if told["file"] is not None:
        kept = msgspec.json.decode(Path(told["file"]).read_bytes())["cards"]
        assert msgspec.convert(kept[-1], Card) == card
    assert KEY not in msgspec.json.encode(told).decode()
    return card


def planned(**fields: Any) -> list[str]:
    body = msgspec.json.encode(chat("both", **fields)).decode()
    found: list[str] = said(turnout("explain", "--request", "-", "--json", given=body))["plan"]
    return found


@pytest.mark.parametrize("backend", ["local", "chat", "openai", "claude", "gemini"])
def test_the_demo_can_do_everything_but_see_in_every_dialect(backend: str) -> None:
    with demo_upstream() as url:
        Path("proxy.yaml").write_text(demo_config(url))
        result = turnout("probe", backend)
    assert result.exit_code == 0, result.output
    rows = {line[:31].strip(): line[31:].split()[0] for line in result.stdout.splitlines()[3:14]}
    expected = {"vision": "no"}
    if backend == "gemini":
        expected["one call, where that is asked"] = "no"
    if backend == "openai":
        expected["stop sequences"] = "unknown"  # the Responses API has no word for them
    assert rows == {name: expected.get(name, "yes") for name in rows}
    assert len(rows) == 11
    assert "images: False (was True)" in result.stdout
    assert "sk-demo" not in result.output


def test_a_good_server_changes_nothing_but_what_nobody_had_said(upstream: Upstream) -> None:
    with server(upstream, Model()):
        assert planned(tools=[TOOL]) == ["other"]
        card = probed()
        assert (card.tools.right, card.tools.asked) == (5, 5)
        assert card.context.holds is not None
        assert card.context.holds > 4_500
        assert card.context.usable is None
        assert planned(tools=[TOOL]) == ["oss", "other"]


def test_how_often_was_asked_is_told(upstream: Upstream) -> None:
    with server(upstream, Model()) as model:
        card = probed("--trials", "12")
        assert card.tools.asked == 12
        assert card.requests == model.asked
        before = model.asked
        assert probed("--quick", "--no-write").requests == model.asked - before < 20


def test_what_a_page_tells_of_the_context_is_believed_and_named(upstream: Upstream) -> None:
    pages = {"/v1/models": {"data": [{"id": "m", "max_model_len": 3_000}]}}
    with server(upstream, Model(pages=pages)):
        card = probed()
    assert (card.context.tokens, card.context.source) == (3_000, "/models max_model_len")
    assert card.context.holds is not None
    assert card.context.holds < 3_000


def test_ollama_is_asked_at_its_own_pages(upstream: Upstream) -> None:
    upstream.asked.clear()
    pages = {"/api/ps": {"models": [{"name": "m:latest", "context_length": 4_096}]}}
    with server(upstream, Model(pages=pages), entry="provider: ollama, model: m, local: true"):
        assert probed("--quick").context.tokens == 4_096
    assert "/v1/models" not in {asked.path for asked in upstream.asked}


def test_the_credential_goes_with_every_question_and_into_no_card(upstream: Upstream) -> None:
    upstream.asked.clear()
    with server(upstream, Model()):
        probed()
    assert {asked.headers["authorization"] for asked in upstream.asked} == {f"Bearer {KEY}"}


def test_no_write_leaves_no_file_and_a_second_card_takes_the_place_of_the_first(upstream: Upstream) -> None:
    with server(upstream, Model()):
        probed("--quick", "--no-write")
        assert not Path("cards.json").exists()
        probed("--quick")
        probed("--quick")
    assert len(msgspec.json.decode(Path("cards.json").read_bytes())["cards"]) == 1


def test_the_file_is_the_one_that_the_configuration_names(upstream: Upstream) -> None:
    with server(upstream, Model(), more="cards: mine.json\n"):
        probed("--quick")
        assert Path("mine.json").exists()
        Path("mine.json").write_text("{}")
        refused = turnout("probe", "oss", "--quick")
    assert refused.exit_code == 1
    assert "mine.json is no file of model cards" in refused.output
    assert Path("mine.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("nobody",), 2, "there is no backend 'nobody'"),
        (("oss", "--quick", "--full"), 2, "choose one of them"),
        (("oss",), 1, "does not answer: the connection failed (refused)"),
        (("theirs",), 1, "uses the caller's own key"),
        (("unset",), 1, "is left out: no credential"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(words: tuple[str, ...], status: int, told: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    Path("proxy.yaml").write_text(
        f"backends:\n  oss: {{provider: vllm, model: m, base_url: '{url}'}}\n"
        f"  theirs: {{provider: openai, model: m, base_url: '{url}', credential: from_client}}\n"
        f"  unset: {{provider: openai, model: m, base_url: '{url}', credential: '${{NOT_SET_AT_ALL}}'}}\n"
    )
    result = turnout("probe", *words)
    assert result.exit_code == status
    assert told in result.stderr
    assert not Path("cards.json").exists()


def test_the_picture_is_a_picture() -> None:
    data = png(255, 0, 0)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 400
