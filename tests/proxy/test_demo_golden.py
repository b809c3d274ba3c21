"""Requests that the real APIs accepted, as recorded: the demo must not be stricter than they were."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from asgi_post import post

from proxy.demo import create_app

PATH = re.compile(r"(/v1/chat/completions|/v1/responses|/v1/messages(?:/count_tokens)?|/models/[^/?]+:\w+)(\?.*)?$")
VENDORS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com", "google": "generativelanguage.googleapis.com"}
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "recorded"}
EXCUSED = re.compile(
    "Conversation with id|Previous response with id"  # the demo keeps no state
    "|Corrupted thought signature|Invalid `signature`|could not be verified"  # a real vendor's seal, not the demo's
)


def accepted(folder: Path, vendor: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in sorted(folder.glob("pydantic-ai/*/*.yaml")):
        for row in yaml.load(file.read_text(), Loader=yaml.CSafeLoader).get("interactions", ()):
            request = row.get("request", {})
            found = PATH.search(request.get("uri", ""))
            good = found and VENDORS[vendor] in request["uri"] and row["response"]["status"]["code"] == 200
            if found and good and request.get("parsed_body"):
                path = "/v1beta" + found[1] if found[1].startswith("/models") else found[1]
                yield file.name, path, request["parsed_body"]


@pytest.mark.parametrize(("vendor", "least"), [("openai", 80), ("anthropic", 80), ("google", 30)])
def test_what_was_accepted_is_accepted(shared: Path, vendor: str, least: int) -> None:
    app = create_app()

    async def refusals() -> tuple[int, list[str]]:
        count, refused = 0, []
        for name, path, body in accepted(shared / "data" / "golden", vendor):
            reply = await post(app, path, body, HEADERS, query="alt=sse")
            text = reply.body.decode()
            count += reply.status == 200
            if reply.status != 200 and not EXCUSED.search(text):
                refused.append(f"{name}: {text}")
        return count, refused

    count, refused = asyncio.run(refusals())
    assert refused == []
    assert count >= least
