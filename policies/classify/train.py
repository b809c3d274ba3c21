"""The recipe of the shipped weights, ``python -m policies.classify.train``: the one command here that writes files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from policies.classify.model import NUMBERS, TABLE
from policies.classify.training import data, report, trial
from policies.classify.training.fit import Recipe


def main() -> None:
    """Train on a folder of JSONL and write the two files of a model; with ``--evaluate``, print how good it is."""
    asked = _arguments()
    rows = data.read(asked.data)
    if not rows:
        sys.exit(f"{asked.data} holds no *.jsonl with scores: see ../shared/data/routing/SOURCES.md for the format")
    bench = trial.bench(rows)
    if asked.evaluate:
        _report(bench, asked.report)
    if asked.out is not None:
        numbers, table = trial.train(rows, bench.learn, Recipe())
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / NUMBERS).write_bytes(msgspec.json.format(msgspec.json.encode(numbers), indent=1) + b"\n")
        (asked.out / TABLE).write_bytes(table)
        _say(f"{numbers.version}: {len(rows)} rows, written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m policies.classify.train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of JSONL files")
    parser.add_argument("--out", type=Path, help=f"where {NUMBERS} and {TABLE} are written")
    parser.add_argument("--evaluate", action="store_true", help="cross-validate and print the table")
    parser.add_argument("--report", type=Path, help="write the table to this file as well")
    return parser.parse_args()


def _report(bench: trial.Bench, file: Path | None) -> None:
    lines = []
    for line in report.table(bench, Recipe()):
        _say(line)
        lines.append(line)
    if file is not None:
        file.write_text("\n".join(lines) + "\n", "utf-8")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
