"""Every reader of foreign bytes, met with arbitrary ones and with recordings that are nearly right.

Some seconds in CI, always the same; ``TURNOUT_FUZZ_SECONDS`` goes on for so long, with new mutations each time.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated
from seeds import seeds
from targets import TARGETS, run

SECONDS = float(os.environ.get("TURNOUT_FUZZ_SECONDS", "0"))
EXECUTIONS = 60
"""Of each target, in CI."""


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "id", "model", "messages", "input", "content", "role", "choices", "delta", "error", "usage", "output"]
    ), inner, max_size=4),
).map(json.dumps).map(str.encode)))  # fmt: skip
def test_arbitrary_bytes_are_read_or_refused(target: str, data: bytes) -> None:
    run(target, data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_nearly_right_is_read_or_refused(target: str) -> None:
    found = seeds()[target]
    ends, done = time.monotonic() + SECONDS / len(TARGETS), 0
    for number in itertools.count():
        dice = random.Random(number)
        data = mutated(dice.choice(found), dice)
        try:
            run(target, data)
        except Exception as error:
            error.add_note(f"{target}, mutation {number}: {data[:2000]!r}")
            raise
        done += 1
        if done >= EXECUTIONS and time.monotonic() > ends:
            break
    print(f"{target}: {done} executions")
