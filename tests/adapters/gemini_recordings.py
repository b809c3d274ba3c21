"""Google's recorded traffic: requests, whole answers and streams, each with the file it stands in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from adapters.google_gemini.wire import camel

Body = dict[str, Any]
FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "labels", "responseSchema"}
"""Fields whose names within are the client's own."""
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def interactions(shared: Path) -> Iterator[tuple[str, Body]]:
    for path in sorted((shared / "data/golden/pydantic-ai").glob("*/*.yaml")):
        if "enerateContent" in (text := path.read_text()):
            for told in yaml.load(text, _Loader)["interactions"]:
                if "enerateContent" in told["request"]["uri"]:
                    yield path.name, told


def requests(shared: Path) -> list[tuple[str, Body]]:
    return [(name, told["request"]["parsed_body"]) for name, told in interactions(shared)]


def streams(shared: Path) -> list[tuple[str, bytes]]:
    """Recorded streams as bytes on the wire."""
    found = []
    for path in sorted((shared / "data/golden/vercel-ai/google").glob("*.chunks.txt")):
        lines = path.read_bytes().splitlines()
        found.append((path.name, b"".join(b"data: " + line + b"\r\n\r\n" for line in lines if line)))
    for name, told in interactions(shared):
        if "alt=sse" in told["request"]["uri"] and "string" in told["response"].get("body", {}):
            found.append((name, told["response"]["body"]["string"].encode()))
    assert len(found) > 8
    return found


def answers(shared: Path) -> list[tuple[str, bytes]]:
    """Recorded whole answers."""
    found = [
        (path.name, path.read_bytes()) for path in sorted((shared / "data/golden/vercel-ai/google").glob("*.json"))
    ]
    for name, told in interactions(shared):
        response = told["response"]
        if "alt=sse" not in told["request"]["uri"] and response["status"]["code"] == 200:
            parsed = response.get("parsed_body")
            found.append((name, msgspec.json.encode(parsed) if parsed else response["body"]["string"].encode()))
    assert len(found) > 20
    return found


def frames_of(stream: bytes) -> list[Body]:
    return [msgspec.json.decode(found) for found in re.findall(rb"^data: (.*?)\r?$", stream, re.MULTILINE)]


def spelt_alike(value: Any, within: str = "") -> Any:
    """Google takes ``mime_type`` for ``mimeType``, and its SDK writes both: one spelling, to compare."""
    if isinstance(value, list):
        return [spelt_alike(inner, within) for inner in value]
    if not isinstance(value, dict):
        return value
    names = {name: name if within in FREE else camel(name) for name in value}
    return {names[name]: spelt_alike(inner, within if within in FREE else names[name]) for name, inner in value.items()}
