"""Two replicas that share a Redis, and what each of their answers says of whether it was stored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import msgspec
from live import Live
from spending import Vendor, config

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
FIRST = 2.5
"""Seconds that a call may take when it is the first to find Redis hanging: its time-out, and a busy machine."""
KEY, ADMIN = "sk-k", "sk-of-the-admin"


def text(seller: Vendor, url: str, away: str = "{}") -> str:
    return config(
        seller.url,
        f"""
server: {{secret: [a-secret-that-both-have], admin_key: {ADMIN}}}
state: {{redis: "{url}", away: {away}}}
teams: {{interns: {{budget: {{usd: 100}}, limits: {{rpm: 10000}}}}}}
keys: [{{name: k, team: interns, secret: {KEY}}}, {{name: free, secret: sk-free}}]
""",
    )


@contextmanager
def replicas(seller: Vendor, url: str, count: int = 2, **more: str) -> Iterator[list[Live]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Live(text(seller, url, **more))) for _ in range(count)]


def at(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


class Heard:
    """One answer."""

    def __init__(self, answer: HTTPResponse) -> None:
        self.status, self.raw = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def error(self) -> Any:
        return self.body["error"]

    @property
    def events(self) -> list[Any]:
        lines = [line[6:] for line in self.raw.split(b"\n") if line.startswith(b"data: ")]
        return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]

    @property
    def id(self) -> str:
        return str(self.headers["x-request-id"])

    def told(self, name: str) -> str | None:
        """The header ``x-turnout-NAME``."""
        return self.headers.get(f"x-turnout-{name}")


def asked(live: Live, method: str, path: str, key: str | None, body: Any = None) -> Heard:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    connection = HTTPConnection("127.0.0.1", live.port, timeout=30)
    try:
        connection.request(method, path, None if body is None else msgspec.json.encode(body), headers)
        return Heard(connection.getresponse())
    finally:
        connection.close()


def get(live: Live, path: str, key: str) -> Heard:
    return asked(live, "GET", path, key)


def chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi!"}]}


def made(live: Live, name: str) -> str:
    """The secret of a new key of the store, of the team ``interns``."""
    heard = asked(live, "POST", "/admin/keys", ADMIN, {"name": name, "team": "interns"})
    assert heard.status in (200, 201), heard.raw
    return str(heard.body["secret"])


class Said:
    """One answer, and how long it took."""

    def __init__(self, live: Live, path: str, body: Any, key: str | None) -> None:
        began = time.monotonic()
        self.heard = asked(live, "POST", path, key, body)
        self.seconds = time.monotonic() - began
        self._live = live

    @property
    def flags(self) -> str:
        """Of its last row."""
        return self._live.rows_of(self.heard.id)[-1].flags or ""


def say(live: Live, previous: str | None = None, key: str = KEY, **more: Any) -> Said:
    before = {} if previous is None else {"previous_response_id": previous}
    return Said(live, RESPONSES, {"model": "cloud", "input": "Hi!", **before, **more}, key)


def stored(live: Live, previous: str | None = None) -> str:
    """The id of a response that is stored, as all of its signs say."""
    said = say(live, previous)
    assert said.heard.status == 200, said.heard.raw
    assert (said.heard.told("stored"), said.heard.body["store"]) == (None, True)
    assert "not_stored" not in said.flags
    return str(said.heard.body["id"])


def unstored(said: Said) -> None:
    """It was answered, and is not stored, as all of its signs say."""
    assert said.heard.status == 200, said.heard.raw
    if said.heard.headers["content-type"].startswith("text/event-stream"):
        response = said.heard.events[-1]["response"]
    else:
        response = said.heard.body
        assert said.heard.told("stored") == "0"
    assert (response["status"], response["store"]) == ("completed", False)
    assert "not_stored" in said.flags


def goes_on(lives: Sequence[Live]) -> str:
    """A thread begun at one replica goes on at the other, and back. A connection may take its time, on a busy machine."""
    for live in lives:
        live.until(lambda live=live: say(live).heard.told("stored") is None, "stored")  # type: ignore[misc]
    one = stored(lives[0])
    two = stored(lives[-1], one)
    assert get(lives[0], f"{RESPONSES}/{two}", KEY).body["previous_response_id"] == one
    return stored(lives[0], two)


def troubles(live: Live) -> set[str]:
    """Which features say that something is the matter."""
    status, told = live.get("/health/ready")
    assert (status, told["ready"]) == (200, True)
    found = {name for name in ("ledger", "keys", "limits", "budgets", "stored") if told[name] != "ok"}
    assert told["degraded"] or not found
    return found


ALL = {"keys", "limits", "budgets", "stored"}


def until_away(lives: Sequence[Live], which: set[str] = ALL) -> None:
    for live in lives:
        live.until(lambda live=live: troubles(live) == which, f"away: {which}")  # type: ignore[misc]


def until_back(lives: Sequence[Live]) -> None:
    until_away(lives, set())
    for live in lives:
        live.until(lambda live=live: live.get("/health/ready")[1]["degraded"] is False, "well again")  # type: ignore[misc]


def serves_on(live: Live, id_: str, *, most: float = FIRST) -> None:
    """What holds while it is away, with the defaults: everything is answered but what has to be read there."""
    calls = [
        say(live), say(live, stream=True), say(live, store=False), Said(live, CHAT, chat("cloud"), KEY),
        Said(live, CHAT, chat("cloud"), "sk-free"),
    ]  # fmt: skip
    assert [each.heard.status for each in calls] == [200] * 5
    unstored(calls[0])
    unstored(calls[1])
    assert (calls[2].heard.told("stored"), calls[2].flags) == (None, "")
    assert {say(live, key="sk-nobody").heard.status} == {401}
    refused = say(live, id_)
    assert (refused.heard.status, refused.heard.error["code"]) == (503, "store_unavailable")
    assert refused.heard.headers["retry-after"] == "5"
    for path in (id_, f"{id_}/input_items"):
        assert get(live, f"{RESPONSES}/{path}", KEY).error["code"] == "store_unavailable"
    assert live.call("DELETE", f"{RESPONSES}/{id_}", headers={"authorization": f"Bearer {KEY}"})[0] == 503
    assert max(each.seconds for each in (*calls, refused)) < most
