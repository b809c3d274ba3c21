"""One cell of the matrix: a client, a mode and an upstream, and all that must hold of every answer and error in it."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import anthropic
import matrix_client_chat
import matrix_client_messages
import matrix_client_responses
import openai
import pytest
from matrix_road import Road
from matrix_shapes import SHAPES, Shape, body_of
from matrix_words import Counts, Fault, Heard, Json, Question, Says, Sent, Told
from scripted import Answer, Asked, whole

from proxy.ledger.record import UsageRecord

CLIENTS: dict[str, ModuleType] = {
    client.NAME: client for client in (matrix_client_chat, matrix_client_responses, matrix_client_messages)
}

_UNSAID = {
    "responses": {"metadata"},
    "ollama": {"reasoning_effort", "tools[0].strict", "tools[1].strict"},
}
"""What some of the upstreams of a client cannot be told, and what this upstream cannot: named, never lost in silence."""
_COUNTS = "/tokenize"
"""Where a server counts its own reasoning for us."""
_IN_STREAM = (openai.APIError, anthropic.APIError)
_STATUS = (openai.APIStatusError, anthropic.APIStatusError)
_DECLINED = {"messages": "content_filter"}
"""Clients that are told of a refusal by how the answer ends, whoever gave it."""


@dataclass(frozen=True)
class Cell:
    """Where a scene is played."""

    road: Road
    api: str
    stream: bool
    upstream: str

    @property
    def client(self) -> Any:
        return CLIENTS[self.api]

    @property
    def shape(self) -> Shape:
        return SHAPES[self.upstream]

    def ask(self, question: Question, says: Says, finish: str = "stop") -> Heard:
        """What the client hears; it must be what the upstream said, on every wire between them and in the ledger."""
        self._plays(lambda body: self.shape.answer(body, says, self.stream), says.thought)
        body = self.client.spell(question, self.upstream, stream=self.stream)
        self.client.send(self.road, body)
        answer = self.road.tape.answer
        self._judge_headers(question)
        heard: Heard = (self.client.streamed if self.stream else self.client.whole)(answer.content, body)
        self._judge(heard, says, finish)
        self._recorded(says, finish)
        return heard

    def _plays(self, answer: Any, thought: int = 0) -> None:
        """``thought``: what it counts of its own reasoning, where it is asked to."""
        upstream = self.road.upstream
        upstream.asked.clear()
        count = whole({"tokens": [7] * thought})
        upstream.reply = lambda asked: count if asked.path == _COUNTS else answer(body_of(asked))

    @property
    def _asked(self) -> list[Asked]:
        """The questions that are the client's."""
        return [asked for asked in self.road.upstream.asked if asked.path != _COUNTS]

    def _judge(self, heard: Heard, says: Says, finish: str) -> None:
        shown = self.shape.shows(body_of(self._asked[-1]))
        assert (heard.text, heard.refusal) == (says.text, self._refusal(says))
        assert heard.thoughts == ("".join(says.thoughts) if shown else "")
        assert heard.finish == (_DECLINED.get(self.api, finish) if says.refusal else finish)
        self._judge_calls(heard, says)
        told = says.counts.told(self.shape.tells)
        if "thought" not in self.shape.tells:
            told["thought"] = self._row().reasoning_tokens or 0
        assert heard.usage == self.client.usage(told)

    def _judge_headers(self, question: Question) -> None:
        """Nothing is dropped that could be said, and an effort is sent as it was asked, or said to be dropped."""
        headers = self.road.tape.answer.headers
        assert headers["x-turnout-backend"] == self.upstream
        dropped = set(filter(None, headers.get("x-turnout-dropped", "").split(", ")))
        assert dropped <= _UNSAID.get(self.api, set()) | _UNSAID.get(self.upstream, set())
        if question.effort and "reasoning_effort" not in dropped:
            assert headers["x-turnout-effort"] == question.effort

    def _refusal(self, says: Says) -> str:
        return (says.refusal or "") if self.upstream != "gemini" else ""

    def _judge_calls(self, heard: Heard, says: Says) -> None:
        assert [(call.name, call.arguments) for call in heard.calls] == [(c.name, c.arguments) for c in says.calls]
        ids = [call.id for call in heard.calls]
        assert all(ids)
        assert len(set(ids)) == len(ids)
        if self.shape.own_ids:
            assert ids == [call.id for call in says.calls]

    def sent(self) -> Json:
        """The body that the upstream was sent, which must be one of its vendor's."""
        (asked,) = self._asked
        self.shape.judge(asked.body)
        body: Json = asked.body
        return body

    def turns(self) -> Sent:
        """What it was sent of the turns before."""
        return self.shape.sent(self.sent())

    # --- errors ----------------------------------------------------------------------------------------------------

    def fails(self, answer: Any, fault: Fault) -> Told:
        """What the client is told where the upstream gives ``answer(body)`` before anything of an answer."""
        self._plays(answer)
        self._sends(committed=False)
        got = self.road.tape.answer
        told: Told = self.client.refused(got.content, got.status_code)
        assert got.headers["content-type"] == "application/json"
        assert told == self.client.wanted(fault, committed=False)
        row = self._row()
        assert (row.outcome, row.status) == ("error", got.status_code)
        self._recovers()
        return told

    def breaks(self, answer: Any, fault: Fault, text: str) -> Told:
        """What the client is told where the upstream breaks after it has said ``text``."""
        self._plays(answer)
        self._sends(committed=True)
        got = self.road.tape.answer
        told: Told = self.client.broken(got.content, got.status_code)
        wanted: Told = self.client.wanted(fault, committed=True)
        assert told == Told(wanted.status, wanted.type, wanted.code, text)
        row = self._row()
        assert (row.outcome, row.status) == ("interrupted", 200)
        self._recovers()
        return told

    def _sends(self, *, committed: bool) -> None:
        """The SDK must make an error of it: of its status, or in its stream."""
        body = self.client.spell(Question(), self.upstream, stream=self.stream)
        if committed and self.api == "responses":  # whose SDK hands response.failed to its caller
            self.client.send(self.road, body)
            return
        kind = _IN_STREAM if committed else _STATUS
        with pytest.raises(kind):
            self.client.send(self.road, body)

    def _recovers(self) -> None:
        """An answer without fault: five failures in a row would open the backend's breaker."""
        plain = Cell(self.road, "chat", False, self.upstream)
        plain._plays(lambda body: plain.shape.answer(body, Says(("fine",)), False))
        plain.client.send(self.road, plain.client.spell(Question(), self.upstream, stream=False))

    # --- the ledger ------------------------------------------------------------------------------------------------

    def _row(self) -> UsageRecord:
        row, *helpers = self.road.live.rows_of(self.road.tape.answer.headers["x-request-id"])
        assert {helper.purpose for helper in helpers} <= {"count"}
        assert (row.api, row.stream, row.backend, row.alias) == (self.api, self.stream, self.upstream, self.upstream)
        return row

    def _recorded(self, says: Says, finish: str) -> None:
        row, counts, tells = self._row(), says.counts, self.shape.tells
        assert (row.outcome, row.status, row.finish_reason) == ("ok", 200, finish)
        assert (row.input_tokens, row.output_tokens) == (counts.input, counts.output)
        assert row.cached_tokens == (counts.cached if "cached" in tells else None)
        self._recorded_thought(row, counts)

    def _recorded_thought(self, row: UsageRecord, counts: Counts) -> None:
        """A split that the server does not tell is counted by it, else estimated, and says so."""
        if "thought" in self.shape.tells:
            assert (row.reasoning_tokens, row.reasoning_source) == (counts.thought, "reported")
        elif counts.thought and self.upstream == "llama_cpp":
            assert (row.reasoning_tokens, row.reasoning_source) == (counts.thought, "counted")
        elif counts.thought:
            assert row.reasoning_source == "estimated"
            assert 0 < (row.reasoning_tokens or 0) < counts.output


def cut(answer: Answer, keep: int) -> Answer:
    """The first ``keep`` pieces of an answer, and then nothing."""
    return Answer(answer.parts[:keep], answer.status, answer.kind)
