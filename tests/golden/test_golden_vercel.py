"""Recorded answers of four vendors, played to Turnout by loopback, and what the clients of all three APIs hear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from excluded import TORN
from heard import CLIENTS, heard, question
from live import Live
from playing import API_OF, assert_heard, payloads
from recordings import FOLDERS, SHARED, Recording, recordings
from scripted import Asked, Upstream, scripted
from told import Told

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
EXACT = ("openai", "anthropic")
"""The providers whose own clients get their bytes unread."""
VERSION = {"google": "v1beta"}


@dataclass(frozen=True)
class Cell:
    """One recording, played as one provider, heard by a client of one API that asked whole or streamed."""

    recording: Recording
    provider: str
    api: str
    stream: bool

    @property
    def exact(self) -> bool:
        """The vendor's own bytes reach the client."""
        same = API_OF.get(self.recording.dialect) == self.api and self.stream == self.recording.stream
        return same and self.provider in EXACT

    def __str__(self) -> str:
        how = "stream" if self.stream else "whole"
        return f"{self.recording.name}-{self.provider}-{self.api}-{how}"


def cells() -> Iterator[Cell]:
    """Streams are played to clients that stream; whole answers to both kinds: some servers answer a stream whole."""
    for recording in recordings():
        for provider in FOLDERS[recording.folder][1]:
            for api in CLIENTS:
                yield Cell(recording, provider, api, stream=True)
                if not recording.stream:
                    yield Cell(recording, provider, api, stream=False)


ALL = list(cells())
ANSWERS = [cell for cell in ALL if cell.recording.status == 200 and cell.recording.name not in TORN]
ERRORS = [cell for cell in ALL if cell.recording.status != 200]


@dataclass(frozen=True)
class Road:
    """A Turnout with one backend per recording and provider, and a client."""

    live: Live
    http: httpx2.Client

    def ask(self, cell: Cell) -> httpx2.Response:
        model = f"backend/{cell.recording.key}-{cell.provider}"
        body = question(cell.api, model, stream=cell.stream)
        return self.http.post(self.live.base_url + CLIENTS[cell.api], json=body)

    def hear(self, cell: Cell) -> Told:
        answer = self.ask(cell)
        assert answer.status_code == 200, answer.text
        return heard(cell.api, answer.content, stream=cell.stream)


def _config(upstream: Upstream) -> str:
    lines = ["version: 1", "backends:"]
    for recording in recordings():
        for provider in FOLDERS[recording.folder][1]:
            url = f"{upstream.url}/{recording.key}/{VERSION.get(provider, 'v1')}"
            row = f"provider: {provider}, model: m, dialect: {recording.dialect}, base_url: '{url}', credential: k"
            lines.append(f"  {recording.key}-{provider}: {{{row}}}")
    return "\n".join(
        [*lines, "aliases:", f"  any: {{use: [{recordings()[0].key}-{FOLDERS[recordings()[0].folder][1][0]}]}}", ""]
    )


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    by_key = {recording.key: recording for recording in recordings()}

    def reply(asked: Asked) -> Any:
        return by_key[asked.path.split("/")[1]].answer()

    with scripted() as upstream, httpx2.Client(timeout=20) as http:
        upstream.reply = reply
        with Live(_config(upstream)) as live:
            yield Road(live, http)


@pytest.mark.parametrize("cell", [cell for cell in ANSWERS if not cell.exact], ids=str)
def test_a_recorded_answer_reaches_the_client_intact(road: Road, cell: Cell) -> None:
    assert_heard(cell.api, cell.recording.said, road.hear(cell))


@pytest.mark.parametrize("cell", [cell for cell in ANSWERS if cell.exact], ids=str)
def test_a_vendors_own_words_pass_unchanged_but_for_the_models_name(road: Road, cell: Cell) -> None:
    answer = road.ask(cell)
    assert answer.status_code == 200
    alias = f"backend/{cell.recording.key}-{cell.provider}"
    if not cell.stream:
        assert json.loads(answer.content) == {**cell.recording.json[0], "model": alias}
        return
    assert answer.text.endswith("data: [DONE]\n\n") == (cell.api != "messages")
    assert payloads(answer.content, alias) == payloads(cell.recording.sse, alias)


@pytest.mark.parametrize("cell", [cell for cell in ANSWERS if not cell.stream and not cell.exact], ids=str)
def test_an_answer_says_the_same_whole_and_streamed(road: Road, cell: Cell) -> None:
    assert road.hear(cell) == road.hear(replace(cell, stream=True))


@pytest.mark.parametrize("cell", ERRORS, ids=str)
def test_a_recorded_error_becomes_the_mapped_error(road: Road, cell: Cell) -> None:
    answer, said = road.ask(cell), cell.recording.json[0]["error"]
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/json")
    got = answer.json()["error"]
    fields = ("type", "message") if cell.api == "messages" else ("type", "message", "param", "code")
    assert got == {field: said[field] for field in fields}


@pytest.mark.parametrize("api", CLIENTS)
def test_a_stream_that_begins_anew_in_the_midst_keeps_what_was_whole(road: Road, api: str) -> None:
    """The recording splices a second message into an unfinished call: half a call has reached the client by then."""
    (recording,) = (recording for recording in recordings() if recording.file == "spliced-message-start.chunks.txt")
    answer = road.ask(Cell(recording, "anthropic", api, stream=True))
    assert "toolu_second" in answer.text
    assert r"{\"value\":\"Sparkle Day\"}" in answer.text
    assert ('"output_tokens":65' if api == "messages" else '"total_tokens":82') in answer.text
    assert "Let me call the tool." in answer.text
    assert ("message_stop" if api == "messages" else "[DONE]") in answer.text.splitlines()[-2]


@pytest.mark.parametrize("api", CLIENTS)
def test_deltas_that_the_end_contradicts_are_kept(road: Road, api: str) -> None:
    (recording,) = (recording for recording in recordings() if recording.file == "openai-shell-container.1.chunks.txt")
    got = road.hear(Cell(recording, "openai_compatible", api, stream=True))
    assert got.text.startswith(recording.said.text)
    assert got.usage == got.usage | recording.said.usage
