"""Deciding: guards above all, whose policy it is, pins, who is left in the plan, and how a refusal is told."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from book_kit import TARGETS, ask, book, decide, facts, nothing, plan, rules, target, tool
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.moment import Moment
from policies.rules.book import Book
from policies.rules.grammar import Route
from policies.rules.setting import changes
from policies.verdict import Caller, Decision

GUARD = "[{when: {data_class: restricted}, only: {local: true}}]"
SECRET = Caller(name="clinical", data_class="restricted")
LOGPROBS = ir.Named("logprobs", "not offered", "contract")
SEED = ir.Named("seed", "not offered", "tuning")


def denied(decision: Decision) -> tuple[int, str, str | None]:
    assert decision.denied is not None
    assert decision.plan == ()
    return decision.denied.status, decision.denied.code, decision.denied.param


# --- guards ----------------------------------------------------------------------------------------------------------


def test_a_guard_leaves_only_local_targets() -> None:
    decision = decide(rules("{use: [cloud, local]}", guards=GUARD), caller=SECRET)
    assert plan(decision) == ["oss"]
    assert decision.skipped[0] == ("claude", "must be local (guards.0)")


@given(
    rule=st.sampled_from(["{use: [cloud]}", "{use: [cloud, local]}", "{only: {local: false}, use: [cloud, oss]}"]),
    team=st.sampled_from([{}, {"default": "q"}, {"auto": "q"}]),
    pin=st.sampled_from([None, "backend/claude", "backend/gemini", "backend/oss"]),
    direct=st.booleans(),
    header=st.sampled_from([None, "public", "internal", "own", "restricted", "no word!", ""]),
)  # fmt: skip
def test_nothing_overrides_a_guard(
    rule: str, team: dict[str, str], pin: str | None, direct: bool, header: str | None
) -> None:
    built = book(f"p:\n  rules:\n    - {rule}\nq: {{rules: [{{use: [claude, oss]}}]}}", guards=GUARD)
    caller = Caller(name="clinical", data_class="restricted", policy=team)
    route = Route(alias="auto", use=("gemini", "oss")) if direct else Route(alias="auto", policy="p")
    headers = {} if header is None else {"x-turnout-data-class": header}
    decision = decide(built, route=route, caller=caller, pin=pin, headers=headers)
    assert set(plan(decision)) <= {"oss"}
    assert plan(decision) or decision.denied


def test_a_guard_denies_before_any_policy() -> None:
    built = rules("{use: [oss]}", guards="[{when: {stream: true}, deny: no streams here}]")
    decision = decide(built, stream=True, pin="backend/oss")
    assert denied(decision) == (403, "policy_denied", None)
    assert (decision.rule, decision.reason) == ("guards[0]", "no streams here")


def test_all_guards_add_up() -> None:
    guards = "[{only: {backends: [oss, claude]}}, {only: {backends: [claude, gemini]}}]"
    assert plan(decide(rules("{use: [oss, claude, gemini]}", guards=guards))) == ["claude"]


def test_nobody_left_by_a_guard_is_a_403_that_says_who_and_why() -> None:
    decision = decide(rules("{use: [cloud]}", guards=GUARD), caller=SECRET)
    assert denied(decision) == (403, "policy_denied", None)
    assert decision.denied is not None
    assert "claude: must be local" in decision.denied.reason
    assert "gemini: must be local" in decision.denied.reason


# --- whose policy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("team", "expected", "which"),
    [
        ({}, "claude", "the alias's"),
        ({"default": "q"}, "oss", "the team's default"),
        ({"auto": "r", "default": "q"}, "gemini", "the team's for this alias"),
    ],
)
def test_the_teams_for_this_alias_then_the_teams_default_then_the_aliass(
    team: dict[str, str], expected: str, which: str
) -> None:
    built = book("p: {rules: [{use: [claude]}]}\nq: {rules: [{use: [oss]}]}\nr: {rules: [{use: [gemini]}]}")
    decision = decide(built, caller=Caller(policy=team))
    assert plan(decision) == [expected]
    assert any(which in line for line in decision.trace)


def test_a_teams_default_does_not_move_an_alias_that_names_its_backends() -> None:
    built = rules("{use: [claude]}")
    route = Route(alias="embed", use=("oss",))
    decision = decide(built, route=route, caller=Caller(policy={"default": "p"}))
    assert (plan(decision), decision.policy, decision.rule) == (["oss"], "alias:embed", "use")


def test_a_policy_that_is_no_more_denies() -> None:
    decision = decide(rules("{use: [oss]}"), caller=Caller(policy={"default": "gone"}))
    assert denied(decision)[0] == 503
    assert decision.denied is not None
    assert "there is no policy 'gone'" in decision.denied.reason


# --- rules -----------------------------------------------------------------------------------------------------------


def test_first_match_ends_and_continue_goes_on() -> None:
    built = rules(
        "{when: {stream: true}, set: {effort: low, temperature: 0}, continue: true}",
        "{when: {stream: true}, set: {effort: high}, use: [claude]}",
        "{set: {top_p: 0.1}, use: [oss]}",
    )
    streamed, whole = decide(built, stream=True), decide(built)
    assert (plan(streamed), streamed.set) == (["claude"], {"effort": "high", "temperature": 0})
    assert (plan(whole), whole.set, whole.rule) == (["oss"], {"top_p": 0.1}, "p[2]")


def test_deny_gives_the_operators_reason() -> None:
    decision = decide(rules("{when: {stream: true}, deny: use a shorter prompt}", "{use: [oss]}"), stream=True)
    assert denied(decision) == (403, "policy_denied", None)
    assert decision.denied is not None
    assert decision.denied.reason == "use a shorter prompt"


def test_no_rule_applies() -> None:
    assert denied(decide(rules("{when: {stream: true}, use: [oss]}"))) == (403, "policy_denied", None)


def test_the_trace_has_a_line_for_everything_looked_at() -> None:
    built = rules("{when: {class: simple}, use: [oss]}", "{use: [claude, gemini]}", guards=GUARD)
    decision = decide(built, ask("Create a FastAPI server"), away={"gemini": "breaker open"})
    assert decision.trace == (
        "guards[0] passed over: not data_class restricted",
        "policy p: the alias's",
        "p[0] passed over: not class simple (it is complex)",
        "p[1] applies: use claude, gemini",
        "gemini left out: breaker open",
        "plan: claude",
    )
    assert (decision.cls, decision.gate) == ("complex", "action_verb")


def test_no_prompt_text_and_no_header_value_is_told() -> None:
    built = rules("{when: {headers: {x-a: other}, tools: [zzz]}, use: [oss]}", "{when: {class: simple}, use: [claude]}",
                  "{use: [oss]}")  # fmt: skip
    decision = decide(built, ask("SECRET create something"), headers={"x-a": "SECRET"})
    assert "SECRET" not in repr((decision.trace, decision.facts, decision.reason))


# --- pins ------------------------------------------------------------------------------------------------------------


def test_a_pin_skips_use_only() -> None:
    built = rules("{when: {stream: true}, deny: no}", "{set: {effort: low}, continue: true}", "{use: [oss]}")
    decision = decide(built, pin="backend/gemini")
    assert (plan(decision), decision.rule, decision.pinned) == (["gemini"], "pinned", True)
    assert decision.set == {"effort": "low"}
    assert denied(decide(built, pin="backend/gemini", stream=True))[0] == 403


def test_a_pin_without_an_alias_still_meets_the_teams_rules() -> None:
    built = rules("{when: {stream: true}, deny: no}", "{use: [oss]}")
    caller = Caller(policy={"default": "p"})
    for route in (Route(alias="backend/claude", use=("claude",)), Route(alias="backend/claude")):
        assert plan(decide(built, route=route, caller=caller, pin="backend/claude")) == ["claude"]
        assert denied(decide(built, route=route, caller=caller, pin="claude", stream=True))[0] == 403
        alone = decide(built, route=route, pin="claude")
        assert (plan(alone), alone.policy, alone.rule) == (["claude"], "pinned", "pinned")


@pytest.mark.parametrize(
    ("allowed", "backend", "works"),
    [(True, "claude", True), (False, "oss", False), ("local", "oss", True), ("local", "claude", False)],
)
def test_who_may_pin_what(allowed: bool, backend: str, works: bool) -> None:
    decision = decide(rules("{use: [oss]}"), caller=Caller(pin=allowed), pin=f"backend/{backend}")
    assert (decision.denied is None) is works
    if not works:
        assert denied(decision) == (403, "policy_denied", "model")


def test_an_unknown_pin_names_the_nearest() -> None:
    decision = decide(rules("{use: [oss]}"), pin="backend/gemni")
    assert denied(decision) == (404, "model_not_found", "model")
    assert decision.denied is not None
    assert "did you mean 'gemini'" in decision.denied.reason


def test_a_pin_to_a_backend_that_is_away_is_told() -> None:
    assert denied(decide(rules("{use: [oss]}"), pin="backend/oss", away={"oss": "no credential"}))[0] == 503


# --- who can serve ---------------------------------------------------------------------------------------------------


def test_a_contract_parameter_skips_the_target() -> None:
    decision = decide(rules("{use: [claude, gemini]}"), refuses={"claude": [LOGPROBS, SEED], "gemini": [SEED]})
    assert plan(decision) == ["gemini"]
    assert decision.dropped == {"gemini": (SEED,)}
    assert decision.skipped == (("claude", "cannot take logprobs (not offered)"),)


def test_400_names_the_first_contract_parameter_when_nobody_can() -> None:
    decision = decide(rules("{use: [claude, gemini]}"), refuses={"claude": [SEED, LOGPROBS], "gemini": [LOGPROBS]})
    assert denied(decision) == (400, "unsupported_parameter", "logprobs")


def test_unsupported_reject_makes_tuning_a_contract() -> None:
    built = book("p: {unsupported: reject, rules: [{use: [claude]}]}")
    assert denied(decide(built, refuses={"claude": [SEED]})) == (400, "unsupported_parameter", "seed")


def test_503_names_every_target_with_its_reason() -> None:
    decision = decide(rules("{use: [oss, claude]}"), away={"oss": "breaker open"}, refuses={"claude": [LOGPROBS]})
    assert denied(decision) == (503, "no_backend_available", None)
    assert decision.denied is not None
    assert decision.denied.reason.startswith(
        "no backend of p is available now, which needs logprobs: oss: breaker open;"
    )
    assert "claude: cannot take logprobs" in decision.denied.reason


def test_a_request_that_is_too_long_for_all_is_told_so() -> None:
    decision = decide(rules("{use: [oss]}"), ask("word " * 9_000))
    assert denied(decision) == (400, "context_length_exceeded", None)
    assert plan(decide(rules("{use: [oss, claude]}"), ask("word " * 9_000))) == ["claude"]


def test_a_request_with_an_image_passes_by_a_backend_that_sees_none() -> None:
    picture = ir.Message("user", (ir.Text("what is this?"), ir.Media("image", data="AAAA")))
    decision = decide(rules("{use: [oss, claude]}"), ask(messages=(picture,)))
    assert plan(decision) == ["claude"]
    assert "images" in decision.skipped[0][1]


def test_who_needs_what_nobody_has_is_told_both() -> None:
    picture = ir.Message("user", (ir.Text("what is this?"), ir.Media("image", data="AAAA")))
    blind = {**TARGETS, "claude": target("claude", images=False)}
    built = rules("{use: [oss, claude]}", targets=blind)
    decision = decide(built, ask(messages=(picture,), tools=(tool(),)))
    assert denied(decision) == (400, "unsupported_parameter", "images")
    assert decision.denied is not None
    assert decision.denied.reason == (
        "no backend of p can serve this request, which needs images, tools: oss: cannot take images (this backend takes "
        "no images); claude: cannot take images (this backend takes no images). Leave 'images' out or choose another "
        "model."
    )


def test_what_a_rule_sets_counts_before_targets_are_judged() -> None:
    """A cap on the output lets a request pass that asked for more than fits."""
    built = rules("{set: {max_output_tokens: {max: 100}}, use: [oss]}")
    request = ask(max_output_tokens=100_000)
    known = facts(request)

    def change(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = changes(wanted, request, None)
        known.request = msgspec.structs.replace(request, **changed)
        return changed

    route = Route(alias="auto", policy="p")
    given_ = {"caller": Caller(), "refuses": nothing, "moment": Moment()}
    decision = built.decide(route, known, **given_, change=change)
    assert (plan(decision), decision.set) == (["oss"], {"max_output_tokens": 100})
    assert built.decide(route, facts(request), **given_).denied is not None


def test_only_filters_the_rules_own_targets() -> None:
    assert plan(decide(rules("{only: {local: false}, use: [oss, gemini]}"))) == ["gemini"]
    assert plan(decide(rules("{only: {backends: [cloud]}, use: [oss, gemini]}"))) == ["gemini"]


# --- laws ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=80), st.booleans(), st.sampled_from(["hybrid", "local_only", "local_fallback", "claude_only"]))
def test_the_same_facts_give_the_same_decision(text: str, stream: bool, policy: str) -> None:
    built = book()
    one, two = (decide(built, ask(text), stream=stream, policy=policy) for _ in range(2))
    assert one == two


def test_deciding_without_content_is_fast() -> None:
    built = rules("{when: {team: a, stream: true}, use: [claude]}", "{use: [oss, claude]}", guards=GUARD)
    route, caller = Route(alias="auto", policy="p"), Caller()

    long = rules(*(f"{{when: {{team: t{n}}}, use: [claude]}}" for n in range(100)), "{use: [oss]}", guards=GUARD)

    def once(book: Book) -> float:
        start = time.perf_counter()
        book.decide(route, facts(None), caller=caller, refuses=nothing, moment=Moment())
        return time.perf_counter() - start

    assert min(once(built) for _ in range(500)) < 100e-6, "8 us on a free core (tests/bench/decide.py)"
    assert min(once(long) for _ in range(200)) < 200e-6, "40 us on a free core"


def test_targets_are_the_ones_given() -> None:
    assert decide(rules("{use: [local]}")).plan == (TARGETS["oss"],)
