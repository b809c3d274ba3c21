"""The sealed text: what is in it, and how it is known again. The sealing itself is done with keys, on another floor."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir

Seal: TypeAlias = Callable[[bytes], str]
"""A plain text -> its sealed form, which begins with PREFIX."""
Unseal: TypeAlias = Callable[[str], bytes | None]
"""A sealed text -> what was sealed; None when it was not sealed by us, for this tenant."""

PREFIX = "turnout1."
"""How a sealed text begins. No vendor's state can: theirs are base64, which has no dot."""
_QUOTED = b'"' + PREFIX.encode()
_SEALED = re.compile(b'"(' + re.escape(PREFIX).encode() + b'[A-Za-z0-9_=-]+)"')


class Envelope(Struct, frozen=True, omit_defaults=True):
    """One state. ``call``: the tool call that it belongs to, wherever the envelope stands; without, it belongs to the
    reasoning that carries it. ``id``: the vendor's own id of that reasoning. ``classes``: the data classes of the
    conversation that it comes from."""

    family: ir.Family
    kind: str
    data: str
    model: str | None = None
    call: str | None = None
    id: str | None = None
    classes: tuple[str, ...] = ()
    v: Literal[1] = 1


_decode = msgspec.json.Decoder(Envelope).decode
_encode = msgspec.json.Encoder().encode


def closed(
    state: ir.VendorState,
    seal: Seal,
    *,
    call: str | None = None,
    id: str | None = None,  # noqa: A002
    classes: tuple[str, ...] = (),
) -> str:
    """The text that travels through the client."""
    return seal(_encode(Envelope(state.family, state.kind, state.data, state.model, call, id, classes)))


def opened(text: str, unseal: Unseal) -> Envelope | None:
    """None for what was changed on its way, sealed for another tenant, or with a key that is no longer ours."""
    plain = unseal(text)
    try:
        return None if plain is None else _decode(plain)
    except msgspec.MsgspecError:
        return None


def is_sealed(state: ir.VendorState) -> bool:
    """Does it claim to be sealed by us?"""
    return state.data.startswith(PREFIX)


def classes(body: bytes, unseal: Unseal) -> frozenset[str]:
    """The data classes of all that is sealed in this body."""
    if not is_carried_in(body):
        return frozenset()
    found = (opened(match[1].decode(), unseal) for match in _SEALED.finditer(body))
    return frozenset(label for envelope in found if envelope is not None for label in envelope.classes)


def is_carried_in(body: bytes) -> bool:
    """May there be a sealed text in this body? Then its bytes cannot pass unread: no vendor can read them."""
    return _QUOTED in body
