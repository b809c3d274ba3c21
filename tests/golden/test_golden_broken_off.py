"""U3, U4 on the whole road: recorded streams of four vendors, broken off by real sockets, and what the clients of three
APIs and the ledger are told.

``TURNOUT_CUTS=N`` tries N offsets of each dialect, client and way to break off; the default is for CI.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import httpx2
import pytest
from breaking import WAYS, Break, Breaking, breaking
from broken_off import STREAMS, check_broken, check_ended, end_of
from heard import CLIENTS, question
from live import Live
from playing import relay
from recordings import SHARED

from adapters.catalog import DIALECTS

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
CUTS = int(os.environ.get("TURNOUT_CUTS", "8"))
ROWS = {
    "openai_chat": "provider: openai_compatible",
    "openai_responses": "provider: openai_compatible, dialect: openai_responses",
    "anthropic_messages": "provider: anthropic",
    "google_gemini": "provider: google",
}
PATHS = {"google_gemini": "v1beta", "anthropic_messages": ""}


@dataclass(frozen=True)
class Cut:
    """One recording, broken off after ``at`` bytes, heard by a client of one API."""

    place: int
    at: int
    way: str
    api: str
    number: int

    @property
    def backend(self) -> str:
        """Each cut has a backend of its own, whose breaker it may open."""
        return f"{STREAMS[self.place].dialect}-{self.api}-{self.way}-{self.number}".replace("_", "-")

    @property
    def body(self) -> bytes:
        return STREAMS[self.place].body[: self.at]

    @property
    def promises(self) -> bool:
        """Does anything of the answer reach us before it breaks off?"""
        machine = relay(STREAMS[self.place], self.api)
        machine.feed(self.body)
        return machine.meaningful and machine.failure is None


def _cuts(dialect: str, api: str, way: str) -> list[Cut]:
    dice = random.Random(f"{dialect} {api} {way}")
    places = [at for at, found in enumerate(STREAMS) if found.dialect == dialect]
    found = []
    for number in range(CUTS):
        place = dice.choice(places)
        found.append(Cut(place, dice.randrange(len(STREAMS[place].body) + 1), way, api, number))
    return found


ALL = {(d, api, way): _cuts(d, api, way) for d in DIALECTS for api in CLIENTS for way in WAYS}


def exact(place: int, api: str) -> bool:
    return (STREAMS[place].dialect, api) == ("anthropic_messages", "messages")


@cache
def whole(place: int, api: str) -> bytes:
    """What the client hears of it uncut; Anthropic's own bytes pass unread."""
    if exact(place, api):
        return STREAMS[place].body
    machine = relay(STREAMS[place], api)
    return b"".join([*machine.feed(STREAMS[place].body), *machine.close(), *machine.tail])


@dataclass(frozen=True)
class Road:
    live: Live
    http: httpx2.Client

    def ask(self, cut: Cut) -> httpx2.Response:
        body = question(cut.api, f"backend/{cut.backend}", stream=True)
        return self.http.post(self.live.base_url + CLIENTS[cut.api], json=body)


def _config(upstream: Breaking) -> str:
    lines = ["version: 1", "retries: {attempts: 1}", "backends:"]
    for cut in (cut for cuts in ALL.values() for cut in cuts):
        dialect = STREAMS[cut.place].dialect or ""
        url = f"{upstream.url}/{cut.backend}/{PATHS.get(dialect, 'v1')}"
        lines.append(f"  {cut.backend}: {{{ROWS[dialect]}, model: m, base_url: '{url}', credential: k}}")
        upstream.breaks[cut.backend] = Break(cut.body, cut.way)
    first = next(iter(ALL.values()))[0].backend
    return "\n".join([*lines, f"aliases: {{any: {{use: [{first}]}}}}", ""])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with breaking() as upstream, httpx2.Client(timeout=20, trust_env=False) as http, Live(_config(upstream)) as live:
        yield Road(live, http)


@pytest.mark.parametrize("cell", ALL, ids="-".join)
def test_u3_u4_a_broken_stream_is_told_as_one(road: Road, cell: tuple[str, str, str]) -> None:
    for cut in ALL[cell]:
        _judge(road, cut)


def _judge(road: Road, cut: Cut) -> None:
    answer = road.ask(cut)
    rows = road.live.rows_of(answer.headers["x-request-id"])
    told = [(row.outcome, row.status, row.error_code) for row in rows]
    last, after = end_of(STREAMS[cut.place])
    if answer.status_code != 200:
        # A reset may take along what was sent and not yet read.
        assert not cut.promises or cut.way == "rst"
        assert (answer.status_code, told) == (502, [("error", 502, "upstream_interrupted")])
        return
    assert cut.promises
    if told == [("ok", 200, None)]:
        assert cut.at >= last
        assert exact(cut.place, cut.api) or check_ended(cut.api, answer.content, whole(cut.place, cut.api)) is None
        return
    assert cut.at < after or cut.way == "rst"
    assert told == [("interrupted", 200, "upstream_interrupted")]
    check_broken(cut.api, answer.content, whole(cut.place, cut.api), exact=exact(cut.place, cut.api))
