"""Runs the public Open Responses suite against a Turnout in front of each demo backend and prints case x dialect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from live import Live, demo_config, demo_upstream

DIALECTS = {
    "chat": "openai_chat",
    "local": "openai_chat, vLLM",
    "openai": "openai_responses",
    "claude": "anthropic_messages",
    "gemini": "google_gemini",
}
"""Backend -> the dialect that it speaks."""
UNBUILT = {"websocket-": "WebSocket", "compact-": "compaction"}
"""Beginnings of the names of cases about what Turnout says that it has not."""
OPENAI_NAMES = ("response.reasoning_text.delta", "response.reasoning_text.done")
"""Events that OpenAI's API and Open Responses name differently (there: ``response.reasoning.*``)."""
NOTE = (
    "openai's name: the backend thinks aloud, and that text streams as OpenAI's response.reasoning_text.*,"
    " which its SDKs read;\n               Open Responses calls the same events response.reasoning.*"
)
PATIENCE = 120
"""Seconds for one run of the suite."""

Result = Mapping[str, Any]


def verdict(result: Result) -> str:
    """What the table says of a case: only ``FAILED`` is a fault."""
    if result["status"] == "passed":
        return "passed"
    missing = next((what for start, what in UNBUILT.items() if result["id"].startswith(start)), None)
    if missing is not None:
        return f"not built: {missing}"
    errors = result.get("errors") or [""]
    renamed = tuple(f"Event validation failed for {name}:" for name in OPENAI_NAMES)
    return "openai's name" if all(error.startswith(renamed) for error in errors) else "FAILED"


def ask(bun: str, suite: Path, base_url: str, backend: str) -> list[Result]:
    """One run of the suite. Exits where it told nothing."""
    script = ["run", "bin/compliance-test.ts", "--json", "--base-url", base_url, "--api-key", "k"]
    ran = subprocess.run(
        [bun, *script, "--model", f"to-{backend}"], cwd=suite, capture_output=True, timeout=PATIENCE, check=False
    )
    try:
        results = msgspec.json.decode(ran.stdout)["results"]
    except msgspec.DecodeError:
        results = []
    if not results:
        sys.exit(f"the suite in {suite} told no results:\n{ran.stderr.decode(errors='replace')}")
    return list(results)


def table(found: Mapping[str, list[Result]]) -> str:
    """Cases down, dialects across."""
    told = {backend: {result["id"]: verdict(result) for result in results} for backend, results in found.items()}
    cases = sorted({case for verdicts in told.values() for case in verdicts})
    rows = [["case", *(DIALECTS[backend] for backend in told)]]
    rows += [[case, *(verdicts.get(case, "FAILED") for verdicts in told.values())] for case in cases]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> None:
    bun, suite = sys.argv[1], Path(sys.argv[2])
    with demo_upstream() as url, Live(demo_config(url)) as live:
        found = {backend: ask(bun, suite, live.base_url, backend) for backend in DIALECTS}
    shown = table(found)
    print(shown)
    if "openai's name" in shown:
        print(f"\n{NOTE}")
    failed = [
        f"{DIALECTS[backend]}, {result['id']}: {error[:500]}"
        for backend, results in found.items()
        for result in results
        if verdict(result) == "FAILED"
        for error in result.get("errors") or ["no reason given"]
    ]
    if "FAILED" in shown:
        sys.exit("\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
