"""``turnout probe`` in front of models that are bad at one thing, and of lines that are: no is not unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from probed import Model
from scripted import Upstream
from test_cli_probe import folder, planned, probed, server  # noqa: F401 - the fixture runs by its name

from adapters import ir
from policies.cards import Trials, overlay

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
_JSON = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("model", "lost"),
    [
        (Model(tools=False), {"tools", "forced_tools"}),
        (Model(valid_arguments=False), {"tools", "forced_tools"}),
        (Model(forced=False), {"forced_tools"}),
        (Model(schema=False), {"json_schema"}),
        (Model(sees=False), {"images"}),
        (Model(stops=False), {"max_stop"}),
    ],
)
def test_each_fault_is_found_and_no_other(upstream: Upstream, model: Model, lost: set[str]) -> None:
    with server(upstream, model):
        card = probed("--quick")
    before = ir.Capabilities()
    after = overlay(before, card)
    assert {name for name in before.__struct_fields__ if getattr(after, name) != getattr(before, name)} == lost


def test_a_model_without_tools_is_left_out_and_told(upstream: Upstream) -> None:
    with server(upstream, Model(tools=False)):
        probed("--quick")
        assert planned(tools=[TOOL]) == ["other"]
        assert planned() == ["oss", "other"]


@pytest.mark.parametrize("reads", [2_048, 4_096, 1_700])
def test_a_server_that_cuts_without_a_word_is_caught(upstream: Upstream, reads: int) -> None:
    with server(upstream, Model(reads=reads)):
        card = probed()
        assert card.context.cut_at == reads
        assert card.context.usable == reads
        assert planned(messages=[{"role": "user", "content": "word " * 2 * reads}]) == ["other"]


def test_a_cut_below_what_the_page_promises_counts(upstream: Upstream) -> None:
    pages = {"/v1/models": {"data": [{"id": "m", "max_model_len": 32_768}]}}
    with server(upstream, Model(reads=2_048, pages=pages)):
        card = probed()
    assert (card.context.tokens, card.context.usable) == (32_768, 2_048)


def test_a_context_that_is_refused_is_a_limit_that_was_found(upstream: Upstream) -> None:
    with server(upstream, Model(context=2_000)):
        card = probed()
    assert card.context.tokens is not None
    assert 900 < card.context.tokens <= 2_000
    assert "were refused" in (card.context.source or "")


def test_a_server_that_tells_no_tokens_leaves_the_context_unknown(upstream: Upstream) -> None:
    with server(upstream, Model(tells_usage=False, reads=2_048)):
        card = probed()
    assert card.context.usable is None
    assert "tells no prompt tokens" in (card.context.source or "")


def test_what_is_refused_is_unknown_and_never_false(upstream: Upstream) -> None:
    """A 400 may be the server's own settings (vLLM without its tool parser): it says nothing of the model."""
    with server(upstream, Model(refuses="tools")):
        card = probed("--quick")
        assert card.tools == Trials(unanswered=2, why="tools is not supported")
        assert card.tools.verdict is None
        assert overlay(ir.Capabilities(), card).tools
        assert planned(tools=[TOOL]) == ["other"]


def test_faults_on_the_way_are_counted_apart(upstream: Upstream) -> None:
    with server(upstream, Model(broken={2, 3, 4})):
        card = probed()
    assert (card.tools.right, card.tools.asked, card.tools.unanswered) == (2, 2, 3)
    assert card.tools.verdict is True
    assert card.tools.why == "out of memory"


def test_a_server_that_goes_away_is_not_asked_for_ever(upstream: Upstream, tmp_path: Path) -> None:
    model = Model()

    def gone(asked: object) -> object:
        if model.asked >= 4:
            raise ConnectionError
        return model(asked)  # type: ignore[arg-type]

    with server(upstream, model):
        upstream.reply = gone  # type: ignore[assignment]
        before = len(upstream.asked)
        card = probed()
    assert (card.tools.right, card.tools.asked) == (3, 3)
    assert card.json_valid.verdict is card.vision.verdict is card.stop.verdict is None
    assert len(upstream.asked) - before < 15
