"""Done-when 4: the four policies send the cases of S10 to S12 where they belong, and ``local_fallback`` moves on."""

from collections.abc import Iterator

import pytest
from chaos import WORDS, Chaos
from live import Live, free_port
from talk import APIS, Api, ask

from proxy.ledger.record import UsageRecord

SHORT = "timeouts: {connect: 300ms, first_byte: 300ms, idle: 300ms, total: 300ms}"
TOOL = {
    "chat": {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
    "responses": {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
}
S11 = {
    "Hi!": "local",
    "What is 2+2?": "local",
    "Summarize this text": "local",
    "Create a FastAPI server": "claude",
    "@Ulf sobe uma API": "claude",
}
ALWAYS = {"claude_only": "claude", "local_only": "local", "local_fallback": "local"}


def config(demo: str, local: str, name: str = "local") -> str:
    """``local``: what follows in the local backend's entry."""
    return f"""version: 1
backends:
  {name}: {{provider: vllm, local: true, {local}}}
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
  gemini: {{provider: google, base_url: "{demo}/v1beta", model: gemini-3.1-pro, credential: sk-demo}}
pools: {{cloud-pool: [claude, gemini]}}
roles: {{local: {name}, cloud: cloud-pool, claude: claude}}
retries: {{attempts: 1}}
aliases:
  claude_only: {{policy: claude_only}}
  local_only: {{policy: local_only}}
  hybrid: {{policy: hybrid}}
  local_fallback: {{policy: local_fallback}}
"""


@pytest.fixture(scope="module")
def live(room: Chaos, demo: str) -> Iterator[Live]:
    with Live(config(demo, f'base_url: "{room.url}/v1", model: ok')) as made:
        yield made


@pytest.fixture(scope="module")
def whole(demo: str) -> Iterator[Live]:
    """A house in which everyone is well."""
    with Live(config(demo, f'base_url: "{demo}/v1", model: demo-local')) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("policy", ALWAYS)
def test_s10_these_policies_do_not_look_at_the_task(whole: Live, policy: str, api: Api, stream: bool) -> None:
    for text in S11:
        heard = ask(whole.url, api, policy, text, stream=stream)
        assert (heard.status, heard.backend, heard.failed) == (200, ALWAYS[policy], None)
        assert heard.headers["x-turnout-policy"] == policy
        assert [(row.backend, row.outcome, row.policy) for row in whole.rows_of(heard.id)] == [
            (ALWAYS[policy], "ok", policy)
        ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
def test_s11_hybrid_looks_at_the_task(whole: Live, api: Api, stream: bool) -> None:
    for text, backend in S11.items():
        heard = ask(whole.url, api, "hybrid", text, stream=stream)
        assert (text, heard.status, heard.backend) == (text, 200, backend)
        row = whole.rows_of(heard.id)[0]
        assert row.cls == heard.headers["x-turnout-class"] == ("simple" if backend == "local" else row.cls)


@pytest.mark.parametrize("api", APIS)
def test_s11_tools_go_to_claude(whole: Live, api: Api) -> None:
    heard = ask(whole.url, api, "hybrid", "Hi!", tools=[TOOL[api]])
    assert (heard.status, heard.backend) == (200, "claude")


FAULTS = {
    "refuse": "unreachable",
    "reset": "interrupted",
    "close": "interrupted",
    "stall": "timeout",
    "500": "upstream_error",
    "503": "overloaded",
    "429": "limited",
    "401": "upstream_auth",
    "html": "bad_response",
    "garbage": "bad_response",
    "empty": "bad_response",
    "redirect": "bad_response",
    "error-first": "overloaded",
}
ONLY_STREAMED = {
    "stall-first": "timeout",
    "cut-first-fin": "interrupted",
    "cut-first-rst": "interrupted",
    "cut-first-eof": "interrupted",
}
ONLY_WHOLE = {"cut-fin": "interrupted", "cut-rst": "interrupted", "stall-mid": "timeout"}
CASES = [
    *((fault, kind, stream) for fault, kind in FAULTS.items() for stream in (False, True)),
    *((fault, kind, True) for fault, kind in ONLY_STREAMED.items()),
    *((fault, kind, False) for fault, kind in ONLY_WHOLE.items()),
]


@pytest.mark.parametrize(("fault", "kind", "stream"), CASES, ids=lambda value: str(value).replace(" ", ""))
@pytest.mark.parametrize("api", APIS)
def test_s12_local_fallback_moves_to_the_cloud(
    live: Live, room: Chaos, demo: str, api: Api, fault: str, kind: str, stream: bool
) -> None:
    url = f"http://127.0.0.1:{free_port()}" if fault == "refuse" else room.url
    name = f"local-{api}-{fault}-{stream}".lower()  # a breaker of its own
    live.write(config(demo, f'base_url: "{url}/v1", model: "{fault}", {SHORT}', name))
    assert live.reload()["ok"]
    heard = ask(live.url, api, "local_fallback", stream=stream)
    assert (heard.status, heard.backend, heard.failed) == (200, "claude", None)
    assert heard.text
    assert heard.headers["x-turnout-attempts"] == "2"
    assert heard.headers["x-turnout-reason"] == f"{name}: {kind}"
    first, second = live.rows_of(heard.id)
    _fell_back(first, name)
    assert (second.attempt, second.backend, second.outcome, second.status) == (2, "claude", "ok", 200)
    assert second.output_tokens


def _fell_back(row: UsageRecord, backend: str) -> None:
    assert (row.attempt, row.backend, row.outcome) == (1, backend, "fallback")
    assert row.status is not None
    assert row.status >= 400
    assert row.error_code
    assert row.error_message
    assert (row.output_tokens, row.ttft_ms) == (None, None)


def test_s20_an_open_breaker_spares_the_failing_backend(live: Live, room: Chaos, demo: str) -> None:
    live.write(config(demo, f'base_url: "{room.url}/v1", model: "503", {SHORT}', "tripping"))
    assert live.reload()["ok"]
    before = len(room.of("503"))
    answers = [ask(live.url, "chat", "local_fallback") for _ in range(8)]
    assert {heard.backend for heard in answers} == {"claude"}
    assert len(room.of("503")) - before == 5
    assert answers[-1].headers["x-turnout-attempts"] == "1"
    row = live.rows_of(answers[-1].id)[0]
    assert row.trace is not None
    assert "breaker open" in row.trace
    refused = ask(live.url, "chat", "backend/tripping")
    assert (refused.status, refused.failed and refused.failed["code"]) == (503, "no_backend_available")
    assert int(refused.headers["retry-after"]) > 0
    assert 'turnout_breaker_state{backend="tripping"} 2' in live.get("/metrics")[1]


def test_a_healthy_local_backend_keeps_its_calls(live: Live, room: Chaos, demo: str) -> None:
    live.write(config(demo, f'base_url: "{room.url}/v1", model: ok', "healthy"))
    assert live.reload()["ok"]
    for api in APIS:
        for stream in (False, True):
            heard = ask(live.url, api, "local_fallback", stream=stream)
            assert (heard.backend, heard.text, heard.failed) == ("healthy", "".join(WORDS), None)
