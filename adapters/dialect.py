"""What a dialect is: eight functions in two faces (read, write), what it refuses and what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from adapters import ir
from adapters.sse import Frame


class Reader(Protocol):
    """An upstream's stream, as a sans-IO machine: frames in, hub events out.

    Unknown events and fields are passed over. A frame that is not this dialect at all becomes ``ir.Failed``.
    """

    def read(self, frame: Frame) -> Iterable[ir.Event]:
        """One frame. After ``Ended`` or ``Failed`` nothing more is said."""
        ...

    def end(self) -> Iterable[ir.Event]:
        """The bytes have ended: what is still owed, or ``Failed`` (kind ``interrupted``) if no end was told."""
        ...


class Writer(Protocol):
    """A client's stream, as a sans-IO machine: hub events in, whole SSE events out (one per item of the list)."""

    def write(self, event: ir.Event) -> list[bytes]: ...


class Passable(Protocol):
    """What an exact relay needs of a wire format: enough to pass its bytes on, overhear usage and tell an error."""

    name: str
    family: ir.Family
    auth_header: str
    """The header that carries the credential: ``authorization`` means ``Bearer``."""
    id_header: str
    """The header in which its clients look for the request's id."""
    request_headers: Mapping[str, str]
    """Headers that a body's meaning depends on, with what is sent where the client says nothing (empty: none)."""
    terminator: bytes
    """What follows the last event of a stream (``data: [DONE]``), or nothing."""

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        """A whole answer as the events of a stream; a body that is not this dialect becomes ``ir.Failed``."""
        ...

    def reader(self) -> Reader: ...

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        """The error that ends a stream whose frames passed unread. ``first`` and ``last`` are the frames that the
        client has seen (Responses needs its response object and sequence number from them)."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure: ...

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        """The body of an error answer; ``request_id`` for the dialects that name it there."""
        ...

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        """Rename, drop or set top-level fields for this upstream; nested bytes stay untouched."""
        ...

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        """The path of a generate call, below the backend's base URL."""
        ...


class Dialect(Passable, Protocol):
    """One wire format, readable and writable. Every function is pure; none knows another dialect."""

    def glance(self, fields: ir.Extras) -> None:
        """The least that a body must be before it may pass unread. Raises ir.Invalid."""
        ...

    def read_request(self, body: bytes) -> ir.Request:
        """Raises ir.Invalid that names the field, the reason and the mend."""
        ...

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest: ...

    def write_response(self, reply: ir.Reply, echo: ir.Echo) -> bytes: ...

    def writer(self, echo: ir.Echo) -> Writer: ...

    def refuses(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        """All of the request that write_request cannot say to this upstream."""
        ...

    def needs(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
        """What must be fetched before write_request can write."""
        ...


def compact(value: object) -> bytes:
    """JSON as it goes on the wire."""
    return msgspec.json.encode(value)
