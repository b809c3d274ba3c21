"""What every test shares: where the recordings are, and an environment without provider keys."""

import os
from pathlib import Path

import pytest
from shared_folder import ABSENT, shared_folder


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if folder is None:
        pytest.skip(ABSENT)
    return folder


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_provider_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests start with the environment cleared of provider keys and of TURNOUT_ overrides (decision D23)."""
    for name in list(os.environ):
        if name.endswith("_API_KEY") or (name.startswith("TURNOUT_") and name != "TURNOUT_SHARED"):
            monkeypatch.delenv(name)
