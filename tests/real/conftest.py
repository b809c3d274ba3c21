"""The engine, its model and a Turnout in front of it. Collected only by ``make test-real``, which makes the engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine
from front import turnout
from live import Live

HOME = os.environ.get("TURNOUT_REAL_ENGINE")
collect_ignore_glob = [] if HOME else ["test_*.py"]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    served = Engine(Path(HOME or ""), tmp_path_factory.mktemp("engine"))
    served.make()
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="session")
def live(engine: Engine) -> Iterator[Live]:
    with turnout(engine) as running:
        yield running
