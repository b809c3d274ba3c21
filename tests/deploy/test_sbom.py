"""The bill of materials: complete, in CycloneDX's words, and the same for the same lock."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def made(lock: str) -> bytes:
    words = [sys.executable, str(ROOT / "deploy" / "sbom.py"), str(ROOT / lock)]
    return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module", params=LOCKS)
def lock(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bill(lock: str) -> dict[str, Any]:
    return dict(msgspec.json.decode(made(lock)))


def test_it_is_cyclonedx_and_says_of_whom(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    own = bill["metadata"]["component"]
    assert (own["type"], own["name"], own["bom-ref"]) == ("application", "turnout", own["purl"])


def test_every_pinned_package_is_in_it_with_its_hashes(lock: str, bill: dict[str, Any]) -> None:
    text = (ROOT / lock).read_text("utf-8")
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE)
    told = [(each["name"], each["version"]) for each in bill["components"]]
    assert told == [(re.sub("[-_.]+", "-", name).lower(), version) for name, version in pinned]
    assert sum(len(each["hashes"]) for each in bill["components"]) == text.count("--hash=sha256:")
    assert all(each["hashes"] for each in bill["components"])


def test_references_are_unique_and_lead_somewhere(bill: dict[str, Any]) -> None:
    refs = [bill["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in bill["components"])]
    assert len(refs) == len(set(refs))
    assert {each["ref"] for each in bill["dependencies"]} == set(refs)
    wanted = [name for each in bill["dependencies"] for name in each["dependsOn"]]
    assert set(wanted) == set(refs[1:]), "every package is wanted by somebody"
    own = next(each for each in bill["dependencies"] if each["ref"] == refs[0])
    assert any("/msgspec@" in name for name in own["dependsOn"])


def test_licences_are_told(bill: dict[str, Any]) -> None:
    told = {each["name"]: each.get("licenses") for each in bill["components"]}
    assert told["msgspec"]
    assert sum(licences is not None for licences in told.values()) > len(told) // 2


def test_the_same_lock_gives_the_same_file(lock: str) -> None:
    assert made(lock) == made(lock)
