"""The counting process of one worker: ``python -m proxy.tokens.clerk``, texts in and their numbers of tokens out.

A process, for in a thread of the worker it would stop every stream: a vocabulary is loaded in one step of 75 ms that
nothing can interrupt, and a tokenizer file also while it reads (100 ms for 400 KB, measured).
"""

from __future__ import annotations

import os
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from proxy.tokens.vocabularies import VOCABULARIES, count

if TYPE_CHECKING:
    import tokenizers

HEAD = 4
"""Bytes before every message, which say how long it is; big-endian."""


class Asked(Struct, frozen=True, array_like=True):
    """``tokenizer``: a vocabulary that we ship, or the path of a file. Without texts it is only loaded."""

    tokenizer: str
    texts: tuple[str, ...]


def main() -> None:
    """Until the worker closes the line, or is gone. A signal to the whole family is not meant for us: while the worker
    drains, its answers still want to be counted."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(line: BinaryIO, answers: BinaryIO) -> None:
    """One message after the other, until the line ends. The answer is a list of numbers, or a text that says why there
    is none."""
    decoder, encode = msgspec.msgpack.Decoder(Asked), msgspec.msgpack.Encoder().encode
    while head := line.read(HEAD):
        asked = decoder.decode(line.read(int.from_bytes(head, "big")))
        told = encode(_told(asked))
        answers.write(len(told).to_bytes(HEAD, "big") + told)
        answers.flush()


def _told(asked: Asked) -> list[int] | str:
    texts = asked.texts or ("",)
    try:
        if asked.tokenizer in VOCABULARIES:
            return [count(asked.tokenizer, text) for text in texts]
        found = _file(asked.tokenizer, Path(asked.tokenizer).stat().st_mtime_ns)
        return [len(found.encode(text, add_special_tokens=False).ids) for text in texts]
    except Exception as error:  # noqa: BLE001 - the outermost door of a process, and the library's errors have no type
        return f"{type(error).__name__}: {error}"


@lru_cache(maxsize=8)
def _file(path: str, changed: int) -> tokenizers.Tokenizer:
    """``changed``: when the file was, so that a new one is read."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(path)
    found.no_truncation()
    found.no_padding()
    return found


if __name__ == "__main__":
    main()
