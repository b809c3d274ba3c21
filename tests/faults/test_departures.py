"""C1: a client leaves in each of six phases, by every API, whole and streamed, in three ways. Its upstream is closed
within a second, and its row says what happened and what was said so far.

``TURNOUT_DEPARTURES=N`` leaves N times each way and prints the table: milliseconds until the upstream saw the close.
"""

from __future__ import annotations

import os
import signal
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chaos import Chaos, Seen
from leaving import APIS, WAYS, Api, Leaver, Way, request
from live import Live, free_port
from talk import until

from proxy.ledger.record import UsageRecord

TIMES = int(os.environ.get("TURNOUT_DEPARTURES", "1"))
WITHIN = 1.0
"""Seconds until the upstream is closed."""
WAIT = 8
"""Seconds between two tries, by the upstream's own word."""


@dataclass(frozen=True)
class Phase:
    """What is asked for, at which of the chaos upstream's models it is then, and what the client has read by then."""

    alias: str
    model: str
    mark: bytes | None = None
    says: bool = False
    """Words were said, which count."""
    jams: bool = False
    """The client reads no more, and all buffers are full."""


STREAMED = {
    "waiting for the upstream's head": Phase("backend/stall", "stall"),
    "waiting for the first event": Phase("backend/stall-first", "stall-first"),
    "promised, and waiting for the first event": Phase("hasty", "stall-first", b": keep-alive"),
    "in a silence of the stream": Phase("backend/stall-mid", "stall-mid", b" the", says=True),
    "in the flow of the stream": Phase("backend/endless", "endless", b"on and on", says=True),
    "in the flow of an unread stream": Phase("backend/exact", "endless", b"on and on", says=True),
    "behind full buffers": Phase("backend/flood", "flood", b"on and on", says=True, jams=True),
    "at the next backend": Phase("falls", "stall"),
    "waiting for the end": Phase("backend/stall-end", "stall-end", b" room"),
}
WHOLE = {
    "waiting for the upstream's head": Phase("backend/stall", "stall"),
    "in the midst of the answer": Phase("backend/stall-mid", "stall-mid"),
    "at the next backend": Phase("falls", "stall"),
}
CELLS = [(name, phase, stream) for stream, told in ((True, STREAMED), (False, WHOLE)) for name, phase in told.items()]


def config(room: Chaos) -> str:
    at = f'base_url: "{room.url}/v1"'
    names = ("ok", "stall", "stall-first", "stall-mid", "stall-end", "endless", "flood")
    tries = [f"tries-{api}-{way}" for api in APIS for way in WAYS]
    lines = [f'  "{name}": {{provider: vllm, local: true, {at}, model: "{name}"}}' for name in names]
    return "\n".join(
        [
            "version: 1",
            "server: {drain: 60s}",
            "timeouts: {commit_after: 400ms, keepalive: 100ms}",
            "backends:",
            *lines,
            f"  exact: {{provider: openai, dialect: openai_chat, credential: sk-x, {at}, model: endless}}",
            f'  refuses: {{provider: vllm, local: true, base_url: "http://127.0.0.1:{free_port()}/v1", model: none}}',
            *(f"  {name}: {{provider: vllm, local: true, {at}, model: '503-later'}}" for name in tries),
            "policies:",
            *(f"  {name}: {{rules: [{{use: [{name}]}}], retries: {{attempts: 3, cap: {WAIT}}}}}" for name in tries),
            "aliases:",
            *(f"  {name}: {{policy: {name}}}" for name in tries),
            "  hasty: {use: [stall-first]}",
            "  falls: {use: [refuses, stall]}",
            "",
        ]
    )


@pytest.fixture(scope="module")
def live(room: Chaos) -> Iterator[Live]:
    with Live(config(room)) as made:
        yield made


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, list[float]]]:
    found: dict[str, list[float]] = defaultdict(list)
    yield found
    print("\n| client leaves | n | p50 ms | max ms |\n|---|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {len(seconds)} | {statistics.median(seconds) * 1000:.1f} | {max(seconds) * 1000:.1f} |")


class Rows:
    """The rows that are written from here on."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._known = {row.request_id for row in live.rows()}

    def new(self) -> list[UsageRecord]:
        return [row for row in self._live.rows() if row.request_id not in self._known]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("name", "phase", "stream"), CELLS, ids=[f"{c[0]}-{'s' if c[2] else 'w'}" for c in CELLS])
def test_c1_a_departure_closes_the_upstream(
    live: Live, room: Chaos, table: dict[str, list[float]],
    name: str, phase: Phase, stream: bool, api: Api, way: Way,
) -> None:  # fmt: skip
    for _ in range(TIMES):
        before, rows = len(room.of(phase.model)), Rows(live)
        leaver = Leaver(live.port, request(api, phase.alias, stream=stream))
        seen: Seen = until(lambda before=before: room.of(phase.model)[before:], "asked")[0]
        if phase.mark is not None:
            leaver.until(phase.mark)
        until(lambda seen=seen: seen.jammed or not phase.jams, "jammed")
        left = leaver.leave(way)
        gone = until(lambda seen=seen: seen.gone, "closed at the upstream")
        table[f"{name}, {'stream' if stream else 'whole'}"].append(gone - left)
        assert gone - left < WITHIN
        row = until(rows.new, "recorded")[-1]
        assert (row.status, row.outcome, row.api, row.stream) == (499, "cancelled", api, stream)
        assert not phase.says or (row.output_tokens or 0) > 0
        assert row.error_code is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sent", [0.3, 0.9], ids=["half a head", "half a body"])
@pytest.mark.parametrize("api", APIS)
def test_c1_a_departure_before_the_request_is_there_asks_nobody(
    live: Live, room: Chaos, api: Api, sent: float, way: Way
) -> None:
    asked, rows = len(room.seen), Rows(live)
    whole = request(api, "backend/ok", stream=True)
    leaver = Leaver(live.port, whole[: int(len(whole) * sent)])
    leaver.leave(way)
    if way == "half":
        assert b"200 OK" not in leaver.end()
    answer = Leaver(live.port, request(api, "backend/ok", stream=False)).until(b'"usage"')
    assert b"200 OK" in answer
    until(lambda: len(rows.new()) == 1, "recorded")
    assert len(room.seen) - asked == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("api", APIS)
def test_c1_a_departure_between_two_tries_ends_them(live: Live, room: Chaos, api: Api, way: Way) -> None:
    before, rows = len(room.of("503-later")), Rows(live)
    leaver = Leaver(live.port, request(api, f"tries-{api}-{way}", stream=True))
    until(lambda: len(room.of("503-later")) > before, "asked")
    leaver.leave(way)
    (row,) = until(rows.new, "recorded", WAIT / 2)
    assert (row.status, row.outcome) == (499, "cancelled")
    assert len(room.of("503-later")) - before == 1


def test_c1_departures_while_we_shut_down(room: Chaos) -> None:
    """The drain cuts nobody off, and still whoever leaves takes his upstream along."""
    with Live(config(room)) as live:
        before = len(room.seen)
        stays = Leaver(live.port, request("chat", "backend/endless", stream=True))
        stays.until(b"on and on")
        asked = [(api, model) for api in APIS for model in ("endless", "stall")]
        leavers = [
            Leaver(live.port, request(api, f"backend/{model}", stream=model == "endless")) for api, model in asked
        ]
        seen = until(lambda: len(room.seen) == before + 1 + len(asked) and room.seen[before + 1 :], "asked")
        live.signal(signal.SIGTERM)
        until(lambda: not live.ready(), "draining")
        stays.more(b"on and on")
        assert [each.gone for each in seen] == [None] * len(asked)
        left = max(leaver.leave("fin") for leaver in leavers)
        until(lambda: all(each.gone for each in seen), "closed at the upstream")
        assert max(each.gone for each in seen) - left < WITHIN
        stays.more(b"on and on")
        stays.leave("fin")
        assert live.wait() == 0
        told = [(row.status, row.outcome) for row in live.rows()]
        assert told == [(499, "cancelled")] * (len(asked) + 1)
