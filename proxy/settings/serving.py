"""The part of the grammar that speaks of our own side: where Turnout listens, and how long it waits for clients."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from proxy.settings.part import Part, given
from proxy.settings.units import Seconds, Secret, Secrets, Size

Positive = Annotated[int, Meta(ge=1)]


class Server(Part):
    """Where Turnout listens, and what it takes."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 4000
    workers: Positive = 1
    max_body: Size = given(Size(64 * 2**20))
    response_model: Literal["alias", "upstream"] = "alias"
    """Which name stands in an answer's ``model``."""
    open: bool = False
    """Serve beyond loopback without any key."""
    strict_json: bool = False
    """Refuse duplicate keys, and numbers that no double holds, below the top level, too."""
    collect_max: Size = given(Size(2**20))
    """The largest answer that is collected whole to be judged: structured output that no backend enforces, and what a
    rule's ``escalate`` looks at."""
    secret: Secrets | None = None
    """Seals what travels through clients; the first of a list seals, all unseal. Made once when absent."""
    secret_file: str | None = None
    admin_key: Secret | None = None
    admin_key_file: str | None = None
    drain: Seconds = given(Seconds(30))
    """How long open calls may go on once Turnout is told to stop."""


class ServerTimeouts(Part):
    """What the client's side waits for."""

    commit_after: Seconds = given(Seconds(15))
    """Without a first event by then, a stream is promised (200) and kept alive; ``never``: wait on."""
    keepalive: Seconds = given(Seconds(15))
    """A comment into a stream that is silent for so long."""
    count_wait: Seconds = given(Seconds(0.05))
    """How long the end of an answer may wait until its reasoning is counted, where the backend does not report it."""
