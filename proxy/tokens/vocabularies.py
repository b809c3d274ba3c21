"""The vocabularies that we ship, and how each is put together from its file; nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import tiktoken

_FOLDER = Path(__file__).parent / "data"
_HEAD = 4
"""Bytes of a file that hold the number of its tokens."""

_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_PROMPT = "<|endofprompt|>"
"""In harmony its number has the name of a reserved one, too."""
_HARMONY = {
    "<|startoftext|>": 199_998,
    "<|endoftext|>": 199_999,
    "<|return|>": 200_002,
    "<|constrain|>": 200_003,
    "<|channel|>": 200_005,
    "<|start|>": 200_006,
    "<|end|>": 200_007,
    "<|message|>": 200_008,
    "<|call|>": 200_012,
    _PROMPT: 200_018,
}
_RESERVED = range(200_000, 201_088)


class Vocabulary(Struct, frozen=True):
    """``file``: its tokens in the order of their ranks. ``pattern`` cuts a text into the pieces that tokens stay in.
    ``named``: tokens with a meaning; ``reserved``: numbers that may get one. An ordinary text never holds them."""

    file: str
    pattern: str
    named: Mapping[str, int]
    reserved: range = range(0)

    @property
    def special(self) -> dict[str, int]:
        """Every token that is no text."""
        free = set(self.reserved) - {number for name, number in self.named.items() if name != _PROMPT}
        return {**{f"<|reserved_{number}|>": number for number in free}, **self.named}


VOCABULARIES: Mapping[str, Vocabulary] = {
    "cl100k_base": Vocabulary(
        "cl100k_base",
        _CL100K,
        {
            "<|endoftext|>": 100_257,
            "<|fim_prefix|>": 100_258,
            "<|fim_middle|>": 100_259,
            "<|fim_suffix|>": 100_260,
            _PROMPT: 100_276,
        },
    ),
    "o200k_base": Vocabulary("o200k_base", _O200K, {"<|endoftext|>": 199_999, _PROMPT: 200_018}),
    "o200k_harmony": Vocabulary("o200k_base", _O200K, _HARMONY, _RESERVED),
}


def ranks(file: str) -> dict[bytes, int]:
    """Token -> rank, of one of our files."""
    import lzma

    plain = lzma.decompress((_FOLDER / f"{file}.xz").read_bytes())
    tokens = int.from_bytes(plain[:_HEAD], "big")
    return {token: rank for rank, token in enumerate(_tokens(plain, tokens))}


def _tokens(plain: bytes, tokens: int) -> Iterator[bytes]:
    begin = _HEAD + tokens
    for start, end in pairwise(accumulate(plain[_HEAD:begin], initial=begin)):
        yield plain[start:end]


@cache
def load(name: str) -> tiktoken.Encoding:
    """One of VOCABULARIES, ready to count. It takes a quarter of a second and 60 MB, and stays."""
    import tiktoken

    found = VOCABULARIES[name]
    return tiktoken.Encoding(
        name, pat_str=found.pattern, mergeable_ranks=ranks(found.file), special_tokens=found.special
    )


def count(name: str, text: str) -> int:
    """The tokens of an ordinary text: what looks like a special token is text, too."""
    file = VOCABULARIES[name].file
    # Without special tokens those of one file are one and the same, so that it is loaded once.
    alike = next(other for other, vocabulary in VOCABULARIES.items() if vocabulary.file == file)
    return len(load(alike).encode_ordinary(text))
