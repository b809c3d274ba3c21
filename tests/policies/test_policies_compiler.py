"""Compiling: the order of inherited rules, what is refused with its place, what is only warned of."""

import pytest
from book_kit import LIBRARY, TARGETS, ask, book, decide, plan, rules

from policies.rules.grammar import Route, RuleErrors
from policies.verdict import Caller

FAMILY = """
base:
  before: [{when: {alias: none-1}, use: [oss]}]
  rules: [{when: {alias: none-2}, use: [oss]}]
  after: [{when: {alias: none-3}, use: [oss]}]
child:
  extends: base
  before: [{when: {alias: none-4}, use: [oss]}]
  rules: [{when: {alias: none-5}, use: [oss]}]
  after: [{when: {alias: none-6}, use: [oss]}, {use: [gemini]}]
"""


def problems(policies: str, **changes: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(RuleErrors) as caught:
        book(policies, **changes)
    return caught.value.problems


def test_the_childs_before_and_rules_then_all_of_the_parents_then_the_childs_after() -> None:
    decision = decide(book(FAMILY), policy="child")
    order = [line.split()[0] for line in decision.trace if line.startswith(("base", "child"))]
    assert order == [
        "child.before[0]", "child[0]", "base.before[0]", "base[0]", "base.after[0]", "child.after[0]", "child.after[1]",
    ]  # fmt: skip
    assert decision.rule == "child.after[1]"


def test_a_rule_of_the_library_keeps_its_name_in_the_child() -> None:
    built = book("premium: {extends: hybrid, before: [{when: {class: simple}, use: [cloud]}]}")
    assert decide(built, ask("Hi!"), policy="premium").rule == "premium.before[0]"
    assert decide(built, ask("Create a FastAPI server"), policy="premium").rule.startswith("hybrid[")


def test_settings_are_inherited_and_overridden() -> None:
    built = book(
        """
        a: {unsupported: reject, retries: {attempts: 5}, rules: [{use: [oss]}]}
        b: {extends: a}
        c: {extends: b, unsupported: drop}
        """
    )
    assert [built.policies[name].reject for name in "abc"] == [True, True, False]
    assert built.retries("c").attempts == 5
    assert built.retries("alias:embed").attempts == 2


def test_a_policy_that_extends_its_own_name_extends_the_librarys() -> None:
    built = book("hybrid: {extends: hybrid, before: [{when: {stream: true}, use: [gemini]}]}")
    assert plan(decide(built, stream=True, policy="hybrid")) == ["gemini"]
    assert plan(decide(built, ask("Hi!"), policy="hybrid"))[0] == "oss"


@pytest.mark.parametrize(
    ("policies", "path", "told"),
    [
        ("a: {extends: b}\nb: {extends: a}", ("policies", "b", "extends"), "extends itself"),
        ("a: {extends: hybird}", ("policies", "a", "extends"), "did you mean 'hybrid'"),
        ("a: {rules: [{use: [clod]}]}", ("policies", "a", "rules", 0, "use", 0), "no backend, pool or role 'clod'"),
        ("a: {rules: [{use: []}]}", ("policies", "a", "rules", 0, "use"), "names nobody"),
        ("a: {rules: [{when: {stream: true}}]}", ("policies", "a", "rules", 0), "add `use`"),
        ("a: {rules: [{set: {effort: low}}]}", ("policies", "a", "rules", 0), "add `continue: true`"),
        ("a: {rules: [{use: [oss], deny: no}]}", ("policies", "a", "rules", 0), "both"),
        ("a: {rules: [{use: [oss], continue: true}]}", ("policies", "a", "rules", 0, "continue"), "end the walk"),
        ("a: {rules: [{use: [oss], set: {effrt: low}}]}", ("policies", "a", "rules", 0, "set", "effrt"), "'effort'"),
        ("a: {rules: [{use: [oss], set: {effort: lo}}]}", ("policies", "a", "rules", 0, "set", "effort"), "one of"),
        ("a: {rules: [{use: [oss], set: {top_p: 2}}]}", ("policies", "a", "rules", 0, "set", "top_p"), "from 0 to 1"),
        ("a: {rules: [{use: [oss], set: {max_output_tokens: 0}}]}",
         ("policies", "a", "rules", 0, "set", "max_output_tokens"), "at least 1"),
        ("a: {rules: [{use: [oss], only: {loca: true}}]}", ("policies", "a", "rules", 0, "only", "loca"), "'local'"),
        ("a: {rules: [{use: [oss], only: {local: 1}}]}", ("policies", "a", "rules", 0, "only", "local"), "takes true"),
        ("a: {rules: [{use: [oss], only: {backends: [x]}}]}",
         ("policies", "a", "rules", 0, "only", "backends", 0), "no backend"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(policies: str, path: tuple[str | int, ...], told: str) -> None:
    found = dict(problems(policies))
    assert path in found, found
    assert told in found[path]


def test_all_mistakes_are_told_at_once_and_inherited_ones_once() -> None:
    found = problems("a: {rules: [{use: [nobody]}, {when: {clas: x}, use: [oss]}]}\nb: {extends: a}")
    assert len(found) == 2


def test_a_guard_must_do_something() -> None:
    with pytest.raises(RuleErrors, match=r"guards\.0: a guard must have"):
        book(guards="[{when: {stream: true}}]")


def test_what_comes_after_an_unconditional_rule_is_warned_of() -> None:
    built = rules("{use: [oss]}", "{when: {stream: true}, use: [gemini]}")
    assert built.warnings == ((("policies", "p", "rules", 1), "is never reached: p[0] before it always applies"),)


def test_a_word_of_tomorrow_is_parsed_and_warned_of() -> None:
    [(path, text)] = rules("{use: [oss], hedge: 1}").warnings
    assert path[-1] == "hedge"
    assert "not yet in effect" in text


def test_words_that_are_in_effect_are_not_warned_of() -> None:
    every = "condense: local, escalate: [refusal], sticky: conversation, ttft_target: 2s, order: cheapest"
    assert rules(f"{{use: [oss, claude], {every}, set: {{cache: {{ttl: 1h}}, data_class: internal}}}}").warnings == ()


def test_nobody_to_shorten_is_no_mistake_but_told() -> None:
    """The library's hybrid serves those, too, who have no model of their own."""
    cloud = {"roles": {"cloud": ("claude",)}, "pools": {}, "targets": {"claude": TARGETS["claude"]}}
    [(path, text)] = rules("{use: [cloud], condense: local}", **cloud).warnings
    assert path == ("policies", "p", "rules", 0, "condense")
    assert "nobody shortens" in text
    assert plan(decide(book(**cloud), ask("Explain this"), policy="hybrid")) == ["claude"]


def test_a_word_that_is_a_role_and_a_backend_is_warned_of() -> None:
    built = rules("{use: [claude]}", roles={"claude": ("claude", "gemini")})
    assert "the role is meant" in built.warnings[0][1]
    assert plan(decide(built)) == ["claude", "gemini"]


def test_an_unbound_role_is_a_mistake_only_where_the_policy_is_used() -> None:
    local = {"oss": TARGETS["oss"]}
    place = ("aliases", "x", "policy")
    book("{}", roles={"local": ("oss",)}, pools={}, targets=local)
    [(path, text)] = problems("{}", roles={"local": ("oss",)}, pools={}, targets=local, used={place: "claude_only"})
    assert path == place
    assert "provider: anthropic" in text
    [(path, text)] = problems("a: {rules: [{use: [cloud]}]}", roles={}, pools={}, targets=local)
    assert path == ("policies", "a", "rules", 0, "use")


def test_a_broken_library_policy_that_a_key_names_at_run_time_denies() -> None:
    built = book("{}", roles={"local": ("oss",)}, pools={}, targets={"oss": TARGETS["oss"]})
    decision = decide(built, policy="claude_only")
    assert decision.denied is not None
    assert (decision.denied.status, decision.plan) == (503, ())


def test_names_in_aliases_are_checked() -> None:
    found = problems("{}", used={("aliases", "x", "policy"): "hybird"}, uses={("aliases", "e", "use"): ["oss", "os"]})
    assert [path for path, _ in found] == [("aliases", "x", "policy"), ("aliases", "e", "use", 1)]
    assert "did you mean" in found[0][1]


def test_pools_of_pools_expand_in_order_without_repeats_or_circles() -> None:
    pools = {"a": ("gemini", "b"), "b": ("oss", "a", "gemini", "claude")}
    built = rules("{use: [claude, a]}", pools=pools)
    assert plan(decide(built)) == ["claude", "gemini", "oss"]


def test_show_prints_what_can_be_read_back() -> None:
    built = book("mine: {extends: hybrid, unsupported: reject, before: [{when: {class: 'simple'}, deny: 'no: \"x\"'}]}")
    copied = built.show("mine")
    again = book("copy:\n" + "".join(f"  {line}\n" for line in copied.splitlines()))
    for text in ("Hi!", "Create a FastAPI server"):
        one, two = decide(built, ask(text), policy="mine"), decide(again, ask(text), policy="copy")
        assert (plan(one), one.denied) == (plan(two), two.denied)
    assert again.policies["copy"].hash == built.policies["mine"].hash


def test_show_of_an_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'hybrid'"):
        book().show("hybird")


def test_the_hash_follows_the_rules_and_nothing_else() -> None:
    one, two, three = rules("{use: [oss]}"), rules("{'use': ['oss']}"), rules("{use: [claude]}")
    hashes = [each.policies["p"].hash for each in (one, two, three)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 12
    assert decide(one).policy_hash == hashes[0]


def test_the_hash_follows_a_text_that_looks_like_a_comment() -> None:
    for one, two in (
        ('{deny: "no  # 1"}', '{deny: "no  # 2"}'),
        ('{when: {team: "a  # b"}, use: [oss]}', '{when: {team: "a  # b"}, use: [claude]}'),
    ):
        assert rules(one).policies["p"].hash != rules(two).policies["p"].hash


@pytest.mark.parametrize(
    "words",
    [
        "condense: local", "escalate: true", "sticky: conversation", "ttft_target: 2s", "order: cheapest",
        "order: weighted, weights: {oss: 2}", "set: {cache: {ttl: 1h}}", "set: {data_class: internal}",
        "when: {time: 9-17, timezone: Europe/Berlin}", "when: {time: 9-17, timezone: UTC}",
    ],
)  # fmt: skip
def test_whatever_a_rule_asks_for_is_in_the_hash(words: str) -> None:
    assert rules(f"{{use: [oss, claude], {words}}}").policies["p"].hash != (
        rules("{use: [oss, claude]}").policies["p"].hash
    )


def test_a_setting_that_is_wrong_is_told_once_where_it_stands() -> None:
    with pytest.raises(RuleErrors) as told:
        book("a: {ttft_target: soon, rules: [{use: [oss]}]}\nb: {extends: a}\nc: {extends: b}")
    assert [path for path, _ in told.value.problems] == [("policies", "a", "ttft_target")]


def test_the_trace_tells_what_a_rule_asks_for_beside_its_targets() -> None:
    built = rules(
        "{condense: {by: local, keep: 2}, escalate: [empty], sticky: conversation, ttft_target: 2s, continue: true}",
        "{use: [claude], only: {backends: [oss, claude]}, set: {cache: {ttl: 1h}}}",
    )
    trace = decide(built, ask()).trace
    assert "p[0] applies: sticky conversation; ttft_target 2s; condense by local, keep 2; escalate empty" in trace
    assert "p[1] applies: use claude; set cache=ttl 1h; only backends oss|claude" in trace


def test_needs_tell_whether_the_body_must_be_read() -> None:
    built = book("p: {rules: [{when: {stream: true}, use: [oss]}, {use: [claude]}]}")
    route = Route(alias="auto", policy="p")
    assert built.needs(route, Caller()) == {"stream"}
    assert not built.reads_content(route, Caller())
    assert built.reads_content(route, Caller(policy={"default": "hybrid"}))
    guarded = book("p: {rules: [{use: [oss]}]}", guards="[{when: {input_tokens: '>9k'}, deny: long}]")
    assert guarded.reads_content(route, Caller())
    assert guarded.reads_content(Route(alias="e", use=("oss",)), Caller())


def test_the_library_compiles_without_a_warning() -> None:
    assert book(used={("aliases", name, "policy"): name for name in LIBRARY}).warnings == ()
