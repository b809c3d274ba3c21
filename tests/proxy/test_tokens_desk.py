"""The counting process: what it counts, what it says where it cannot, and that nobody waits for it in vain."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from live import PATIENCE, POLL, alive
from thinker import SAYINGS
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from proxy.tokens import desk as room
from proxy.tokens.desk import CountFailed, Desk
from proxy.tokens.vocabularies import count

pytestmark = pytest.mark.anyio
TEXTS = ["".join(sayings) for sayings in SAYINGS.values()]


@asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    desk = Desk()
    try:
        yield desk
    finally:
        await desk.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of our own, which would cut long texts and mark their ends if it were let."""
    made = Tokenizer(models.BPE(unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, show_progress=False))
    made.enable_truncation(4)
    made.enable_padding(length=500)
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    made.save(str(path))
    return path


async def test_it_counts_texts_by_each_vocabulary_and_by_a_file(file: Path) -> None:
    plain = Tokenizer.from_file(str(file))
    plain.no_truncation()
    plain.no_padding()
    async with opened() as desk:
        for name in ("o200k_base", "cl100k_base", "o200k_harmony"):
            assert not desk.ready(name)
            assert await desk.count(name, TEXTS) == [count(name, text) for text in TEXTS]
            assert desk.ready(name)
        assert await desk.count(str(file), TEXTS) == [len(plain.encode(text).ids) for text in TEXTS]
        assert await desk.count("o200k_base", []) == []


async def test_the_loop_has_next_to_nothing_to_do_with_it() -> None:
    """100 KB at most 5 ms of its time."""
    text = "The user wants an answer, so we think about it. " * 2100
    async with opened() as desk:
        await desk.count("o200k_harmony", [])
        began = time.thread_time()
        (tokens,) = await desk.count("o200k_harmony", [text])
        assert time.thread_time() - began < 0.005
    assert tokens > 20_000


async def test_a_changed_file_is_read_again(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tokenizer.json"
    copy.write_bytes(file.read_bytes())
    async with opened() as desk:
        before = await desk.count(str(copy), TEXTS)
        other = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
        other.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
        other.save(str(copy))
        os.utime(copy, ns=(1, 1))
        assert await desk.count(str(copy), TEXTS) != before


async def test_what_cannot_be_counted_is_said_and_the_process_goes_on(tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text('{"model": 1}')
    async with opened() as desk:
        for path in (str(broken), str(tmp_path / "none.json")):
            with pytest.raises(CountFailed):
                await desk.count(path, ["x"])
        pid = desk.pid
        assert await desk.count("o200k_base", ["Hi!"]) == [2]
        assert desk.pid == pid


async def test_those_who_ask_at_once_each_get_their_own() -> None:
    async with opened() as desk, asyncio.TaskGroup() as group:
        asked = [group.create_task(desk.count("o200k_base", [text * n])) for n, text in enumerate(TEXTS, 1)]
    assert [task.result() for task in asked] == [[count("o200k_base", text * n)] for n, text in enumerate(TEXTS, 1)]


async def test_one_that_does_not_answer_is_ended_and_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as desk:
        await desk.count("o200k_base", [])
        pid = desk.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(room, "_MOST_SECONDS", 0.2)
        with pytest.raises(CountFailed, match="TimeoutError"):
            await desk.count("o200k_base", ["Hi!"])
        with pytest.raises(CountFailed, match="a moment ago"):
            await desk.count("o200k_base", ["Hi!"])
        await gone(pid)
        monkeypatch.undo()
        desk._rests_until = 0.0
        assert await desk.count("o200k_base", ["Hi!"]) == [2]


async def test_whoever_is_cancelled_leaves_no_answer_for_the_next() -> None:
    async with opened() as desk:
        await desk.count("o200k_base", [])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await desk.count("o200k_base", ["x " * 3_000_000])
        assert await desk.count("o200k_base", ["Hi!"]) == [2]


async def test_it_goes_when_nobody_has_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_IDLE", 0.05)
    async with opened() as desk:
        await desk.count("o200k_base", [])
        pid = desk.pid
        assert pid is not None
        await gone(pid)
        assert (desk.pid, desk.ready("o200k_base")) == (None, False)
        monkeypatch.undo()
        assert await desk.count("o200k_base", ["Hi!"]) == [2]


async def test_closing_ends_it() -> None:
    desk = Desk()
    await desk.count("cl100k_base", ["Hi!"])
    pid = desk.pid
    assert pid is not None
    await desk.close()
    assert not alive(pid)
    await desk.close()


async def gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < deadline, "still there"
        await asyncio.sleep(POLL)
