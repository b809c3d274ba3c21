"""Rows U1 to U10 of the fault matrix, and D1: the upstream is away, silent, cut off, or says what nobody can read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from chaos import SECRET, WORDS, Chaos, chaos
from chaos_plays import FIRSTS, LONG, MIB, ROUGH
from live import Live, free_port
from rough import CLIENTS, IDS, WAYS, Client, ask, at, counted, entries, rss
from talk import Heard, until

SHORT = "timeouts: {first_byte: 300ms, total: 300ms}"
"""At a hundredth or less of their defaults (decision D28), where they are to strike; others have all the time they need."""
QUICK = "timeouts: {connect: 200ms}"
TIMED = ("stall", "stalled-error")
DYING = ("reset", "close")
FAULTS = ("cut-fin", "cut-rst", "cut-eof", "bad-line", "bad-utf8", "garbage", "html")
HEAVY = ("long-line", "endless-line", "endless-headers", "endless-error")
BEGUN = ("chat", "responses", "messages", "gemini")
HALF = "".join(WORDS[:3])
FACES = (b"Traceback", b"codec", b"Decode", b"Error(", b"<html", SECRET.encode())
"""Words of our own machinery, and of pages that nobody may see."""
each_way = pytest.mark.parametrize(("client", "stream"), WAYS, ids=IDS)
each_client = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture(scope="module")
def rough() -> Iterator[Chaos]:
    with chaos(ROUGH) as made:
        yield made


@pytest.fixture(scope="module")
def dying() -> Iterator[Chaos]:
    """A server that answers nobody, so that no connection to it is ever used again."""
    with chaos(ROUGH) as made:
        yield made


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    """An address that takes no connection: its queue is full, so that nobody answers a SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


@pytest.fixture(scope="module")
def live(rough: Chaos, dying: Chaos, full: str) -> Iterator[Live]:
    lines = entries(f"http://127.0.0.1:{free_port()}", "refuse") + entries(full, "full", QUICK)
    for fault in (*FAULTS, *TIMED, *HEAVY):
        lines += entries(rough.url, fault, SHORT if fault in TIMED else "")
    for fault in DYING:
        lines += entries(dying.url, fault)
    for dialect in BEGUN:
        for end in FIRSTS:
            lines += entries(rough.url, f"{dialect}-{end}", SHORT if end == "stall" else "", dialect)
    at_rough = f'provider: vllm, local: true, base_url: "{rough.url}/v1"'
    text = f"""version: 1
retries: {{base: 20ms}}
backends:
  ok: {{{at_rough}, model: ok}}
  stale: {{{at_rough}, model: flaky}}
  stale-part: {{{at_rough}, model: stale-part}}
  stale-late: {{{at_rough}, model: stale-late}}
  endless: {{{at_rough}, model: endless, timeouts: {{cap: 600ms}}}}
  mute: {{provider: vllm, local: true, base_url: "{rough.url.replace("http", "https")}/v1", model: ok, {QUICK}}}
{chr(10).join(lines)}
aliases:
  away: {{use: [{at("refuse", "chat", stream=False)}, ok]}}
  stalled: {{use: [{at("stall", "chat", stream=False)}, ok]}}
"""
    with Live(text) as made:
        yield made


@pytest.fixture(scope="module")
def kept(rough: Chaos) -> Iterator[Live]:
    """It keeps its streams alive from early on."""
    lines = entries(rough.url, "stall-mid", "timeouts: {idle: 500ms}")
    text = ["version: 1", "timeouts: {commit_after: 100ms, keepalive: 50ms}", "backends:", *lines]
    with Live("\n".join([*text, "aliases: {any: {use: [" + at("stall-mid", "chat", stream=True) + "]}}"])) as made:
        yield made


def status(live: Live, heard: Heard, client: Client, code: tuple[int, str], attempts: int = 1) -> dict[str, str]:
    """An error before the first byte: its status, its body, its headers and its rows all say the same."""
    assert heard.failed is not None
    assert (heard.status, heard.headers["content-type"]) == (code[0], "application/json")
    assert client == "messages" or heard.failed["code"] == code[1]
    assert not any(face in heard.raw for face in FACES)
    assert heard.headers["x-turnout-attempts"] == str(attempts)
    assert heard.headers["x-should-retry"] == "false"
    rows = live.rows_of(heard.id)
    assert [(row.attempt, row.error_code) for row in rows] == [(n + 1, code[1]) for n in range(attempts)]
    assert rows[-1].outcome == "error"
    return heard.failed


def broken_off(live: Live, heard: Heard, client: Client, code: str, text: str = HALF) -> dict[str, str]:
    """An error after it: what arrived, then one error and no end, and a row that says so."""
    assert (heard.status, heard.text) == (200, text)
    assert heard.failed is not None
    assert not any(face in heard.raw for face in FACES)
    assert not any(end in heard.raw for end in (b'"stop"', b"message_stop", b"response.completed"))
    assert client != "chat" or (heard.failed["code"] == code and b"[DONE]" not in heard.raw)
    (row,) = live.rows_of(heard.id)
    assert (row.outcome, row.status, row.error_code, row.finish_reason) == ("interrupted", 200, code, None)
    return heard.failed


@each_way
def test_u1_a_refused_connection_is_tried_once_more_and_told_within_a_second(
    live: Live, client: Client, stream: bool
) -> None:
    backend = at("refuse", client, stream=stream)
    began = time.monotonic()
    heard = ask(live, client, backend_of(backend), stream=stream)
    took = time.monotonic() - began
    failed = status(live, heard, client, (502, "upstream_unreachable"), attempts=2)
    assert f"{backend}: the connection failed (refused)" in failed["message"]
    assert took < 1
    assert "asked again after 0.0" in (live.rows_of(heard.id)[0].trace or "")
    assert counted(live, "turnout_retries_total", backend=backend, outcome="made") == 1


def test_u1_another_one_is_asked_instead(live: Live) -> None:
    heard = ask(live, "chat", "away", stream=False)
    assert (heard.status, heard.backend, heard.headers["x-turnout-attempts"]) == (200, "ok", "2")
    assert heard.headers["x-turnout-reason"].endswith(": unreachable")


@each_way
def test_u1_a_connection_that_nobody_takes_ends_at_its_timer(live: Live, client: Client, stream: bool) -> None:
    backend = at("full", client, stream=stream)
    failed = status(live, ask(live, client, backend_of(backend), stream=stream), client, (504, "upstream_timeout"))
    assert "did not connect within 0.2 s (timeouts.connect)" in failed["message"]
    assert counted(live, "turnout_timeouts_total", backend=backend, timer="connect") == 1


def test_u1_a_handshake_that_nobody_answers_ends_at_the_same_timer(live: Live) -> None:
    failed = status(live, ask(live, "chat", "backend/mute", stream=True), "chat", (504, "upstream_timeout"))
    assert "did not connect within 0.2 s (timeouts.connect)" in failed["message"]


@each_way
@pytest.mark.parametrize("fault", DYING)
def test_u2_a_connection_that_dies_before_the_head_is_tried_once_more(
    live: Live, dying: Chaos, client: Client, stream: bool, fault: str
) -> None:
    before = len(dying.of(fault))
    heard = ask(live, client, backend_of(at(fault, client, stream=stream)), stream=stream)
    status(live, heard, client, (502, "upstream_interrupted"), attempts=2)
    asked = dying.of(fault)[before:]
    assert len({seen.connection for seen in asked}) == len(asked) == 2


@each_way
def test_u2_a_stale_connection_is_replaced_in_silence(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    """The idle one had been closed by its server: the whole request goes out again, and that is no retry."""
    before = len(rough.of("flaky"))
    for _ in range(3):
        heard = ask(live, client, "backend/stale", stream=stream)
        assert (heard.status, heard.text, heard.failed) == (200, "".join(WORDS), None)
        assert heard.headers["x-turnout-attempts"] == "1"
        assert len(live.rows_of(heard.id)) == 1
    assert len(rough.of("flaky")) - before >= 5
    assert counted(live, "turnout_retries_total", backend="stale") == 0


@pytest.mark.parametrize("model", ["stale-part", "stale-late"])
def test_u2_what_has_been_read_is_not_sent_again_in_silence(live: Live, rough: Chaos, model: str) -> None:
    """Half a head has come, or so much time has gone by that the request must have been read: the next try is one."""
    assert ask(live, "chat", f"backend/{model}", stream=False).status == 200
    before = len(rough.of(model))
    heard = ask(live, "chat", f"backend/{model}", stream=False)
    rows = live.rows_of(heard.id)
    assert [row.error_code for row in rows] == ["upstream_interrupted", None]
    assert len(rough.of(model)) - before == len(rows) == 2


@each_client
@pytest.mark.parametrize("fault", ["cut-fin", "cut-rst"])
def test_u3_a_cut_stream_ends_in_one_error(live: Live, client: Client, fault: str) -> None:
    heard = ask(live, client, backend_of(at(fault, client, stream=True)), stream=True)
    broken_off(live, heard, client, "upstream_interrupted")


@each_client
@pytest.mark.parametrize("fault", ["cut-fin", "cut-rst"])
def test_u3_a_cut_whole_answer_is_not_asked_for_again(live: Live, rough: Chaos, client: Client, fault: str) -> None:
    """It had been made, and another one would be paid for as well."""
    before = len(rough.of(fault))
    heard = ask(live, client, backend_of(at(fault, client, stream=False)), stream=False)
    status(live, heard, client, (502, "upstream_interrupted"))
    assert len(rough.of(fault)) - before == 1


@each_client
def test_u4_an_end_without_the_end_is_an_error(live: Live, client: Client) -> None:
    heard = ask(live, client, backend_of(at("cut-eof", client, stream=True)), stream=True)
    broken_off(live, heard, client, "upstream_interrupted")


@each_way
def test_u5_silence_before_the_head_ends_at_its_timer(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    backend, timer = at("stall", client, stream=stream), "first_byte" if stream else "total"
    before = len(rough.of("stall"))
    failed = status(live, ask(live, client, backend_of(backend), stream=stream), client, (504, "upstream_timeout"))
    what = "send its first event" if stream else "answer"
    assert f"{backend}: the backend did not {what} within 0.3 s (timeouts.{timer})" in failed["message"]
    assert counted(live, "turnout_timeouts_total", backend=backend, timer=timer) == 1
    (seen,) = rough.of("stall")[before:]
    until(lambda: seen.gone, "closed upstream")


def test_u5_another_one_is_asked_instead(live: Live) -> None:
    heard = ask(live, "chat", "stalled", stream=True)
    assert (heard.status, heard.backend, heard.text) == (200, "ok", "".join(WORDS))
    assert heard.headers["x-turnout-reason"].endswith(": timeout")
    first, _ = live.rows_of(heard.id)
    assert "timeouts.first_byte" in (first.error_message or "")


@each_client
def test_u6_silence_amid_a_stream_is_kept_alive_and_ends_at_its_timer(kept: Live, rough: Chaos, client: Client) -> None:
    backend, before = at("stall-mid", client, stream=True), len(rough.of("stall-mid"))
    heard = ask(kept, client, backend_of(backend), stream=True)
    failed = broken_off(kept, heard, client, "upstream_timeout")
    assert "did not send anything more within 0.5 s (timeouts.idle)" in failed["message"]
    assert sum(part.startswith(b":") for part in heard.raw.split(b"\n\n")) >= 2
    assert "timeouts.idle" in (kept.rows_of(heard.id)[0].error_message or "")
    assert counted(kept, "turnout_timeouts_total", backend=backend, timer="idle") == 1
    (seen,) = rough.of("stall-mid")[before:]
    until(lambda: seen.gone, "closed upstream")


@each_client
def test_u6_a_stream_that_flows_for_ever_ends_at_its_cap(live: Live, rough: Chaos, client: Client) -> None:
    before = counted(live, "turnout_timeouts_total", backend="endless", timer="cap")
    heard = ask(live, client, "backend/endless", stream=True)
    failed = broken_off(live, heard, client, "upstream_timeout", heard.text)
    assert heard.text.startswith("on and on on and on")
    assert "did not come to an end within 0.6 s (timeouts.cap)" in failed["message"]
    assert counted(live, "turnout_timeouts_total", backend="endless", timer="cap") == before + 1
    until(lambda: rough.of("endless")[-1].gone, "closed upstream")


@each_way
def test_u7_garbage_in_a_200_is_a_bad_response(live: Live, client: Client, stream: bool) -> None:
    heard = ask(live, client, backend_of(at("garbage", client, stream=stream)), stream=stream)
    status(live, heard, client, (502, "upstream_bad_response"))


@each_way
def test_u8_a_page_in_a_200_is_a_bad_response(live: Live, client: Client, stream: bool) -> None:
    heard = ask(live, client, backend_of(at("html", client, stream=stream)), stream=stream)
    failed = status(live, heard, client, (502, "upstream_bad_response"))
    assert "an HTML page" in failed["message"]


@each_client
@pytest.mark.parametrize(("fault", "text"), [("bad-line", HALF), ("bad-utf8", WORDS[0])])
def test_u9_a_bad_line_amid_a_stream_is_an_error(live: Live, client: Client, fault: str, text: str) -> None:
    heard = ask(live, client, backend_of(at(fault, client, stream=True)), stream=True)
    broken_off(live, heard, client, "upstream_bad_response", text)


@each_client
def test_u10_a_long_line_is_an_answer(live: Live, client: Client) -> None:
    heard = ask(live, client, backend_of(at("long-line", client, stream=True)), stream=True)
    assert (heard.failed, len(heard.text)) == (None, LONG)


@each_client
def test_u10_an_endless_line_is_cut_and_held_in_bounds(live: Live, rough: Chaos, client: Client) -> None:
    before = rss(live)
    heard = ask(live, client, backend_of(at("endless-line", client, stream=True)), stream=True)
    failed = broken_off(live, heard, client, "upstream_bad_response", WORDS[0])
    assert "too large" in failed["message"]
    assert rss(live) - before < 100 * MIB
    until(lambda: rough.of("endless-line")[-1].gone, "closed upstream")


def test_u10_an_endless_body_is_cut_and_held_in_bounds(live: Live, rough: Chaos) -> None:
    before = rss(live)
    heard = ask(live, "chat", backend_of(at("endless-line", "chat", stream=False)), stream=False)
    failed = status(live, heard, "chat", (502, "upstream_bad_response"))
    assert "too large" in failed["message"]
    assert rss(live) - before < 150 * MIB
    until(lambda: rough.of("endless-line")[-1].gone, "closed upstream")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_u10_endless_headers_are_cut(live: Live, rough: Chaos, stream: bool) -> None:
    before = rss(live)
    heard = ask(live, "chat", backend_of(at("endless-headers", "chat", stream=stream)), stream=stream)
    assert (heard.status, heard.failed and heard.failed["code"]) == (502, "upstream_interrupted")
    assert rss(live) - before < 50 * MIB
    until(lambda: rough.of("endless-headers")[-1].gone, "closed upstream")


def test_u10_an_endless_error_is_still_its_status(live: Live, rough: Chaos) -> None:
    heard = ask(live, "chat", backend_of(at("endless-error", "chat", stream=False)), stream=False)
    status(live, heard, "chat", (502, "upstream_error"), attempts=2)
    assert heard.failed is not None
    assert "answered HTTP 500 without a readable error" in heard.failed["message"]
    until(lambda: rough.of("endless-error")[-1].gone, "closed upstream")


def test_u10_an_error_that_stalls_is_still_its_status(live: Live) -> None:
    heard = ask(live, "chat", backend_of(at("stalled-error", "chat", stream=False)), stream=False)
    status(live, heard, "chat", (503, "upstream_overloaded"), attempts=2)


@each_client
@pytest.mark.parametrize("end", FIRSTS)
@pytest.mark.parametrize("dialect", BEGUN)
def test_d1_what_is_no_content_promises_nothing(live: Live, dialect: str, end: str, client: Client) -> None:
    """A role, ``message_start`` and a ping, ``response.created``, a chunk without a candidate: then it breaks. That is
    still a status, in every dialect."""
    codes = {
        "rst": (502, "upstream_interrupted"),
        "eof": (502, "upstream_interrupted"),
        "stall": (504, "upstream_timeout"),
    }
    heard = ask(live, client, backend_of(at(f"{dialect}-{end}", client, stream=True, dialect=dialect)), stream=True)
    code = codes.get(end)
    if code is None:
        assert (heard.status, heard.headers["content-type"]) == (503, "application/json")
        assert heard.failed is not None
        assert "verloaded" in heard.failed["message"]
    else:
        status(live, heard, client, code)


def backend_of(name: str) -> str:
    return f"backend/{name}"
