"""The engine, its model and a Turnout in front of it. Collected only by ``make test-real``, which makes the engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import MODEL, Engine
from live import Live, demo_upstream

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
    with demo_upstream() as cloud, Live(config(engine.url, cloud)) as running:
        yield running


def config(engine: str, cloud: str) -> str:
    """Two backends at the engine, one for each of its endpoints, and a cloud to fall back on."""
    local = f'provider: transformers, base_url: "{engine}", model: {MODEL}, timeouts: {{first_byte: 3s, total: 3s}}'
    return f"""version: 1
backends:
  chat:  {{{local}}}
  own:   {{{local}, dialect: openai_responses}}
  cloud: {{provider: openai, base_url: "{cloud}/v1", model: gpt-5.6, credential: sk-demo-openai}}
roles: {{local: chat, cloud: cloud}}
retries: {{attempts: 1}}
aliases:
  local_only:     {{policy: local_only}}
  local_fallback: {{policy: local_fallback}}
  to-chat:        {{use: [chat]}}
  to-own:         {{use: [own]}}
"""
