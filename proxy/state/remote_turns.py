"""How a turn lies in Redis: under which key, and packed how."""

from __future__ import annotations

import zlib
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

import msgspec
from msgspec import Struct

from policies.sticky import Answered
from proxy.state.remote import PREFIX
from proxy.state.store import Turn

_SMALL = 4096
"""Bytes that are not worth packing."""
_LONG = 200
"""Characters of an id; a longer one goes by its hash, and one that is not plain ASCII."""

_RAWS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])


class _Body(Struct, frozen=True, kw_only=True):
    """What is kept of a turn beside what the scripts look at. A field that is new has a default."""

    id: str
    created: int
    previous: str | None
    input: bytes
    response: bytes
    home: Answered | None = None
    data_class: frozenset[str] = frozenset()
    call: str | None = None


_body = msgspec.msgpack.Decoder(_Body)


def turn_size(turn: Turn) -> int:
    """Bytes of the answer, and of the input as a list."""
    items = sum(memoryview(item).nbytes for item in turn.input)
    return len(turn.response) + items + max(len(turn.input), 1) + 1


def pack(turn: Turn) -> bytes:
    """What is kept of it; the first byte says how."""
    body = _Body(
        id=turn.id,
        created=turn.created,
        previous=turn.previous,
        input=msgspec.json.encode(turn.input),
        response=turn.response,
        home=turn.home,
        data_class=turn.data_class,
        call=turn.call,
    )
    told = msgspec.msgpack.encode(body)
    return b"=" + told if len(told) < _SMALL else b"z" + zlib.compress(told, 1)


def unpack(tenant: str, packed: bytes) -> Turn:
    """The turn. Raises msgspec.MsgspecError or zlib.error for what no Turnout has packed."""
    body = _body.decode(packed[1:] if packed[:1] == b"=" else zlib.decompress(memoryview(packed)[1:]))
    return Turn(
        id=body.id,
        tenant=tenant,
        created=body.created,
        previous=body.previous,
        input=_RAWS.decode(body.input),
        response=body.response,
        home=body.home,
        data_class=body.data_class,
        call=body.call,
    )


def turn_key(tenant: str, id_: str) -> str:
    """Without an id: what all of them begin with."""
    return key(tenant, "turn", id_)


def key(tenant: str, kind: str, id_: str) -> str:
    """What is in braces keeps all of a tenant's keys together in a cluster."""
    return f"{_room(tenant)}{kind}:{short(id_)}"


@lru_cache(maxsize=1024)
def _room(tenant: str) -> str:
    return f"{PREFIX}{{stored:{quote(tenant, safe='')}}}:"


def short(id_: str) -> str:
    """What it goes by."""
    if len(id_) <= _LONG and id_.isascii() and not id_.startswith("#"):
        return id_
    return f"#{sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()}"
