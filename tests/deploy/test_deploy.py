"""The deploy files: parsed, in step with each other and with the application. Docker itself is not needed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from live import Live

from proxy.config import Config, load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
CONFIG = (DEPLOY / "proxy.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
KEY = "sk-test-of-the-deploy-files"


def lines(word: str) -> list[str]:
    """What follows an instruction, each time."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, flags=re.MULTILINE)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "turnout_key").write_text(f"{KEY}\n")
    return {"SECRETS": str(tmp_path)}


def loaded(env: dict[str, str]) -> Config:
    return load(CONFIG, file="deploy/proxy.yaml", env={"TURNOUT_SERVER__HOST": "0.0.0.0", **env})


@pytest.mark.parametrize("local", ["vllm", "ollama"])
def test_the_configuration_is_good_beyond_loopback(env: dict[str, str], local: str) -> None:
    found = loaded({**env, "LOCAL": local, "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": ""})
    (warning,) = found.warnings
    assert warning.startswith("backends.gemini is left out: no credential")
    assert [key.name for key in found.keys] == ["client"]
    assert local in COMPOSE["services"]


def test_the_backends_are_the_neighbours(env: dict[str, str]) -> None:
    written = yaml.safe_load(CONFIG)["backends"]
    for name in ("vllm", "ollama"):
        assert re.match(r"http://(\w+):", written[name]["base_url"]).group(1) == name  # type: ignore[union-attr]
        assert COMPOSE["services"][name]["profiles"] == [name]
    assert written["vllm"]["model"] in COMPOSE["services"]["vllm"]["command"]
    assert written["ollama"]["model"] in (DEPLOY / "README.md").read_text("utf-8")


def test_a_gpu_is_reserved_for_vllm_alone() -> None:
    devices = COMPOSE["services"]["vllm"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert "deploy" not in COMPOSE["services"]["ollama"]


def test_images_are_pinned_by_tag() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [image.split()[0] for image in lines("FROM")]
    for image in images:
        assert re.search(r":v?\d+\.\d+[\w.-]*$", image), image


def test_the_service_holds_what_the_configuration_names() -> None:
    turnout = COMPOSE["services"]["turnout"]
    assert turnout["secrets"] == ["turnout_key"]
    assert set(COMPOSE["secrets"]) == {"turnout_key"}
    assert "ledger:/var/lib/turnout" in turnout["volumes"]
    assert yaml.safe_load(CONFIG)["ledger"]["url"].startswith("sqlite:////var/lib/turnout/")
    assert turnout["read_only"] is True
    assert {volume.partition(":")[0] for s in COMPOSE["services"].values() for volume in s["volumes"]} - {"."} == set(
        COMPOSE["volumes"]
    )
    assert all(port.startswith("127.0.0.1:") for port in turnout["ports"])


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]
    sources = [s for line in lines("COPY") if not line.startswith("--from") for s in shlex.split(line)[:-1]]
    assert sorted(sources) == sorted(kept)
    assert all((ROOT / source).exists() for source in sources)
    packages = {"adapters", "policies", "proxy", "requirements.txt", "pyproject.toml"}
    assert packages <= set(sources)


def test_the_dependencies_are_installed_by_hash() -> None:
    installs = [msgspec.json.decode(line) for line in lines("RUN") if "pip" in line]
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]


def test_it_is_nobodys_root_and_drains() -> None:
    assert lines("USER") == ["10001:10001"]
    assert lines("STOPSIGNAL") == ["SIGTERM"]
    assert lines("EXPOSE") == ["4000"]
    grace = int(COMPOSE["services"]["turnout"]["stop_grace_period"].removesuffix("s"))
    assert grace > 30, "longer than server.drain"


def test_health_check_and_entry_hold(env: dict[str, str], tmp_path: Path) -> None:
    """The image's own words, run here: the port apart, and the ledger in a folder of ours."""
    entry = msgspec.json.decode(lines("ENTRYPOINT")[0])
    assert entry == ["turnout", "serve", "--config", "/etc/turnout/proxy.yaml", "--host", "0.0.0.0"]
    text = CONFIG.replace("/var/lib/turnout/", f"{tmp_path}/")
    with Live(text, env=env, args=("--host", "0.0.0.0")) as live:
        words = msgspec.json.decode(lines("HEALTHCHECK")[0].partition("CMD ")[2])
        assert "4000" in words[2]
        words = [sys.executable, words[1], words[2].replace("4000", str(live.port))]
        assert subprocess.run(words, check=False).returncode == 0
        status, _ = live.get("/v1/models")
        assert status == 401
        status, models = live.get("/v1/models", {"authorization": f"Bearer {KEY}"})
        assert status == 200
        assert "auto" in [model["id"] for model in models["data"]]
        assert live.stop() == 0
    assert subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 1
