"""The official OpenAI SDK for Node through a real Turnout: tests/node, run by node's own test runner."""

from __future__ import annotations

import os
import subprocess

import pytest
from sdk_road import BACKENDS, build
from shared_folder import ROOT

NODE = ROOT / "tests" / "node"


def test_node() -> None:
    if not (NODE / "node_modules" / "openai").is_dir():
        reason = "the SDK for Node is not installed: make node"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with build() as road:
        env = {**os.environ, "TURNOUT_BASE_URL": road.live.base_url, "TURNOUT_BACKENDS": ",".join(BACKENDS)}
        ran = subprocess.run(
            ["node", "--test"], cwd=NODE, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        sent = road.sent()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(sent) > len(BACKENDS) * 2 * 10, ran.stdout
