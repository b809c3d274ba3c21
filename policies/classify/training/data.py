"""The training data: prompts with the outcome of a local-class and of a cloud-class model on each."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct


class Row(Struct, frozen=True):
    """One prompt. Scores are 0..1; the means, where there are any, are those of several models of a class."""

    id: str
    source: str
    prompt: str
    weak: float
    strong: float
    group: str = ""
    weak_mean: float | None = None
    strong_mean: float | None = None

    @property
    def subject(self) -> str:
        return f"{self.source}/{self.group}"

    @property
    def local(self) -> float:
        """How well local models do on it."""
        return self.weak if self.weak_mean is None else self.weak_mean

    @property
    def cloud(self) -> float:
        """How well cloud models do on it."""
        return self.strong if self.strong_mean is None else self.strong_mean

    @property
    def question(self) -> str:
        """The prompt without the form that its data set was asked in: that is not what makes it hard."""
        return self.prompt.strip().removesuffix("Answer:").rstrip()


def read(folder: Path) -> list[Row]:
    """Every row with scores of every ``*.jsonl`` of a folder, files in the order of their names.

    Raises OSError, and msgspec.ValidationError naming what is wrong in a row.
    """
    decode = msgspec.json.Decoder(Row).decode
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines())
    return [decode(line) for line in lines if b'"strong"' in line]
