"""Reasoning that no server reports, over the road: counted before the end is told, in time or not at all (D4, D25)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from heard import CLIENTS, heard, question
from live import Live, alive, children
from public_door import CHAT, RESPONSES, Heard, ask, chat, get, post
from scripted import Answer, Asked, Upstream, whole
from thinker import SAYINGS, TOKENIZE, Thinker, encoding, spoken

from policies.reasoning import by_characters
from proxy.ledger.record import UsageRecord

CONFIG = """version: 1
{more}
backends:
  oss:   {{provider: openai_compatible, base_url: "{url}/v1", model: openai/gpt-oss-20b, local: true, price: {{input: 1, output: 2}}}}
  vllm:  {{provider: vllm, base_url: "{url}/v1", model: qwen, local: true, max_parallel: 1}}
  llama: {{provider: llama_cpp, base_url: "{url}/v1", model: qwen, local: true}}
  mute:  {{provider: llama_cpp, base_url: "{url}/v1", model: qwen, local: true, tokenizer: off}}
  claude: {{provider: anthropic, base_url: "{url}", model: claude-sonnet-5, credential: k, tokenizer: o200k_base}}
  anthropics: {{provider: vllm, dialect: anthropic_messages, base_url: "{url}/v1", model: qwen, local: true}}
  small: {{provider: vllm, base_url: "{url}/v1", model: qwen, local: true, context: 1000}}
  machine: {{provider: llama_cpp, base_url: "{url}/v1", model: qwen, local: true, cost: {{gpu_hour_usd: 2}}}}
aliases: {{machine: {{use: [machine]}}, small: {{use: [small]}}, anthropics: {{use: [anthropics]}}, claude: {{use: [claude]}}, oss: {{use: [oss]}}, vllm: {{use: [vllm]}}, llama: {{use: [llama]}}, mute: {{use: [mute]}}}}
"""
PATIENT = "timeouts: {count_wait: 20s}"
"""The end waits until it is counted, however slow the machine."""
HASTY = "timeouts: {count_wait: 0s}"


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(CONFIG.format(url=upstream.url, more=PATIENT)) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(upstream: Upstream) -> Iterator[Live]:
    with Live(CONFIG.format(url=upstream.url, more=HASTY)) as made:
        yield made


def row(live: Live, answer: Heard) -> UsageRecord:
    """The row of the call itself."""
    found = live.rows_of(answer.id)[0]
    assert found.parent_id is None
    return found


def split(live: Live, answer: Heard) -> tuple[int | None, str | None]:
    found = row(live, answer)
    return found.reasoning_tokens, found.reasoning_source


def helpers(live: Live, answer: Heard) -> list[UsageRecord]:
    return live.rows_of(answer.id)[1:]


def asks(live: Live, api: str, model: str, *, stream: bool) -> tuple[Heard, int | None]:
    """The answer, and the reasoning tokens that its client reads in it."""
    asked = question(api, model, stream=stream)
    answer = post(live, "/v1" + CLIENTS[api], asked)
    return answer, heard(api, answer.raw, stream=stream, asked=asked).usage.get("reasoning")


# --- who counts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["oss", "vllm", "llama"])
@pytest.mark.parametrize("api", CLIENTS)
def test_every_client_reads_the_tokens_that_the_server_made(
    live: Live, upstream: Upstream, api: str, model: str, stream: bool
) -> None:
    """By our vocabulary, or by the server's own, whole and streamed."""
    thinker = Thinker(spoken("german", 9, 1), spoken("python", 2, 1))
    upstream.reply = thinker.reply
    answer, told = asks(live, api, model, stream=stream)
    assert told == len(thinker.ids)
    assert split(live, answer) == (len(thinker.ids), "counted")
    assert answer.told("reasoning") == (None if stream else f"{len(thinker.ids)}; source=counted")


@pytest.mark.parametrize("kind", SAYINGS)
def test_whatever_it_thinks_in(live: Live, upstream: Upstream, kind: str) -> None:
    """To the token; where a template makes line breaks that nobody is shown, within two."""
    for number, template in enumerate((False, True, False, True)):
        thinker = Thinker(spoken(kind, 3 + 9 * number, number), spoken(kind, 2, number), template=template)
        upstream.reply = thinker.reply
        tokens, source = split(live, ask(live, "oss", stream=number > 1))
        assert source == "counted"
        assert abs((tokens or 0) - len(thinker.ids)) <= 2 * template


@pytest.mark.parametrize("reports", [0, 10_000])
def test_a_report_that_cannot_be_is_counted(live: Live, upstream: Upstream, reports: int) -> None:
    """A hard-coded 0 beside reasoning text, and more than the whole output."""
    thinker = Thinker(reports=reports)
    upstream.reply = thinker.reply
    for stream in (False, True):
        answer, told = asks(live, "chat", "vllm", stream=stream)
        assert (told, split(live, answer)) == (len(thinker.ids), (len(thinker.ids), "counted"))


def test_a_believable_report_is_believed_and_nobody_counts(live: Live, upstream: Upstream) -> None:
    thinker = Thinker(reports=5)
    upstream.reply = thinker.reply
    for stream in (False, True):
        upstream.asked.clear()
        answer, told = asks(live, "responses", "vllm", stream=stream)
        assert (told, split(live, answer)) == (5, (5, "reported"))
        assert [asked.path for asked in upstream.asked] == [CHAT]
    assert not helpers(live, answer)


def test_an_answer_without_thoughts_asks_nobody(live: Live, upstream: Upstream) -> None:
    upstream.reply = Thinker("", "Paris.").reply
    upstream.asked.clear()
    answer = ask(live, "vllm")
    assert (split(live, answer), len(upstream.asked)) == ((None, None), 1)
    assert answer.told("reasoning") is None


def test_where_nobody_can_count_it_is_estimated_and_never_zero(live: Live, upstream: Upstream) -> None:
    thinker = Thinker()
    upstream.reply = thinker.reply
    for stream in (False, True):
        answer, told = asks(live, "chat", "mute", stream=stream)
        share = by_characters(thinker.output, len(thinker.thought), len(thinker.said))
        assert (told, split(live, answer)) == (share, (share, "estimated"))


def test_a_count_is_never_more_than_the_output(live: Live, upstream: Upstream) -> None:
    thinker = Thinker(counts=lambda _: whole({"count": 99_999}))
    upstream.reply = thinker.reply
    answer, told = asks(live, "chat", "vllm", stream=False)
    assert (told, split(live, answer)) == (thinker.output, (thinker.output, "counted"))


MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "thinking", "thinking": "A summary.", "signature": "c2ln"}, {"type": "text", "text": "Paris."}],
    "usage": {"input_tokens": 3, "output_tokens": 400},
}  # fmt: skip


@pytest.mark.parametrize(("thinking", "expected"), [(None, (250, "estimated")), (333, (333, "reported"))])
def test_a_summary_is_no_measure_of_what_was_thought(
    live: Live, upstream: Upstream, thinking: int | None, expected: tuple[int, str]
) -> None:
    """Whatever tokenizer its operator names: Claude shows less than it bills (D25)."""
    details = {} if thinking is None else {"output_tokens_details": {"thinking_tokens": thinking}}
    upstream.script(whole({**MESSAGE, "usage": {**MESSAGE["usage"], **details}}))  # type: ignore[dict-item]
    answer = ask(live, "claude", reasoning_effort="low")
    assert answer.body["usage"]["completion_tokens_details"]["reasoning_tokens"] == expected[0]
    assert split(live, answer) == expected


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_a_servers_own_thinking_is_raw_in_anthropics_words_too(live: Live, upstream: Upstream, api: str) -> None:
    """vLLM's /v1/messages has no other field for it."""
    counts = whole({"count": 4, "tokens": [1] * 4})
    upstream.reply = lambda asked: counts if asked.path == TOKENIZE else whole(MESSAGE)
    answer, told = asks(live, api, "anthropics", stream=False)
    assert (told, split(live, answer)) == (4, (4, "counted"))


def test_too_long_an_answer_is_estimated(live: Live, upstream: Upstream) -> None:
    """The count of a part would be no count of it."""
    thinker = Thinker("so " * 150_000)
    upstream.reply = thinker.reply
    assert split(live, ask(live, "oss"))[1] == "estimated"


def test_choices_are_counted_each_for_itself(live: Live, upstream: Upstream) -> None:
    thoughts = ["unbe", "lievable"]
    choices = [
        {"index": i, "message": {"role": "assistant", "content": "x", "reasoning": text}, "finish_reason": "stop"}
        for i, text in enumerate(thoughts)
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": 50, "total_tokens": 51}
    upstream.script(
        whole({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage})
    )
    answer = ask(live, "oss", n=2)
    assert split(live, answer)[0] == sum(len(encoding().encode_ordinary(text)) for text in thoughts)


# --- the server's own count is a child call ------------------------------------------------------------------------


def test_the_servers_count_is_a_call_of_its_own(live: Live, upstream: Upstream) -> None:
    """Beside /v1, with a row that names its parent, costs nothing and takes no place at the backend (max_parallel: 1)."""
    upstream.reply = (thinker := Thinker()).reply
    upstream.asked.clear()
    answer = ask(live, "vllm")
    _, counted = upstream.asked
    assert (counted.path, counted.body) == (
        TOKENIZE,
        {"model": "qwen", "prompt": thinker.thought, "add_special_tokens": False},
    )
    (helper,) = helpers(live, answer)
    assert (helper.purpose, helper.api, helper.parent_id, helper.backend) == ("count", "tokenize", answer.id, "vllm")
    assert (helper.status, helper.outcome, helper.cost_nano_usd) == (200, "ok", 0)
    assert (helper.input_tokens, helper.output_tokens, helper.reasoning_tokens) == (0, 0, 0)


def test_a_count_on_a_machine_of_ones_own_costs_nothing_more(live: Live, upstream: Upstream) -> None:
    """It takes no place there; the call's own time is what is paid for."""
    upstream.reply = Thinker().reply
    answer = ask(live, "machine")
    (helper,) = helpers(live, answer)
    assert (helper.cost_nano_usd, row(live, answer).reasoning_source) == (0, "counted")
    assert float(answer.told("cost-usd") or "0") > 0


def test_what_it_has_written_is_never_too_long_for_it(live: Live, upstream: Upstream) -> None:
    """Our estimate of its tokens is more than its context."""
    upstream.reply = Thinker("}{" * 3000, counts=lambda _: whole({"count": 900})).reply
    assert split(live, ask(live, "small")) == (900, "counted")


def test_llama_cpp_is_asked_in_its_own_words(live: Live, upstream: Upstream) -> None:
    upstream.reply = (thinker := Thinker()).reply
    upstream.asked.clear()
    ask(live, "llama")
    assert upstream.asked[1].body == {"content": thinker.thought, "add_special": False}


REFUSALS: dict[str, Callable[[Asked], Answer]] = {
    "no such page": lambda _: whole({"detail": "Not Found"}, 404),
    "a locked page": lambda _: whole({"error": {"message": "no"}}, 401),
    "a crash": lambda _: whole({"error": {"message": "boom"}}, 500),
    "no count": lambda _: whole({"hello": 1}),
    "no JSON": lambda _: whole(b"<html>"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_cannot_count_loses_no_answer_and_is_left_alone(
    upstream: Upstream, refusal: Callable[[Asked], Answer]
) -> None:
    """The answer is estimated, the backend stays on offer, and the next answers do not ask again."""
    upstream.reply = Thinker(counts=refusal).reply
    with Live(CONFIG.format(url=upstream.url, more="timeouts: {count_wait: 20s}\nretries: {attempts: 1}")) as live:
        upstream.asked.clear()
        answers = [ask(live, "vllm") for _ in range(7)]
        assert [split(live, answer)[1] for answer in answers] == ["estimated"] * 7
        assert [asked.path for asked in upstream.asked].count(TOKENIZE) == 1
        assert [helper.outcome for helper in helpers(live, answers[0])] != ["ok"]
        assert "reasoning.not_counted" in live.log()


# --- in time, or later ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_late_count_raises_the_row(hasty: Live, upstream: Upstream, stream: bool) -> None:
    """The answer goes out with an estimate, and the row is counted when the server has counted."""
    gate = threading.Event()
    thinker = Thinker(counts=lambda asked: gated(asked, gate))
    upstream.reply = thinker.reply
    answer, told = asks(hasty, "chat", "vllm", stream=stream)
    estimate = by_characters(thinker.output, len(thinker.thought), len(thinker.said))
    assert (told, split(hasty, answer)) == (estimate, (estimate, "estimated"))
    gate.set()
    hasty.until(lambda: split(hasty, answer) == (len(thinker.ids), "counted"), "counted")


def gated(asked: Asked, gate: threading.Event) -> Answer:
    told = encoding().encode_ordinary(asked.body["prompt"])
    return Answer([gate, b'{"count": %d}' % len(told)])


def test_whoever_hangs_up_while_it_is_counted_has_a_row_that_is_raised(live: Live, upstream: Upstream) -> None:
    """The content has passed; only the end is waited for."""
    gate = threading.Event()
    thinker = Thinker(counts=lambda asked: gated(asked, gate))
    upstream.reply = thinker.reply
    upstream.asked.clear()
    with (
        httpx2.Client(timeout=30, trust_env=False) as client,
        client.stream("POST", live.url + CHAT, json=chat("vllm", stream=True)) as answer,
    ):
        live.until(lambda: any(asked.path == TOKENIZE for asked in upstream.asked), "asked to count")
        request_id = answer.headers["x-request-id"]
    live.until(lambda: [r.outcome for r in live.rows_of(request_id)][:1] == ["cancelled"], "recorded")
    gate.set()
    live.until(lambda: live.rows_of(request_id)[0].reasoning_source == "counted", "counted")
    assert live.rows_of(request_id)[0].reasoning_tokens == len(thinker.ids)


# --- usage that nobody told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["oss", "llama"])
def test_without_any_usage_the_output_is_counted_and_the_input_stays_unknown(
    live: Live, upstream: Upstream, model: str, stream: bool
) -> None:
    thinker = Thinker(usage=False)
    upstream.reply = thinker.reply
    answer = ask(live, model, stream=stream)
    found = row(live, answer)
    assert (found.input_tokens, found.cost_nano_usd) == (None, None)
    assert found.output_tokens == len(thinker.ids) + len(thinker.answer_ids)
    assert (found.reasoning_tokens, found.reasoning_source) == (len(thinker.ids), "counted")
    assert found.flags == "usage_counted"


def test_a_messages_client_is_told_the_output_that_was_counted(live: Live, upstream: Upstream) -> None:
    """Its protocol knows no unknown."""
    thinker = Thinker(usage=False)
    upstream.reply = thinker.reply
    for stream in (False, True):
        asked = question("messages", "oss", stream=stream)
        told = heard("messages", post(live, "/v1/messages", asked).raw, stream=stream).usage
        assert (told["output"], told["reasoning"]) == (len(thinker.ids) + len(thinker.answer_ids), len(thinker.ids))


# --- what comes after ----------------------------------------------------------------------------------------------


def test_a_stored_turn_has_the_count(live: Live, upstream: Upstream) -> None:
    thinker = Thinker()
    upstream.reply = thinker.reply
    for stream in (False, True):
        told = post(live, RESPONSES, {"model": "oss", "input": "Hi!", "stream": stream})
        response = told.events[-1]["response"] if stream else told.body
        assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == len(thinker.ids)
        assert get(live, f"{RESPONSES}/{response['id']}").body["usage"] == response["usage"]


def test_a_kept_answer_repeats_the_count(upstream: Upstream) -> None:
    thinker = Thinker()
    upstream.reply = thinker.reply
    cached = (
        CONFIG.format(url=upstream.url, more=PATIENT).replace("oss: {use: [oss]}", "oss: {policy: kept}")
        + "policies: {kept: {rules: [{set: {cache: {ttl: 1h}}, continue: true}, {use: [oss]}]}}\n"
    )
    with Live(cached) as live:
        for stream in (True, False):
            usage = {"stream_options": {"include_usage": True}} if stream else {}
            told = [ask(live, "oss", f"streamed {stream}", stream=stream, temperature=0, **usage) for _ in range(2)]
            assert [answer.told("cache") for answer in told] == ["miss", "hit; age=0"]
            counts = [(answer.events[-1] if stream else answer.body)["usage"] for answer in told]
            assert [count["completion_tokens_details"]["reasoning_tokens"] for count in counts] == [
                len(thinker.ids)
            ] * 2


# --- the counting process ------------------------------------------------------------------------------------------


def clerks(live: Live) -> list[int]:
    """The counting processes of its workers."""
    return [pid for worker in live.workers() for pid in children(worker)]


def test_the_counting_process_begins_with_the_first_count_and_ends_with_its_worker(upstream: Upstream) -> None:
    upstream.reply = Thinker().reply
    secret = "sk-not-for-everybody"
    with Live(CONFIG.format(url=upstream.url, more=PATIENT), env={"OPENAI_API_KEY": secret}) as live:
        ask(live, "mute")
        assert clerks(live) == []
        ask(live, "oss")
        (pid,) = clerks(live)
        assert secret not in Path(f"/proc/{pid}/environ").read_text()
        os.kill(live.workers()[0], signal.SIGKILL)
        live.until(lambda: not alive(pid), "ended with its worker")


def test_a_counting_process_that_died_is_replaced(upstream: Upstream) -> None:
    upstream.reply = (thinker := Thinker()).reply
    with Live(CONFIG.format(url=upstream.url, more=PATIENT)) as live:
        for _ in range(3):
            assert split(live, ask(live, "oss")) == (len(thinker.ids), "counted")
            (pid,) = clerks(live)
            os.kill(pid, signal.SIGKILL)
            live.until(lambda dead=pid: dead not in clerks(live), "gone")  # type: ignore[misc]


def ignores_term(pid: int) -> bool:
    (mask,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in line]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_drain_still_counts(upstream: Upstream) -> None:
    """A service manager may signal the whole family; what is open is counted to its end."""
    gate = threading.Event()
    thinker = Thinker()
    slow = thinker.reply(Asked(CHAT, {}, b'{"stream": true}', b""))
    upstream.script(Answer([*slow.parts[:3], gate, *slow.parts[3:]], kind=slow.kind))
    with Live(CONFIG.format(url=upstream.url, more=PATIENT)) as live, ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, live, "oss", stream=True)
        live.until(lambda: any(map(ignores_term, clerks(live))), "made ready")
        for pid in (*clerks(live), live.pid):
            os.kill(pid, signal.SIGTERM)
        gate.set()
        heard = answer.result()
        live.wait()
        assert split(live, heard) == (len(thinker.ids), "counted")
