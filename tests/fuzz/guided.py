"""The same targets under atheris, which is guided by what the code does: ``guided.py TARGET -max_total_time=600``.

atheris is no dependency of ours: ``make fuzz`` installs it into a virtual environment of its own.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "golden"), str(Path(__file__).parent)]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["adapters"], enable_loader_override=False):
    import targets
from mutations import mutated  # noqa: E402
from seeds import seeds  # noqa: E402


def mutate(data: bytes, most: int, number: int) -> bytes:
    """Half of the time as JSON, half of the time as libFuzzer does it."""
    dice = random.Random(number)
    if dice.random() < 0.5:
        return mutated(data, dice)[:most]
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    target, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()[target]):
            (Path(folder) / str(number)).write_bytes(seed)
        words = [sys.argv[0], *options, "-max_len=20000", "-timeout=20", "-rss_limit_mb=2048", folder]
        atheris.Setup(words, lambda data: targets.run(target, data), custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
