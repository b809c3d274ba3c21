"""What the book costs and how quickly it is read: ``python tests/bench/ledger.py``.

Ten million rows over 90 days take ten minutes and 6 GB, which are gone afterwards; ``--rows 1000000`` for a shorter
look, ``--postgres`` for one million in a PostgreSQL that is started for it, ``--write`` for what one call pays and
nothing else. Rows are like real ones: six aliases, five backends, forty keys of eight teams, traces and prices that
repeat, facts that do not. CPU is user and system time of this process, the shortest of some rounds; commands are timed
whole, in a process of their own.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

import decide as deciding  # noqa: E402
from services import postgres_server  # noqa: E402

from adapters import ir  # noqa: E402
from proxy import ids, settle  # noqa: E402
from proxy.call import Call  # noqa: E402
from proxy.decide import decide  # noqa: E402
from proxy.house import House  # noqa: E402
from proxy.ledger import postgres, sqlite  # noqa: E402
from proxy.ledger.book import Book, open_book  # noqa: E402
from proxy.ledger.opening import transaction  # noqa: E402
from proxy.ledger.record import UsageRecord  # noqa: E402
from proxy.ledger.writing import Ledger  # noqa: E402
from proxy.write import begin  # noqa: E402

DAYS = 90
DAY = 86_400_000
BATCH = 10_000
SQL = "SELECT count(*) FROM {}"
PRICES = (
    '{"input":2000000000,"cached":200000000,"cache_write":2500000000,"cache_write_1h":4000000000,"output":10000000000}'
)
TRACES = {
    "simple": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] applies: use local, cloud\nplan: local, claude, openai, gemini, chat",
    "moderate": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] passed over: not class simple (it is moderate)\nhybrid[3] applies: condense local, use "
    "cloud\nplan: claude, openai, gemini, chat, local",
    "complex": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] passed over: not class simple (it is complex)\nhybrid[3] passed over: not class "
    "moderate (it is complex)\nhybrid[4] applies: use cloud, local\nplan: claude, openai, gemini, chat, local",
    None: "policy local_fallback: the alias's\nlocal_fallback[0] applies: use local, cloud\nplan: local, claude",
}
MODELS = {
    "local": "openai/gpt-oss-120b", "claude": "claude-sonnet-5", "openai": "gpt-5.6-sol", "gemini": "gemini-3.1-pro",
    "chat": "qwen3-32b",
}  # fmt: skip
ALIASES = ("auto", "gpt-4o", "claude-sonnet-5", "coder", "support", "embed")
KEYS = [(f"key-{number:02}", f"team-{number % 8}") for number in range(40)]


def records(many: int, until: int, dice: random.Random) -> Iterator[UsageRecord]:
    """That many rows of the last 90 days, in the order of time."""
    since, step = until - DAYS * DAY, DAYS * DAY / many
    for number in range(many):
        yield record(int(since + number * step), dice)


def record(at: int, dice: random.Random) -> UsageRecord:
    alias = ALIASES[min(int(dice.expovariate(0.7)), 5)]
    cls = dice.choice(("simple", "simple", "moderate", "complex")) if alias in ALIASES[:2] else None
    backend = (
        "local" if cls == "simple" or alias in ALIASES[4:] else dice.choice(("claude", "claude", "openai", "gemini"))
    )
    key, team = KEYS[min(int(dice.expovariate(0.12)), 39)]
    chance, output, input_ = dice.random(), int(dice.lognormvariate(5.5, 1)), int(dice.lognormvariate(7, 1.2))
    policy = "hybrid" if cls else "local_fallback"
    cloud = backend != "local"
    return UsageRecord(
        request_id=uuid7(at, dice), started_at=at + 1, tenant=team, key_id=key, alias=alias, policy=policy,
        rule=f"{policy}[{'2' if cls == 'simple' else '4'}]", cls=cls, backend=backend, upstream_model=MODELS[backend],
        api="chat" if chance < 0.7 else "responses" if chance < 0.95 else "messages", stream=chance * 7 % 1 < 0.6,
        status=200, outcome="ok" if chance < 0.96 else "cancelled" if chance < 0.98 else "error",
        input_tokens=input_, cached_tokens=input_ // 2 if cloud else None, output_tokens=output,
        reasoning_tokens=output // 3, reasoning_source="reported",
        cost_nano_usd=input_ * 2000 + output * 10000 if cloud else None, generation=4, duration_ms=round(output * 11.7, 3),
        ttft_ms=312.25, policy_hash="61af1b29ea12", decision_reason="local first, the cloud when local fails",
        facts=f'{{"v":1,"alias":"{alias}","api":"chat","stream":false,"tools":["none"],"modality":"text","depth":1,"class":'
        f'"{cls}","score":{chance:.6f},"gate":"action_verb","p_local_worse":{chance:.4f},"weights":"trained-a7ab8bf65f"}}'
        if cls else f'{{"v":1,"alias":"{alias}","api":"chat","stream":false}}',
        trace=TRACES[cls], upstream_request_id=f"req_{output:024x}", upstream_status=200, finish_reason="stop",
        price_source=f"genai-prices 0.2.3 {backend}/{MODELS[backend]}" if cloud else None,
        unit_prices=PRICES if cloud else None, overhead_ms=0.412, machine_ms=None if cloud else output * 4.5,
        baseline="openai/gpt-5.6-sol" if cls else None, baseline_nano_usd=input_ * 4000 + output * 20000 if cls else None,
        user=f"{int(chance * 5000):016x}" if chance < 0.5 else None,
        tags=f'{{"feature":"f{input_ % 12}"}}' if chance < 0.3 else None,
    )  # fmt: skip


def uuid7(at: int, dice: random.Random) -> str:
    text = f"{at << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def main() -> None:
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--rows", type=int)
    wanted.add_argument("--postgres", action="store_true")
    wanted.add_argument("--write", action="store_true")
    given = wanted.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as name:
        folder = Path(name)
        if given.postgres:
            with postgres_server() as server:
                written_to_postgres(server.url, folder)
                filled_postgres(server.url, folder, given.rows or 1_000_000)
            return
        written_to_sqlite(folder)
        if not given.write:
            filled_sqlite(folder, given.rows or 10_000_000)


def written_to_sqlite(folder: Path) -> None:
    """What one call pays: the row made and committed."""
    house = deciding.opened(str(folder))
    call = answered(house)
    say("the row of a call is made, us", least(lambda: settle.rows(call, call.started)))
    ledger = sqlite.Ledger(folder / "one.db")
    say("it is committed in SQLite, us", least(writing(ledger, call)))
    say("bytes of a row on the disk", (folder / "one.db").stat().st_size / count(folder / "one.db"))
    ledger.close()
    house.ledger.close()


def written_to_postgres(url: str, folder: Path) -> None:
    """The same with PostgreSQL: on the loop, one append to the spool."""
    house = deciding.opened(str(folder))
    ledger = postgres.Ledger(url, folder)
    say("a row is committed to the spool, us", least(writing(ledger, answered(house))))
    start, new = time.process_time(), ledger.replay()
    say("the thread's share of it (CPU of this process), us", (time.process_time() - start) / new * 1e6)
    ledger.close()
    house.ledger.close()


def answered(house: House) -> Call:
    """A call of the policy hybrid that has its answer."""
    call = deciding.call_of(house, "hybrid")
    call.started, call.started_at, call.status = time.monotonic(), time.time_ns() // 1_000_000, 200
    decide(call, house.moment(call))
    assert call.decision is not None
    attempt = begin(call, call.decision.plan[0], time.monotonic())
    attempt.usage = ir.Usage(input=1200, output=300, cached=100, reasoning=20)
    attempt.finish, attempt.model, attempt.upstream_id = "stop", "gpt-oss-120b", "req_f33588f465a466cd3f0bf980"
    attempt.first_event = attempt.ended = time.monotonic()
    settle.settle(call, house.prices, missing=lambda *_: None)
    return call


def writing(ledger: Ledger, call: Call) -> Callable[[], None]:
    """Each time another call's rows, made before, so that their making does not count."""
    made: list[list[UsageRecord]] = []

    def once() -> None:
        if not made:
            for _ in range(EACH):
                call.id, call.started_at = ids.uuid7(), time.time_ns() // 1_000_000
                made.append(settle.rows(call, call.started))
            made.reverse()
        ledger.write(made.pop())

    return once


ROUNDS, EACH = 30, 1000


def least(once: Callable[[], object]) -> float:
    """Microseconds of CPU; every round begins with a call that does not count."""
    best = float("inf")
    for _ in range(ROUNDS):
        once()
        start = time.process_time()
        for _ in range(EACH - 1):
            once()
        best = min(best, (time.process_time() - start) / (EACH - 1))
    return best * 1e6


def filled_sqlite(folder: Path, many: int) -> None:
    path = folder / "book.db"
    until = time.time_ns() // 1_000_000
    ledger = sqlite.Ledger(path)
    start, cpu, rows = time.monotonic(), time.process_time(), records(many, until, random.Random(5))
    while some := list(islice(rows, BATCH)):
        with transaction(ledger._db):
            for each in some:
                ledger._rows.put(each)
    say(f"{many:,} rows are put in, in batches, s", time.monotonic() - start)
    say("  CPU of each, its making included, us", (time.process_time() - cpu) / many * 1e6)
    say("  bytes of each", size(path) / many)
    say("all hours and days are summed, s", timed(lambda: ledger.fold(time.time())))
    say("  lines of hours, of callers' hours and days", " ".join(str(count(path, each)) for each in SUMS))
    say("  the file with them, GB", size(path) / 1e9)
    read(open_book(f"sqlite:///{path}"), until)
    command(f"sqlite:///{path}")
    say("memory of this process until now, MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    say("rows older than 30 days are deleted, s", timed(lambda: ledger.prune(until - 30 * DAY)))
    say("  the file, GB", size(path) / 1e9)
    say("  their hours and days are summed again, s", timed(lambda: ledger.fold(time.time())))
    say("the room is given back, s", timed(lambda: ledger._upkeep.shrink(float("inf"))))
    ledger._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    say("  the file, GB", size(path) / 1e9)
    ledger.close()


def filled_postgres(url: str, folder: Path, many: int) -> None:
    until = time.time_ns() // 1_000_000
    ledger = postgres.Ledger(url, folder)
    rows, waited = records(many, until, random.Random(5)), 0.0
    while some := list(islice(rows, BATCH)):
        ledger.write(some)
        waited += timed(ledger.replay)
    say(f"{many:,} rows are drained, s", waited)
    say("all hours and days are summed, s", timed(lambda: ledger.fold(time.time())))
    read(open_book(url, folder), until)
    command(url, folder)
    say("rows older than 30 days are deleted, s", timed(lambda: ledger.prune(until - 30 * DAY)))
    ledger.close()


def read(book: Book, until: int) -> None:
    for days in (1, 30, 90):
        for by in ("day", "alias", "backend", "key_id"):
            say(
                f"totals of {days} days by {by}, s",
                timed(lambda by=by, days=days: book.totals((by,), since=until - days * DAY)),
            )
    since = until - 30 * DAY
    say("totals of 30 days by day in Kolkata, s", timed(lambda: book.totals(since=since, timezone="Asia/Kolkata")))
    say("totals of 30 days by user, from their rows, s", timed(lambda: book.totals(("user",), since=since)))
    say("what a team has spent in 30 days, s", timed(lambda: book.spent(since=since, team="team-3")))
    say("the outputs of 1,000 answers, s", timed(lambda: book.outputs("auto", 1000)))
    last = book.rows(limit=100)
    say("the 100 newest rows, s", timed(lambda: book.rows(limit=100)))
    say("one call is found, s", timed(lambda: book.find(last[5].request_id)))
    say(
        "all rows of a day are told, one after the other, s",
        timed(lambda: sum(1 for _ in book.each(since=until - DAY))),
    )


def command(url: str, folder: Path = Path()) -> None:
    """``turnout usage --since 30d``, from the start of the interpreter to the table."""
    words = [sys.executable, "-m", "proxy.cli", "usage", "--since", "30d", "--ledger", url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    asked = lambda: subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: E731
    say("turnout usage --since 30d, whole, s", min(timed(asked) for _ in range(3)))


SUMS = ("hours", "caller_hours", "caller_days")


def count(path: Path, table: str = "usage") -> int:
    connection = apsw.Connection(str(path))
    [(many,)] = connection.execute(SQL.format(table)).fetchall()
    connection.close()
    return int(many)  # type: ignore[arg-type]


def size(path: Path) -> int:
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


def timed(once: Callable[[], Any]) -> float:
    start = time.monotonic()
    once()
    return time.monotonic() - start


def say(what: str, told: float | str) -> None:
    print(f"{what:<60}{told if isinstance(told, str) else format(told, '12.3f'):>12}", flush=True)


if __name__ == "__main__":
    main()
