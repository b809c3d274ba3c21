"""Content-Encoding undone: any cut, every end, and bombs."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import bodies, encodings
from proxy.call import Rejected


def bare(data: bytes) -> bytes:
    """Deflate without the zlib frame, as some clients send it."""
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd.compress,
}
EVERY = [*PACK.items(), ("deflate", bare)]
LIMIT = 1 << 20


def undone(encoding: str, *parts: bytes) -> bytes:
    decoder = encodings.Decoder(encoding)
    out = b"".join(piece for part in parts for piece in decoder.feed(part))
    decoder.end()
    return out


def decode(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    return asyncio.run(bodies.decoded(body, {"content-encoding": encoding}, limit))


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_many_members_that_grow_are_undone_in_bounds(encoding: str) -> None:
    """zlib keeps the tail of a member that has ended: fed to it again, it would double with each of them."""
    member = b" " * (1 << 20)
    assert undone(encoding, PACK[encoding](member) * 40) == member * 40


@pytest.mark.parametrize(("encoding", "pack"), EVERY)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=3000), times=st.integers(1, 60), cuts=st.lists(st.integers(0, 4000), max_size=5))
def test_any_cut_gives_the_same(
    encoding: str, pack: Callable[[bytes], bytes], data: bytes, times: int, cuts: list[int]
) -> None:
    packed = pack(data * times)
    at = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    assert undone(encoding, *(packed[a:b] for a, b in pairwise(at))) == data * times


@pytest.mark.parametrize(("encoding", "pack"), EVERY)
def test_byte_by_byte(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"hello" * 999)
    assert undone(encoding, *(packed[i : i + 1] for i in range(len(packed)))) == b"hello" * 999


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_are_one_body(encoding: str) -> None:
    assert undone(encoding, PACK[encoding](b"one ") + PACK[encoding](b"") + PACK[encoding](b"two")) == b"one two"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_empty_members_without_end_are_refused_soon(encoding: str) -> None:
    with pytest.raises(encodings.Garbled):
        undone(encoding, PACK[encoding](b"") * 1_000_000)


@pytest.mark.parametrize(("encoding", "pack"), EVERY)
def test_what_is_cut_off_or_garbled_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"a longer text that is worth its while" * 50)
    for wrong in (packed[:-1], packed[: len(packed) // 2], packed[:1], packed + b"more", b'{"model": "auto"}'):
        with pytest.raises(Rejected) as caught:
            decode(wrong, encoding)
        failure = caught.value.failure
        assert (failure.status, failure.code) == (400, "invalid_encoding")
        assert encoding in failure.message


@pytest.mark.parametrize(("encoding", "pack"), EVERY)
def test_a_bomb_is_met_before_it_goes_off(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(24 << 20))
    with pytest.raises(Rejected) as caught:
        decode(bomb, encoding)
    assert caught.value.failure.status == 413
    decoder = encodings.Decoder(encoding)
    first = next(decoder.feed(bomb))
    assert len(first) <= 4 * encodings.PIECE


def test_the_limit_is_of_what_comes_out() -> None:
    assert decode(gzip.compress(bytes(LIMIT)), "gzip") == bytes(LIMIT)
    with pytest.raises(Rejected):
        decode(gzip.compress(bytes(LIMIT + 1)), "gzip")


def test_a_window_beyond_what_http_allows_is_refused() -> None:
    level = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    made = zstd.ZstdCompressor(options=level)
    packed = made.compress(bytes(1 << 20)) + made.flush()
    with pytest.raises(encodings.Garbled):
        undone("zstd", packed)


@pytest.mark.parametrize(
    ("header", "name"),
    [("", ""), ("identity", ""), ("gzip", "gzip"), ("X-GZip", "gzip"), (" zstd ", "zstd"), ("identity, br", "br")],
)
def test_the_header_in_every_spelling(header: str, name: str) -> None:
    assert encodings.named(header) == name


@pytest.mark.parametrize("header", ["compress", "gzip, br", "gzip, gzip", "gzip;q=1", "*"])
def test_other_headers_are_not_supported(header: str) -> None:
    with pytest.raises(encodings.Unsupported):
        encodings.named(header)


def test_other_work_goes_on_while_a_body_is_decoded() -> None:
    async def both() -> int:
        turns = 0
        task = asyncio.ensure_future(
            bodies.decoded(gzip.compress(bytes(8 << 20)), {"content-encoding": "gzip"}, 1 << 24)
        )
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(await task) == 8 << 20
        return turns

    assert asyncio.run(both()) >= 100


def test_the_loop_has_its_turn_where_nothing_comes_out() -> None:
    """A body of empty blocks is as long as any and yields no piece."""
    empty = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00\x00\x00\xff\xff" * 1_000_000
    turns = 0

    async def both() -> None:
        async def beat() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beating = asyncio.create_task(beat())
        with pytest.raises(Rejected):
            await bodies.decoded(empty, {"content-encoding": "gzip"}, LIMIT)
        beating.cancel()

    asyncio.run(both())
    assert turns >= 4


def test_work_on_a_large_body_is_done_beside_the_loop() -> None:
    """It ends only when the loop says so, which it could not from behind the work."""
    said = threading.Event()

    async def both() -> bool:
        in_turn = bodies.InTurn()
        working = asyncio.create_task(in_turn(bytes(bodies.LARGE), lambda: said.wait(10)))
        await asyncio.sleep(0)
        said.set()
        done = await working
        in_turn.close()
        return done

    assert asyncio.run(both())
    assert asyncio.run(bodies.InTurn()(b"{}", threading.get_ident)) == threading.get_ident()
