"""One worker's memory of threads is bounded: those that were not heard of for longest are forgotten."""

from __future__ import annotations

import asyncio

from policies.sticky import Answered
from proxy.threads import MOST, Threads

LAST = Answered("a", 0.0)


async def fill(threads: Threads) -> list[Answered | None]:
    names = [number.to_bytes(4) for number in range(MOST + 1)]
    for name in names[:-1]:
        await threads.keep("t", (name,), LAST)
    await threads.keep("t", (names[0],), Answered("b", 1.0))
    await threads.keep("t", (names[-1],), LAST)
    return [await threads.find("t", (name,)) for name in (names[0], names[1], names[2], names[-1])]


def test_the_longest_unheard_of_is_forgotten() -> None:
    assert asyncio.run(fill(Threads())) == [Answered("b", 1.0), None, LAST, LAST]


def test_the_first_name_that_is_known_counts_and_only_for_its_tenant() -> None:
    async def asked() -> list[Answered | None]:
        threads = Threads()
        await threads.keep("t", (b"exact", b"wide"), LAST)
        await threads.keep("t", (b"wide",), Answered("b", 1.0))
        return [
            await threads.find(*each)
            for each in (("t", (b"exact", b"wide")), ("t", (b"x", b"wide")), ("u", (b"wide",)))
        ]

    assert asyncio.run(asked()) == [LAST, Answered("b", 1.0), None]
