"""Is a counted reasoning split the truth? By kind of text, beside the character method; and what counting costs the loop.

``make bench-reasoning``. A server that knows its own token ids (harmony) thinks in many languages; every client asks it,
whole and streamed, behind a real Turnout, which is told no split. *counted* is what the client read; every other server
has a chat template that makes line breaks around its thoughts, which nobody is shown. *characters* is what the share of
the characters gives for the same answers.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import NamedTuple

import uvloop
from heard import CLIENTS, heard, question
from live import Live
from public_door import post
from scripted import Upstream, scripted
from thinker import SAYINGS, Thinker, encoding, spoken

from policies.reasoning import by_characters
from proxy.tokens import vocabularies
from proxy.tokens.desk import Desk

CONFIG = """version: 1
timeouts: {{count_wait: 20s}}
backends:
  shipped: {{provider: openai_compatible, base_url: "{url}/v1", model: openai/gpt-oss-20b, local: true}}
  server:  {{provider: vllm, base_url: "{url}/v1", model: openai/gpt-oss-20b, local: true}}
aliases: {{shipped: {{use: [shipped]}}, server: {{use: [server]}}}}
"""
SENTENCE = "The user wants an answer to the question, so we think about it. "


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=6, help="of each kind, client, mode and tokenizer")
    answers = parser.parse_args().answers
    uvloop.run(costs())
    print()
    encoding()
    with scripted() as upstream, Live(CONFIG.format(url=upstream.url)) as live:
        table(live, upstream, answers)


# --- the truth -----------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """Tokens of one answer's thoughts."""

    template: bool
    true: int
    counted: int
    by_characters: int


def table(live: Live, upstream: Upstream, answers: int) -> None:
    """A row for each kind of text, and one for all."""
    print(f"{'':<12}{'':>9}{'':>7}{'counted':>12}{'with a template':>26}{'by characters':>24}")
    print(
        f"{'thoughts in':<12}{'answers':>9}{'true':>7}{'exact':>12}{'within 2':>17}{'worst':>9}{'off, mean':>15}{'worst':>9}"
    )
    every: list[Found] = []
    for kind in SAYINGS:
        found = list(measured(live, upstream, kind, answers))
        every += found
        line(kind, found)
    line("all", every)


def measured(live: Live, upstream: Upstream, kind: str, answers: int) -> Iterator[Found]:
    """Each answer; what it says is in another language now and then."""
    dice = random.Random(kind)
    for number in range(answers):
        thought = spoken(kind, dice.randint(1, 120), number)
        said = spoken(dice.choice(list(SAYINGS)), dice.randint(1, 12), number)
        thinker = Thinker(thought, said, template=number % 2 == 1)
        upstream.reply = thinker.reply
        share = by_characters(thinker.output, len(thinker.thought), len(thinker.said))
        for api in CLIENTS:
            for stream in (False, True):
                for model in ("shipped", "server"):
                    counted = asked(live, api, model, stream=stream)
                    yield Found(thinker.template, len(thinker.ids), counted, share)


def asked(live: Live, api: str, model: str, *, stream: bool) -> int:
    body = question(api, model, stream=stream)
    return heard(api, post(live, "/v1" + CLIENTS[api], body).raw, stream=stream, asked=body).usage["reasoning"]


def line(kind: str, found: Sequence[Found]) -> None:
    plain = [each.counted == each.true for each in found if not each.template]
    off = [abs(each.counted - each.true) for each in found if each.template]
    shares = [abs(each.by_characters - each.true) / each.true for each in found]
    print(
        f"{kind:<12}{len(found):>9}{mean(each.true for each in found):>7.0f}{mean(plain):>12.1%}"
        f"{mean(each <= 2 for each in off):>17.1%}{max(off):>9}{mean(shares):>15.1%}{max(shares):>9.0%}"
    )


# --- what it costs the loop ----------------------------------------------------------------------------------------


async def costs() -> None:
    """The loop's own processor time, and how long the same would have stopped it in a thread of its process."""
    print(f"{'counting':<26}{'loop, CPU':>12}{'answer after':>14}")
    desk = Desk()
    try:
        for name, size in (("the first (4 KB)", 4_000), ("4 KB", 4_000), ("100 KB", 100_000), ("400 KB", 400_000)):
            text = SENTENCE * (size // len(SENTENCE))
            cpu, wall = zip(*[await counted(desk, text) for _ in range(1 if "first" in name else 30)], strict=True)
            print(f"{name:<26}{median(cpu):>9.2f} ms{median(wall):>11.1f} ms")
    finally:
        await desk.close()
    vocabularies.load.cache_clear()
    print(
        f"in a thread, loading would stop the loop for {stalled(lambda: vocabularies.load('o200k_harmony')):.0f} ms at a time"
    )


async def counted(desk: Desk, text: str) -> tuple[float, float]:
    """Milliseconds: of the loop's processor, and of the clock."""
    cpu, wall = time.thread_time(), time.perf_counter()
    await desk.count("o200k_harmony", [text])
    return (time.thread_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


def stalled(work: object) -> float:
    """The longest time, in milliseconds, for which another thread is not let go on."""
    gaps, over = [0.0], threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not over.wait(0.0005):
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticking = threading.Thread(target=tick)
    ticking.start()
    working = threading.Thread(target=work)  # type: ignore[arg-type]
    working.start()
    working.join()
    over.set()
    ticking.join()
    return max(gaps) * 1000


if __name__ == "__main__":
    main()
