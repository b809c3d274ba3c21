"""A session as Codex CLI has it, ten tool turns before every backend: compressed, with groups of tools, free-text tools,
tools that come later, sealed reasoning, and a WebSocket that is refused at once (G19, G57, G63, G67, G79, G84)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from codex_client import Answer, Codex, Manner, refused_upgrade
from codex_script import CALLED, run
from codex_tools import LATER, TOOLS
from live import Live, demo_upstream
from sdk_road import BACKENDS, assert_request
from sdk_words import Json

ROWS = {
    **BACKENDS,
    "ollama": "provider: ollama, model: demo-ollama, base_url: '{url}/v1'",
    "llama": "provider: llama_cpp, model: demo-llama, base_url: '{url}/v1'",
    "claude-budget": "provider: anthropic, model: claude-sonnet-4-5, base_url: '{url}/v1', credential: k",
    "flash": "provider: google, model: gemini-3-flash, base_url: '{url}/v1beta', credential: k",
}
EXACT = ("openai-responses", "openai-both")
GOOGLE = ("gemini", "flash")
_GROUP = {"tools[4].tools[0].namespace", "tools[4].tools[1].namespace", "input[].tools[0].tools[0].namespace"}
"""What a group says of itself, beside tools that say it of themselves."""
_ADVICE = {*_GROUP, "tools[2].format", "verbosity", "prompt_cache_key"}
_MORE = {"ollama": {"reasoning_effort"}, **{name: {"messages.reasoning"} for name in GOOGLE}}
DROPPED = {
    **{name: _ADVICE | _MORE.get(name, set()) for name in ROWS},
    **{name: set[str]() for name in EXACT},
    "openai-chat": _GROUP,
}
"""All that a backend is not told in the whole session (``x-turnout-dropped``); no more, and no less."""
SERVERS = ("local", "ollama", "llama")
"""They take back the text of what was thought."""


@pytest.fixture(scope="module")
def road() -> Iterator[tuple[Live, list[Json]]]:
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url:
        backends = [f"  {name}: {{{row.format(url=url)}}}" for name, row in ROWS.items()]
        aliases = [f"  to-{name}: {{use: [{name}]}}" for name in ROWS]
        with Live("\n".join(["version: 1", "backends:", *backends, "aliases:", *aliases, ""])) as live:
            yield live, journal


@pytest.mark.parametrize("manner", ["codex", "verbatim", "stored"])
@pytest.mark.parametrize("backend", ROWS)
def test_ten_tool_turns(road: tuple[Live, list[Json]], backend: str, manner: Manner) -> None:
    live, journal = road
    journal.clear()
    status, connection, seconds = refused_upgrade(live.url)
    assert (status, connection.lower()) == (426, "close")
    assert seconds < 2
    with httpx2.Client(timeout=20) as http:
        answers = run(Codex(live.url, f"to-{backend}", manner, http))
    assert CALLED.count(True) == 10
    assert len(journal) == len(answers) == len(CALLED)
    for entry in journal:
        _check_request(entry, exact=backend in EXACT and manner != "stored")
    _check_given_back(backend, [entry["body"] for entry in journal])
    assert _dropped(answers) == DROPPED[backend]
    _check_usage(live, backend, answers)


def _check_request(entry: Json, *, exact: bool) -> None:
    """``exact``: what Codex leaves out of its items (their ids) passes as it came, whatever the SDK's types say."""
    assert not {"content-encoding", "originator", "session_id"} & entry["headers"].keys()
    assert "previous_response_id" not in entry["body"]
    if exact:
        assert entry["body"]["tools"] == TOOLS
    else:
        assert_request(entry)


def _check_given_back(backend: str, bodies: list[Json]) -> None:
    """Each vendor has its own state back, of every answer before; Gemini only checks, and gets, that of calls."""
    before = [CALLED[:index] for index in range(len(CALLED))]
    if backend in SERVERS:
        assert [_thoughts(body) for body in bodies] == [len(told) for told in before]
    elif backend not in ("chat", "openai-chat"):
        counted = [sum(told) if backend in GOOGLE else len(told) for told in before]
        assert [_states(body) for body in bodies] == counted
    if backend in EXACT:
        assert LATER in bodies[-1]["input"]


def _states(body: Json) -> int:
    parts = [part for turn in body.get("contents", ()) for part in turn["parts"]]
    blocks = [block for turn in body.get("messages", ()) for block in turn["content"]]
    held = ("thoughtSignature", "signature", "encrypted_content")
    return sum(any(name in one for name in held) for one in (*parts, *blocks, *body.get("input", ())))


def _thoughts(body: Json) -> int:
    return sum(bool(turn.get("reasoning") or turn.get("reasoning_content")) for turn in body["messages"])


def _dropped(answers: list[Answer]) -> set[str]:
    told = (answer.headers.get("x-turnout-dropped", "") for answer in answers)
    return {re.sub(r"input\[\d+\]", "input[]", name) for names in told for name in names.split(", ") if name}


def _check_usage(live: Live, backend: str, answers: list[Answer]) -> None:
    """It grows with the thread, and every answer is one row of the ledger."""
    sizes = [answer.end.usage.input_tokens for answer in answers]
    assert sizes == sorted(set(sizes)), "the thread grows with every turn"
    for answer in answers:
        usage = answer.end.usage
        [row] = live.rows_of(answer.headers["x-request-id"])
        assert (row.backend, row.api, row.stream, row.outcome) == (backend, "responses", True, "ok")
        assert (row.input_tokens, row.output_tokens) == (usage.input_tokens, usage.output_tokens)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens


@pytest.mark.parametrize("manner", ["codex", "stored"])
@pytest.mark.parametrize("backends", [("claude", "gemini", "openai-responses"), ("openai-responses", "local", "claude"),
                                      ("gemini", "openai-chat", "llama")])  # fmt: skip
def test_a_thread_goes_on_with_another_backend(
    road: tuple[Live, list[Json]], backends: tuple[str, ...], manner: Manner
) -> None:
    live, journal = road
    journal.clear()
    with httpx2.Client(timeout=20) as http:
        codex = Codex(live.url, "", manner, http)

        def turn_to(number: int) -> None:
            codex.model = f"to-{backends[number]}"

        answers = run(codex, turn_to)
    used = [answer.headers["x-turnout-backend"] for answer in answers]
    assert tuple(dict.fromkeys(used)) == backends
    assert all("previous_response_id" not in entry["body"] for entry in journal)
