"""What is mutated: recorded requests, answers and streams, by the target that reads them."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "golden"))

from cassettes import in_scope
from recordings import recordings

from adapters.catalog import DIALECTS


@cache
def seeds() -> dict[str, tuple[bytes, ...]]:
    """Target -> its seeds, the smallest first."""
    found: defaultdict[str, set[bytes]] = defaultdict(set)
    for each in in_scope():
        if not each.counts:
            found[f"request {each.dialect}"].add(json.dumps(each.asked).encode())
        kind = "stream" if each.stream else "response"
        found[f"{kind} {each.dialect}"].add(each.body)
    for each in recordings():
        found[f"{'stream' if each.stream else 'response'} {each.dialect}"].add(each.body)
    for name in DIALECTS:  # also where there are no recordings
        found[f"response {name}"].add(b'{"error": {"message": "no", "type": "invalid_request_error", "code": 400}}')
        found[f"request {name}"].add(
            b'{"model": "m", "messages": [{"role": "user", "content": "Hi!"}], "input": "Hi!"}'
        )
        found[f"stream {name}"].add(b'data: {"choices": [{"index": 0, "delta": {"content": "Hi!"}}]}\n\n')
    streams = {body for name, bodies in found.items() if name.startswith("stream") for body in bodies}
    asked = {body for name, bodies in found.items() if name.startswith("request") for body in bodies}
    found |= {"sse": streams, "strict": asked, "passthrough": streams}
    return {name: tuple(sorted(bodies, key=len)[:150]) for name, bodies in found.items()}
