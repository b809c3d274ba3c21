"""A Turnout in front of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine import MODEL, Engine
from live import Live, demo_upstream


@contextmanager
def turnout(engine: Engine) -> Iterator[Live]:
    """Started and ended; its cloud is the demo upstream."""
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
