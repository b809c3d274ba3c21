"""The breaker, through the public door: what opens it, who probes, how calls come back, and what is told of it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from live import Live, free_port
from scripted import scripted
from sick import Sick
from talk import ask

MODELS = [
    "rows", "mixed", "keyed", "client", "probed", "back", "gone", "quoted", "half", "waiting", "swapped", "other",
]  # fmt: skip


def config(url: str, *, dead: int, pause: str = "10s", more: str = "") -> str:
    lines = [
        f'  {name}: {{provider: vllm, local: true, base_url: "{url}/v1", model: {name}, credential: sk-{name}}}'
        for name in MODELS
    ]
    aliases = [f"  {name}-else: {{use: [{name}, other]}}" for name in MODELS if name != "other"]
    return "\n".join(
        [
            "version: 1",
            "retries: {attempts: 1}",
            f"breaker: {{pause: {pause}}}",
            "backends:",
            *lines,
            f'  dead: {{provider: vllm, local: true, base_url: "http://127.0.0.1:{dead}/v1", model: dead}}',
            "aliases:",
            *aliases,
            more,
        ]
    )


@pytest.fixture(scope="module")
def sick() -> Iterator[Sick]:
    with scripted() as upstream:
        yield Sick(upstream)


@pytest.fixture(scope="module")
def live(sick: Sick) -> Iterator[Live]:
    with Live(config(sick.upstream.url, dead=free_port())) as made:
        yield made


@pytest.fixture(scope="module")
def brief(sick: Sick) -> Iterator[Live]:
    """Its pauses are short (decision D28)."""
    with Live(config(sick.upstream.url, dead=free_port(), pause="500ms")) as made:
        yield made


def metrics(live: Live) -> str:
    return str(live.get("/metrics")[1])


def state(live: Live, backend: str) -> int | None:
    lines = [
        line for line in metrics(live).splitlines() if line.startswith(f'turnout_breaker_state{{backend="{backend}"')
    ]
    return int(lines[0].rpartition(" ")[2]) if lines else None


def standing(live: Live, backend: str) -> str:
    return str(live.get("/health/ready")[1]["backends"][backend])


def opened(live: Live, sick: Sick, backend: str, status: int = 500, calls: int = 5) -> None:
    sick.status[backend] = status
    for _ in range(calls):
        ask(live.url, "chat", f"backend/{backend}")
    assert state(live, backend) == 2


def test_u12_five_bad_answers_in_a_row_open_it(live: Live, sick: Sick) -> None:
    opened(live, sick, "rows", 500)
    assert sick.count("rows") == 5
    moved = ask(live.url, "chat", "rows-else")
    assert (moved.status, moved.backend, moved.headers["x-turnout-reason"]) == (200, "other", "rows: breaker")
    assert moved.headers["x-turnout-attempts"] == "1"
    assert "breaker open" in (live.rows_of(moved.id)[0].trace or "")
    assert sick.count("rows") == 5
    assert 'turnout_breaker_opened_total{backend="rows",kind="upstream"} 1' in metrics(live)


def test_a_call_that_finds_all_of_them_open_is_told_when_to_come_again(live: Live, sick: Sick) -> None:
    opened(live, sick, "gone", 503)
    told = [ask(live.url, "chat", "backend/gone") for _ in range(6)]
    assert {heard.status for heard in told} == {503}
    assert {heard.failed and heard.failed["code"] for heard in told} == {"no_backend_available"}
    assert all(1 <= int(heard.headers["retry-after"]) <= 14 for heard in told)
    # Not all of them are to come back in the same moment.
    assert len({heard.headers["retry-after-ms"] for heard in told}) > 1
    assert all("x-should-retry" not in heard.headers for heard in told)


def test_an_open_breaker_is_shown_and_leaves_the_house_ready(live: Live, sick: Sick) -> None:
    opened(live, sick, "quoted", 529)
    status, found = live.get("/health/ready")
    assert (status, found["ready"], found["degraded"]) == (200, True, True)
    assert found["backends"]["quoted"].startswith("breaker open for")
    assert found["backends"]["other"] == "ok"


def test_a_line_that_fails_opens_it_too(live: Live) -> None:
    for _ in range(5):
        ask(live.url, "chat", "backend/dead")
    assert state(live, "dead") == 2
    assert 'turnout_breaker_opened_total{backend="dead",kind="local"} 1' in metrics(live)


def test_every_second_call_that_fails_opens_it_at_last(live: Live, sick: Sick) -> None:
    for at in range(21):
        sick.status["mixed"] = 200 if at % 2 else 500
        ask(live.url, "chat", "backend/mixed")
    assert state(live, "mixed") == 2


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429])
def test_what_the_client_did_never_opens_it(live: Live, sick: Sick, status: int) -> None:
    sick.status["client"] = status
    for _ in range(8):
        ask(live.url, "chat", "backend/client")
    assert state(live, "client") in (None, 0)
    sick.status["client"] = 200
    assert ask(live.url, "chat", "backend/client").status == 200


@pytest.mark.parametrize("status", [401, 403])
def test_u14_a_refused_credential_is_out_at_once_and_told(live: Live, sick: Sick, status: int) -> None:
    name = {401: "keyed", 403: "swapped"}[status]
    sick.status[name] = status
    first = ask(live.url, "chat", f"{name}-else")
    assert (first.status, first.backend) == (200, "other")
    assert state(live, name) == 2
    assert ask(live.url, "chat", f"backend/{name}").status == 503
    assert sick.count(name) == 1
    assert f'turnout_breaker_opened_total{{backend="{name}",kind="credential"}} 1' in metrics(live)
    [line] = [line for line in live.log().splitlines() if "credential_refused" in line and name in line]
    assert "error" in line
    assert f"sk-{name}" not in live.log()


def test_a_new_credential_is_tried_at_once(live: Live, sick: Sick) -> None:
    sick.status["half"] = 401
    ask(live.url, "chat", "backend/half")
    assert state(live, "half") == 2
    text = live.config.read_text("utf-8")
    live.write(text.replace("credential: sk-half", "credential: sk-better"))
    assert live.reload()["ok"]
    sick.status["half"] = 200
    assert state(live, "half") == 0
    assert ask(live.url, "chat", "backend/half").status == 200


def test_u17_one_probe_and_then_calls_come_back_by_and_by(brief: Live, sick: Sick) -> None:
    """Forty clients ask all the time. While it is open nobody gets there; then one does, and is waited for; then the
    arrivals per 100 ms grow, and never leap."""
    live = brief
    opened(live, sick, "back", 500)
    sick.gates["back"] = gate = threading.Event()
    before = sick.count("back")
    stop = threading.Event()

    async def client(url: str) -> None:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
            body = {"model": "back-else", "messages": [{"role": "user", "content": "Hi!"}]}
            while not stop.is_set():
                await http.post(url, json=body)
                await asyncio.sleep(0.02)

    async def clients() -> None:
        await asyncio.gather(*(client(f"{live.base_url}/chat/completions") for _ in range(40)))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: asyncio.run(clients()))
        try:
            sick.status["back"] = 200
            live.until(lambda: sick.count("back") > before, "a probe")
            live.until(lambda: standing(live, "back").startswith("breaker half-open"), "half-open")
            assert sick.count("back") == before + 1
            gate.set()
            live.until(lambda: sick.count("back") > before + 30, "calls back")
        finally:
            gate.set()
            stop.set()
            running.result(30)
    assert state(live, "back") == 0
    began, *later = sick.arrivals["back"][before:]
    first = later[0]
    steps = Counter(int((at - first) * 10) for at in later)
    assert first > began
    assert max(steps[at] for at in range(5)) <= 4
    assert max(steps[at] for at in range(10)) <= 8


def test_a_failed_probe_opens_it_for_longer(brief: Live, sick: Sick) -> None:
    live = brief
    opened(live, sick, "probed", 500)
    before = sick.count("probed")

    def probed() -> bool:
        ask(live.url, "chat", "probed-else")
        return sick.count("probed") > before

    live.until(probed, "a probe")
    live.until(lambda: standing(live, "probed").startswith("breaker open for"), "open again")
    assert sick.count("probed") == before + 1
    assert live.log().count("breaker.opened") >= 2
    seconds = [float(found) for found in re.findall(r'"seconds":\s*([0-9.]+)', live.log())]
    assert 0.7 <= max(seconds) <= 1.3


def test_a_breaker_that_opens_sheds_those_that_wait_for_its_recovery(sick: Sick) -> None:
    """Calls that stand in a queue learn of it at once, and go elsewhere."""
    entry = "max_parallel: 1, queue_ms: 20000, model: waiting"
    text = config(sick.upstream.url, dead=free_port()).replace("model: waiting", entry)
    with Live(text) as live, ThreadPoolExecutor(8) as pool:
        sick.gates["waiting"] = gate = threading.Event()
        sick.status["waiting"] = 401
        held = pool.submit(lambda: ask(live.url, "chat", "backend/waiting"))
        live.until(lambda: sick.count("waiting") == 1, "the place taken")
        waits = [pool.submit(lambda: ask(live.url, "chat", "waiting-else")) for _ in range(3)]
        live.until(lambda: 'queue_waiting{backend="waiting"} 3' in metrics(live), "three waiting")
        gate.set()
        assert held.result().status == 502
        assert {each.result().backend for each in waits} == {"other"}
        assert {each.result().headers["x-turnout-reason"] for each in waits} == {"waiting: shed"}
        assert sick.count("waiting") == 1
        sick.gates.pop("waiting")
        sick.status.pop("waiting")
