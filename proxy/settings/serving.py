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
    max_head: Size = given(Size(64 * 2**10))
    """Of all headers of a request together."""
    max_connections: Positive | None = None
    """Of each worker; unset: what its limit of open files has room for."""
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
    drain_delay: Seconds = given(Seconds(0))
    """Before that: how long new calls are still taken while readiness fails already, so that balancers find out."""


class ServerTimeouts(Part):
    """What the client's side waits for."""

    head: Seconds = given(Seconds(10))
    """For a request's headers, from their first byte; and for the first byte of a new connection."""
    body: Seconds = given(Seconds(30))
    """For the next kibibyte of a request's body, or its end."""
    idle: Seconds = given(Seconds(75))
    """For the next request on a connection."""
    write: Seconds = given(Seconds(60))
    """For a client that takes nothing of its answer; keep-alives do not count."""

    commit_after: Seconds = given(Seconds(15))
    """Without a first event by then, a stream is promised (200) and kept alive; ``never``: wait on."""
    keepalive: Seconds = given(Seconds(15))
    """A comment into a stream that is silent for so long."""
    count_wait: Seconds = given(Seconds(0.05))
    """How long the end of an answer may wait until its reasoning is counted, where the backend does not report it."""
