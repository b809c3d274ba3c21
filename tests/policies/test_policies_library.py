"""The four named policies on the cases of the systems that Turnout replaces (features S10 to S12, S20)."""

from pathlib import Path

import msgspec
import pytest
from book_kit import LIBRARY, TARGETS, ask, book, decide, plan, target, tool

from adapters import ir

S11: dict[str, dict[str, str]] = msgspec.json.decode((Path(__file__).parent / "s11.json").read_bytes())
BOOK = book()
CLOUD = ["claude", "gemini"]


def test_the_four_are_there_and_one_for_callers_with_a_budget() -> None:
    assert set(LIBRARY) == {"claude_only", "local_only", "hybrid", "local_fallback", "paced"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("claude_only", ["claude"]), ("local_only", ["oss"]), ("local_fallback", ["oss", *CLOUD])],
)
@pytest.mark.parametrize("text", ["Hi!", "Create a FastAPI server"])
def test_s10_policies_that_do_not_look_at_content(policy: str, expected: list[str], text: str) -> None:
    assert plan(decide(BOOK, ask(text), policy=policy)) == expected


@pytest.mark.parametrize("language", S11)
def test_s11_hybrid_in_every_language(language: str) -> None:
    first = {case: plan(decide(BOOK, ask(text), policy="hybrid"))[0] for case, text in S11[language].items()}
    local, cloud = "oss", "claude"
    assert first == {"greet": local, "sum": local, "summarize": local, "create": cloud, "deploy": cloud}


def test_s11_tools_always_go_to_the_cloud_first() -> None:
    decision = decide(BOOK, ask("Hi!", tools=(tool(),)), policy="hybrid")
    assert plan(decision) == [*CLOUD, "oss"]
    assert decision.reason == "tool use"


def test_s11_without_a_cloud_local_does_what_it_can() -> None:
    alone = book(roles={"local": ("oss",)}, pools={}, targets={"oss": TARGETS["oss"]},
                 used={("aliases", "auto", "policy"): "hybrid"})  # fmt: skip
    for request in (ask("Hi!"), ask("Create a FastAPI server"), ask("Hi!", tools=(tool(),))):
        assert plan(decide(alone, request, policy="hybrid")) == ["oss"]


def test_without_local_the_cloud_does_all() -> None:
    alone = book(roles={"cloud": ("claude",)}, pools={}, targets={"claude": TARGETS["claude"]})
    for text in ("Hi!", "Create a FastAPI server"):
        assert plan(decide(alone, ask(text), policy="hybrid")) == ["claude"]
    assert plan(decide(alone, ask("Hi!"), policy="local_fallback")) == ["claude"]


@pytest.mark.parametrize("policy", ["hybrid", "local_fallback"])
def test_s20_a_local_backend_that_is_away_is_passed_by(policy: str) -> None:
    decision = decide(BOOK, ask("Hi!"), policy=policy, away={"oss": "breaker open"})
    assert plan(decision) == CLOUD
    assert decision.skipped == (("oss", "breaker open"),)


def test_local_only_never_leaves_even_when_the_role_is_bound_to_a_cloud() -> None:
    odd = book(roles={"local": ("claude",)})
    assert plan(decide(odd, ask("Hi!"), policy="local_only")) == []


def test_local_only_with_nobody_there_is_a_503() -> None:
    decision = decide(BOOK, ask("Hi!"), policy="local_only", away={"oss": "breaker open"})
    assert decision.denied is not None
    assert decision.denied.status == 503


def test_hybrid_sends_tools_to_the_cloud_also_when_local_has_none() -> None:
    targets = {**TARGETS, "oss": target("oss", local=True, tools=False)}
    built = book(targets=targets)
    history = (ir.Message("assistant", (ir.ToolCall("c", "f", "{}"),)), ir.Message("user", (ir.Text("ok"),)))
    assert plan(decide(built, ask(messages=history), policy="hybrid")) == CLOUD


def test_hybrid_does_not_take_the_unread_for_easy() -> None:
    assert plan(decide(BOOK, None, policy="hybrid"))[0] == "claude"
