"""What slow clients cost the others: ``python tests/bench/slow.py [--connections 1000]``, with slowhttptest.

Its three attacks, with the default timers: -H sends headers drop by drop, -B a body, -X reads its answer in sips. While
they are on, the p99 of other clients' calls is measured in rounds, beside rounds without them; each figure is the median
of five. The worker's memory at its most, too.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "bench")]

from chaos import chaos  # noqa: E402
from idle import ROUNDS, Rounds, latencies, resident, told  # noqa: E402
from live import Live  # noqa: E402

SECONDS = "240"
"""As long as it may take, for it is ended when its round is over."""
ATTACKS = {
    "-H": ["-i", "5", "-x", "24", "-u", "{url}/v1/models"],
    "-B": ["-i", "5", "-s", "8192", "-x", "10", "-u", "{url}/v1/chat/completions", "-t", "POST"],
    "-X": ["-w", "16", "-y", "64", "-n", "5", "-z", "16", "-k", "3", "-u", "{url}/v1/models"],
}


def config(url: str) -> str:
    """One backend, and an alias for it."""
    backend = f'{{provider: vllm, local: true, base_url: "{url}/v1", model: ok}}'
    return f"version: 1\nbackends: {{ok: {backend}}}\naliases: {{any: {{use: [ok]}}}}\n"


def attack(mode: str, url: str, count: int) -> subprocess.Popen[bytes]:
    """One attack, under way."""
    words = [word.format(url=url) for word in ATTACKS[mode]]
    command = ["slowhttptest", mode, "-c", str(count), "-r", "500", "-l", SECONDS, *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    asked = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        sys.exit("slowhttptest is missing: apt-get install slowhttptest")
    for mode in ATTACKS:
        with chaos() as room, Live(config(room.url)) as live:
            (worker,) = live.workers()
            latencies(live.port)
            before, during = Rounds(worker, live.port), Rounds(worker, live.port)
            small = most = resident(worker)
            for _ in range(ROUNDS):
                before.one()
                under = attack(mode, live.url, asked.connections)
                try:
                    time.sleep(5)
                    during.one()
                    most = max(most, resident(worker))
                finally:
                    under.terminate()
                    under.wait()
                time.sleep(2)
            told(f"{asked.connections} x {mode}", before, during)
            print(f"  the worker grew by {(most - small) / 2**20:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
