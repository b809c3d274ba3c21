"""The bill of materials of an installation, as CycloneDX 1.6 JSON: ``python deploy/sbom.py [LOCK] > sbom.json``.

It says what the lock says: every package with its version, the hashes of its files and who wants it. Licences are
those of the packages that are installed here. The same lock gives the same file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
NAME = "turnout"
_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"#\s+(?:via\s+)?([A-Za-z0-9._-]+)(?:\s+\(.*\))?$")


class Locked(Struct):
    """One package of the lock; ``via``: who wants it, by name."""

    name: str
    version: str
    hashes: list[str] = []
    via: list[str] = []

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def normal(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> list[Locked]:
    """The packages of a lock with hashes, as pip-compile writes it."""
    found: list[Locked] = []
    for line in text.splitlines():
        pinned = _PINNED.match(line)
        if pinned is not None:
            found.append(Locked(normal(pinned[1]), pinned[2]))
        elif not found:
            continue
        elif (hashed := _HASH.search(line)) is not None:
            found[-1].hashes.append(hashed[1])
        elif (via := _VIA.search(line)) is not None and via[1] != "via":
            found[-1].via.append(normal(via[1]))
    return found


def bill(text: str, version: str) -> dict[str, Any]:
    """The document. ``text``: the lock; ``version``: of Turnout."""
    packages = locked(text)
    own = f"pkg:pypi/{NAME}@{version}"
    wants: dict[str, list[str]] = {own: [], **{package.purl: [] for package in packages}}
    purls = {NAME: own, **{package.name: package.purl for package in packages}}
    for package in packages:
        for name in package.via:
            wants[purls.get(name, own)].append(package.purl)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, own + text)}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": own, "name": NAME, "version": version, "purl": own,
                          "licenses": [{"license": {"id": "Apache-2.0"}}]},
            "tools": {"components": [{"type": "application", "name": "deploy/sbom.py", "version": version}]},
        },
        "components": [_component(package) for package in packages],
        "dependencies": [{"ref": ref, "dependsOn": sorted(names)} for ref, names in sorted(wants.items())],
    }  # fmt: skip


def _component(package: Locked) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "hashes": [{"alg": "SHA-256", "content": content} for content in package.hashes],
        **({"licenses": licences} if (licences := [*_licences(package.name)]) else {}),
    }


def _licences(name: str) -> Iterator[dict[str, Any]]:
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return
    if "License-Expression" in told:
        yield {"expression": told["License-Expression"]}
        return
    words = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier", []) if each.startswith("License ::")]
    yield from ({"license": {"name": word}} for word in words)


def main() -> None:
    """Print the bill of the lock that is named, else of requirements.txt."""
    lock = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "requirements.txt"
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    found = bill(lock.read_text("utf-8"), version[1] if version else "0")
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


if __name__ == "__main__":
    main()
