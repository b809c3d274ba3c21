"""Restricted data meets local backends only, whatever the configuration, the request and the faults on the way.

Real sockets: what is not local stands behind a gate that counts. A restricted call must leave it at 0 connections and
0 bytes; so must one that goes on from a restricted turn without saying so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from egress_kit import CARD, PROVIDERS, Place, backend, place, told_id
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.rules import walking
from policies.rules.plan import Only
from proxy.state.store import Turn
from proxy.upstream import stock

FAULTS = (
    "",
    "",
    "",
    "500",
    "overloaded",
    "429",
    "401",
    "reset",
    "drop",
    "cut",
    "garbage",
    "html",
    "error-first",
    "context",
)
SOURCES = ("header", "key", "team", "rule", "pattern", "odd header")
KEYS = {"key": "sk-key-restricted", "team": "sk-team-restricted", "both": "sk-both"}
PLAIN = "sk-plain"


@dataclass(frozen=True)
class Backend:
    name: str
    provider: str
    local: bool
    fault: str


@dataclass(frozen=True)
class World:
    """One configuration."""

    backends: tuple[Backend, ...]
    rules: tuple[str, ...]
    guards: str
    more: str

    def text(self, here: Place) -> str:
        lines = [
            backend(
                here, each.name, each.provider, local=each.local,
                model=f"demo-fault-{each.fault}" if each.fault else "demo-x",
                more=", timeouts: {connect: 1s, first_byte: 2s, total: 2s}, capabilities: {tools: true}",
            )
            for each in self.backends
        ]  # fmt: skip
        names = ", ".join(each.name for each in self.backends)
        rules = "".join(f"      - {rule}\n" for rule in self.rules)
        return (
            f"backends:\n{''.join(lines)}retries: {{base: 1ms, cap: 2ms}}\nmedia: {{fetch: true, timeout: 1s}}\n"
            f"data_classes: {{detect: {{card: restricted, email: internal}}}}\n{self.guards}{self.more}"
            f"policies:\n  mine:\n    rules:\n"
            f"      - {{when: {{headers: {{x-case: secret}}}}, set: {{data_class: restricted}}, continue: true}}\n{rules}"
            f"      - {{use: [{names}]}}\n"
            f"aliases:\n  auto: {{policy: mine}}\n  direct: {{use: [{names}]}}\n  cloud: {{policy: claude_only}}\n"
            "teams:\n  ward: {data_class: restricted, policy: {auto: mine}}\n  ours: {data_class: internal}\n"
            f"keys:\n  - {{name: plain, secret: {PLAIN}, team: ours}}\n"
            f"  - {{name: keyed, secret: {KEYS['key']}, team: ours, data_class: restricted}}\n"
            f"  - {{name: warded, secret: {KEYS['team']}, team: ward}}\n"
        )


@dataclass(frozen=True)
class Step:
    """One call. ``source``: what makes it restricted; None: nothing of its own."""

    api: str
    stream: bool
    alias: str
    source: str | None
    tools: bool
    link: bool
    follows: bool


BACKENDS = st.lists(
    st.builds(
        Backend,
        name=st.just(""),
        provider=st.sampled_from(sorted(PROVIDERS)),
        local=st.booleans(),
        fault=st.sampled_from(FAULTS),
    ),
    min_size=1,
    max_size=3,
).map(
    lambda found: (
        *(Backend(f"b{at}", each.provider, each.local, each.fault) for at, each in enumerate(found)),
        Backend("away", "anthropic", local=False, fault=""),
        Backend("here", "vllm", local=True, fault=""),
    )
)
ORDERS = ("", ", order: least_busy", ", order: cheapest", ", order: weighted, weights: {away: 9}")
ESCALATE = ("", ", escalate: [refusal, empty, truncated]", ", escalate: true")
STICKY = ("", ", sticky: conversation", ", sticky: never")
CONDENSE = ("", ", condense: {by: away, min_tokens: 1, keep: 1}", ", condense: {by: here, min_tokens: 1, keep: 1}")
TTFT = ("", ", ttft_target: 1ms")
RULES = st.lists(
    st.tuples(
        st.sampled_from(("", "when: {stream: true}, ", "when: {depth: '>1'}, ", "when: {data_class: restricted}, ")),
        st.sampled_from(("[away]", "[away, here]", "[here, away]", "[away, b0]", "[b0, away, here]")),
        *map(st.sampled_from, (ORDERS, ESCALATE, STICKY, CONDENSE, TTFT)),
    ).map(lambda told: f"{{{told[0]}use: {told[1]}{''.join(told[2:])}}}"),
    max_size=2,
).map(tuple)
GUARDS = st.sampled_from(
    ("", "", "guards: [{when: {data_class: internal}, only: {local: false}}]\n",
     "guards: [{when: {stream: true}, only: {backends: [away]}}]\n")
)  # fmt: skip
WORLDS = st.builds(World, BACKENDS, RULES, GUARDS, st.sampled_from(("", "roles: {local: here, cloud: away}\n")))
STEPS = st.lists(
    st.builds(
        Step,
        api=st.sampled_from(("chat", "responses", "responses", "messages")),
        stream=st.booleans(),
        alias=st.sampled_from(("auto", "auto", "direct", "cloud", "backend/away", "backend/here")),
        source=st.sampled_from((*SOURCES, None, None, None)),
        tools=st.booleans(),
        link=st.booleans(),
        follows=st.booleans(),
    ),
    min_size=2,
    max_size=4,
).map(lambda steps: [*_pair(steps[0]), *steps[1:]])


def _pair(step: Step) -> list[Step]:
    """A restricted call, and one that may go on from it and says nothing."""
    first = replace(step, api="responses", alias="auto", source=step.source or "header", link=False)
    return [first, replace(first, alias=step.alias, source=None, link=step.link, follows=True)]


@dataclass
class Tally:
    """What went through the gates, over all examples."""

    restricted: int = 0
    answered: int = 0
    followed: int = 0
    control: int = 0
    refused: int = 0


def play(here: Place, world: World, steps: list[Step], tally: Tally) -> None:
    """One configuration, one session. Raises AssertionError when restricted data has reached what is not local."""
    here.adopt(world.text(here))
    here.house.backends._breakers.clear()
    parents: dict[str, tuple[str, bool]] = {}
    for step in steps:
        key = KEYS.get(step.source or "", PLAIN)
        parent = parents.get(key) if step.follows and step.api == "responses" else None
        restricted = (step.source is not None and _counts(step)) or (parent is not None and parent[1])
        before, named = here.cloud.seen, len(here.looked_up)
        reply = here.ask(step.api, _body(step, parent[0] if parent else None), **_headers(step, key))
        if restricted:
            tally.restricted += 1
            tally.answered += reply.status == 200
            tally.followed += step.source is None
            tally.refused += b"egress_denied" in reply.body
            assert here.cloud.seen == before, (step, reply.status, reply.headers)
            assert here.looked_up[named:] == []
        else:
            tally.control += here.cloud.bytes > before[1]
        told = told_id(reply) if step.api == "responses" else None
        if told is not None:
            parents[key] = told, restricted


def _counts(step: Step) -> bool:
    """A rule stands in the policy ``mine`` only."""
    return step.source != "rule" or step.alias == "auto"


def _headers(step: Step, key: str) -> dict[str, str]:
    named = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    told = {"header": {"x-turnout-data-class": "Restricted"}, "odd header": {"x-turnout-data-class": "top secret!"}}
    return named | told.get(step.source or "", {}) | ({"x-case": "secret"} if step.source == "rule" else {})


def _body(step: Step, parent: str | None) -> dict[str, Any]:
    text = f"My card is {CARD}." if step.source == "pattern" else "Please say something about the weather in Rome."
    model = {"model": step.alias, "stream": step.stream}
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    old = "A long story of earlier days. " * 40
    if step.api == "responses":
        parts = [{"type": "input_text", "text": text}]
        parts += [{"type": "input_image", "image_url": "https://pictures.example/cat.png"}] if step.link else []
        tools = [{"type": "function", "name": "get_weather", "parameters": schema}]
        back = {"previous_response_id": parent} if parent is not None else {}
        return {
            **model,
            "input": [{"role": "user", "content": parts}],
            **back,
            **({"tools": tools} if step.tools else {}),
        }
    turns = [{"role": "user", "content": old}, {"role": "assistant", "content": old}] * (2 if step.follows else 0)
    if step.api == "messages":
        tools = [{"name": "get_weather", "input_schema": schema}]
        image = {"type": "image", "source": {"type": "url", "url": "https://pictures.example/cat.png"}}
        model["max_tokens"] = 64
    else:
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]
        image = {"type": "image_url", "image_url": {"url": "https://pictures.example/cat.png"}}
    content: list[Any] = [{"type": "text", "text": text}, *([image] if step.link else [])]
    return {
        **model,
        "messages": [*turns, {"role": "user", "content": content}],
        **({"tools": tools} if step.tools else {}),
    }


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("egress")) as made:
        yield made


def _property(here: Place, tally: Tally, examples: int, **more: Any) -> Callable[[], None]:
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate], **more,
    )  # fmt: skip
    @given(world=WORLDS, steps=STEPS)
    def run(world: World, steps: list[Step]) -> None:
        play(here, world, steps, tally)

    return run


def test_restricted_data_never_reaches_what_is_not_local(here: Place) -> None:
    tally = Tally()
    _property(here, tally, 200)()
    assert tally.restricted >= 200
    assert tally.answered >= 30, "restricted calls are served where somebody local can"
    assert tally.followed >= 3, "some of them were restricted by what they went on from"
    assert tally.control >= 30, "the same gates let everything else through"
    assert tally.refused == 0, "the plan never sends what the last step would have to stop"


def test_the_last_step_holds_by_itself(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter of the plan is gone: what it would have left out is stopped before its socket."""
    monkeypatch.setattr(walking, "stays_local", _everybody)
    tally = Tally()
    _property(here, tally, 60)()
    assert tally.refused >= 10


def test_without_both_checks_it_leaks(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The property can fail: it does as soon as nobody checks."""
    monkeypatch.setattr(walking, "stays_local", _everybody)
    monkeypatch.setattr(stock, "admit", lambda outgoing: None)
    with pytest.raises(AssertionError, match="source="):
        _property(here, Tally(), 60, derandomize=True)()


def test_without_the_class_of_stored_turns_it_leaks(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both checks stand, and nothing is inherited: the step after a restricted one gives it away."""
    monkeypatch.setattr(Turn, "data_class", frozenset())
    with pytest.raises(AssertionError, match="source=None"):
        _property(here, Tally(), 200, derandomize=True)()


def _everybody(targets: Any) -> Only:
    return Only(frozenset(target.backend for target in targets), "nobody is left out")
