"""Done-when 5, its second half: ``kill -9`` of one of two replicas that share a Redis and a book. Its own calls in flight
are lost and nobody else's; what they held of a limit comes back, and no more; no row stands twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos import Chaos, chaos
from crowd import crowd, statuses
from leaving import APIS, Leaver, request
from live import Live
from services import postgres_server, redis_server
from talk import until

from policies.limits.leasing import LEASE
from proxy.ledger.book import open_book
from proxy.ledger.record import UsageRecord

PLACES, MINUTE = 10, 40
EACH = 4
END = b"0\r\n\r\n"
"""Of a stream's HTTP body."""
"""Streams at each replica when one is killed."""


@pytest.fixture
def own() -> Iterator[Chaos]:
    with chaos() as made:
        yield made


def text(room: Chaos, redis: str, book: str) -> str:
    at = f'provider: vllm, local: true, base_url: "{room.url}/v1"'
    return f"""version: 1
server: {{secret: shared-by-all}}
state: {{redis: "{redis}"}}
ledger: {{url: "{book}"}}
retries: {{attempts: 1}}
backends:
  ok:   {{{at}, model: ok}}
  held: {{{at}, model: held}}
keys:
  - {{name: places, secret: sk-places, limits: {{parallel: {PLACES}}}}}
  - {{name: minute, secret: sk-minute, limits: {{rpm: {MINUTE}}}}}
"""


@contextmanager
def replicas(room: Chaos, folder: Path) -> Iterator[tuple[Live, Live, str]]:
    for name in ("one", "two"):
        (folder / name).mkdir()
    with redis_server() as redis, postgres_server() as book:
        config = text(room, redis.url, book.url)
        with Live(config, folder=folder / "one") as one, Live(config, folder=folder / "two") as two:
            yield one, two, book.url


def held(live: Live, number: int) -> Leaver:
    return Leaver(live.port, request(APIS[number % 3], "backend/held", stream=True, key="sk-places"))


def taken(live: Live) -> Leaver | None:
    """A place at this replica; None: there is none."""
    asked = held(live, 0)
    return asked if b"200 OK" in asked.until(b"\r\n\r\n") else None


def test_p10_a_replica_that_is_killed_takes_its_own_calls_and_nothing_else(own: Chaos, tmp_path: Path) -> None:
    with replicas(own, tmp_path) as (one, two, book):
        early = statuses(crowd([one.url, two.url], 10, "sk-minute", "backend/ok"))
        assert early == {"200": 10}
        lost, kept = ([held(live, n) for n in range(EACH)] for live in (one, two))
        for each in (*lost, *kept):
            each.until(b"still here")
        one.kill()
        late = statuses(crowd([two.url], 60, "sk-minute", "backend/ok", wide=8))
        print("rpm", MINUTE, "before the kill", early, "after it", late)
        # Its lease is out for a while, and what it had drawn and not yet told may be forgotten.
        assert MINUTE - 10 - MINUTE // 4 <= late["200"] <= MINUTE - 5
        for each in lost:
            told = each.end()
            assert b"[DONE]" not in told
            assert b"message_stop" not in told
        for each in kept:
            each.more(b"still here")
        _places_come_back(two, kept)
        with Live(None, folder=tmp_path / "one", args=("--config", str(one.config))) as again:
            refused = held(again, 0).until(b'"code"')
            assert b"HTTP/1.1 429" in refused
            assert b"Key 'places' may have 10 calls" in refused
            own.release = True
            for each in kept:
                each.until(END)
        done = 10 + late["200"] + PLACES
        two.until(lambda: sum(row.outcome == "ok" for row in _rows(book, two)) == done, "all in the book")
        rows = _rows(book, two)
        assert len({(row.request_id, row.attempt) for row in rows}) == len(rows)


def _places_come_back(live: Live, kept: list[Leaver]) -> None:
    """Those of the dead one, when its lease is over: then ten are taken, and not one more."""
    extra: list[Leaver] = []

    def full() -> bool:
        found = taken(live)
        if found is not None:
            extra.append(found)
        return len(kept) + len(extra) == PLACES

    until(full, "ten places again", LEASE + 20)
    assert taken(live) is None
    kept += extra


def _rows(book: str, live: Live) -> list[UsageRecord]:
    return open_book(book, live.folder).rows()
