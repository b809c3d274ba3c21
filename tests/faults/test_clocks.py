"""Row P7: the clock on the wall jumps forth and back. Timers do not follow it, no window is granted twice, and what ends
at a time of the calendar ends at that time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crowd import crowd, statuses
from live import Live
from services import redis_server
from spending import beats, config, vendor
from wall import Wall

HOUR, DAY = 3600, 86_400
ADMIN = {"authorization": "Bearer sk-admin"}


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path)


def admin(live: Live, method: str, path: str, body: dict[str, Any]) -> Any:
    """What an admin is told of what he has done."""
    status, found = live.call(method, path, msgspec.json.encode(body), ADMIN)
    assert status in {200, 201}, found
    return found


def status(live: Live, key: str = "sk-k", model: str = "cloud") -> int:
    return crowd([live.url], 1, key, model)[0].status


def spend(live: Live, most: int = 60) -> int:
    """How many calls were answered until one was refused."""
    for answered in range(most):
        if status(live) == 429:
            return answered
    raise AssertionError("nothing was ever refused")


@pytest.mark.parametrize("workers", [1, 2])
def test_p7_a_minute_is_not_granted_twice(workers: int, wall: Wall, tmp_path: Path) -> None:
    """Requests of a minute are counted by clocks that cannot jump, in one worker's memory and in several workers'
    file."""
    more = "keys: [{name: k, secret: sk-k, limits: {rpm: 5}}]\n"
    with vendor() as seller, Live(config(seller.url, more), env=wall.env, folder=tmp_path, workers=workers) as live:
        began = time.monotonic()
        told = crowd([live.url], 8, "sk-k")
        assert statuses(told) == {"200": 5, "rate_limit_exceeded": 3}
        for jump in (HOUR, 3 * DAY, -2 * HOUR, -40 * DAY, 0):
            wall.set(jump)
            [again] = crowd([live.url], 1, "sk-k")
            assert time.monotonic() - began < 60, "too slow to tell"
            assert again.status == 429, f"granted twice after a jump of {jump} s"
            assert 0 < float(again.headers["retry-after"]) <= 61


def test_p7_replicas_whose_clock_is_put_right_do_not_grant_a_minute_twice(wall: Wall, tmp_path: Path) -> None:
    """Machines must agree, so that theirs is the clock on the wall: one that was ahead has had that minute, too, and
    finds what it left when it is put right."""
    with redis_server() as redis, vendor() as seller:
        more = "keys: [{name: k, secret: sk-k, limits: {rpm: 5}}]\nserver: {secret: s}\n"
        text = config(seller.url, more) + f'state: {{redis: "{redis.url}"}}\n'
        with Live(text, env=wall.env, folder=tmp_path) as live:
            assert statuses(crowd([live.url], 8, "sk-k")) == {"200": 5, "rate_limit_exceeded": 3}
            for jump in (-30, 0, 30, 0):
                wall.set(jump)
                assert status(live) == 429, f"granted twice after a jump of {jump} s"


def test_p7_a_budget_is_not_granted_twice(wall: Wall, tmp_path: Path) -> None:
    """Its window is one of the calendar: a clock that is a day ahead by mistake spends that day's money. Put right, it
    finds today spent; and ahead again, that day, too."""
    more = "keys: [{name: k, secret: sk-k, budget: {usd: 0.02, window: day}}]\n"
    with vendor() as seller, Live(config(seller.url, more), env=wall.env, folder=tmp_path) as live:
        seller.tokens = 300
        today = spend(live)
        assert 3 <= today <= 5  # of 4.53 thousandths each
        wall.set(DAY)
        tomorrow = spend(live)
        assert tomorrow <= today
        for jump in (0, DAY, 0):
            wall.set(jump)
            assert spend(live) == 0, f"granted twice at {jump} s"
            beats(live, 2)
        wall.set(40 * DAY)
        assert status(live) == 200
        beats(live, 2)
        wall.set(0)
        assert spend(live) == 0, "granted twice after forty days"
        assert sum(row.cost_nano_usd or 0 for row in live.rows()) <= 2 * 20_000_000 + 5_000_000


def test_p7_no_timer_and_no_duration_follows_it(wall: Wall, tmp_path: Path) -> None:
    with vendor() as seller:
        seller.gate = threading.Event()
        text = config(seller.url, "", price="timeouts: {first_byte: 10m, idle: 10m, total: 20m}")
        with Live(text, env=wall.env, folder=tmp_path) as live, ThreadPoolExecutor(1) as pool:
            call = pool.submit(crowd, [live.url], 1, "none", "cloud")
            live.until(lambda: bool(seller.upstream.asked), "asked")
            for jump in (3 * DAY, -40 * DAY):
                wall.set(jump)
                assert live.get("/health/ready")[0] == 200
            seller.gate.set()
            [heard] = call.result()
            [row] = live.rows()
    assert heard.status == 200
    assert (row.outcome, row.duration_ms is not None and 0 < row.duration_ms < 60_000) == ("ok", True)


def test_p7_a_silent_upstream_is_given_up_in_time(wall: Wall, tmp_path: Path) -> None:
    with vendor() as seller:
        seller.gate = threading.Event()
        text = config(seller.url, "", price="timeouts: {first_byte: 2s, total: 2s}")
        with Live(text, env=wall.env, folder=tmp_path) as live, ThreadPoolExecutor(1) as pool:
            call = pool.submit(crowd, [live.url], 1, "none", "cloud")
            live.until(lambda: bool(seller.upstream.asked), "asked")
            wall.set(-DAY)
            [heard] = call.result()
            seller.gate.set()
    assert (heard.status, heard.seconds < 15) == (504, True)


def test_p7_keys_and_overrides_end_by_the_calendar_and_stand_again_when_it_is_put_right(
    wall: Wall, tmp_path: Path
) -> None:
    more = "server: {admin_key: sk-admin}\n"
    with vendor() as seller, Live(config(seller.url, more), env=wall.env, folder=tmp_path) as live:
        secret = admin(live, "POST", "/admin/keys", {"name": "ann", "expires": "1h"})["secret"]
        admin(live, "POST", "/admin/overrides", {"drain": "home", "ttl": "1h"})
        assert [status(live, secret), status(live, secret, "home")] == [200, 503]
        wall.set(2 * HOUR)
        [heard] = crowd([live.url], 1, secret)
        assert (heard.status, "expired" in heard.body["error"]["message"]) == (401, True)
        other = admin(live, "POST", "/admin/keys", {"name": "bob"})["secret"]
        assert status(live, other, "home") == 200
        wall.set(0)
        live.until(lambda: status(live, other, "home") == 503, "drained again")
        assert status(live, secret) == 200
        wall.set(-DAY)
        assert [status(live, secret), status(live, secret, "home")] == [200, 503]


def test_p7_every_call_has_an_id_and_a_row_of_its_own(wall: Wall, tmp_path: Path) -> None:
    with vendor() as seller, Live(config(seller.url, ""), env=wall.env, folder=tmp_path) as live:
        ids = []
        for jump in (0, -1, -HOUR, HOUR, 0, -DAY, 0):
            wall.set(jump)
            ids += [told.headers["x-request-id"] for told in crowd([live.url], 5, "none")]
        assert len(set(ids)) == len(ids)
        assert {row.request_id for row in live.rows()} == set(ids)
