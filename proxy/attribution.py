"""For whom a call is, below its key: the client's own user, its thread, and tags. Read from headers and raw top-level
fields, so that bytes may still pass unread; most calls have none of it, and pay for a few look-ups only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from adapters import ir, threads
from proxy.ledger.record import clean
from proxy.threads import SESSION

if TYPE_CHECKING:
    from proxy.call import Call

TAG = "x-turnout-tag"
"""``name=value, name=value``; a bare word is the value of ``tag``."""
_PROJECT = "openai-project"
_CODE_SESSION = "x-claude-code-session-id"
MOST = 10
"""Tags of one row."""
_LONG = 128
"""Characters of a value; longer ones are cut."""
_FAR_TOO_LONG = 64 * 1024
"""Bytes of ``metadata``, or of a user's name, that are not looked into."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CODE_USER = re.compile(r"(user_.+?)_session_([0-9A-Za-z-]+)")
_DIGITS = 16
"""Of a hash, hex: two of a million users are one with a chance of one in 37 million."""
_ABSENT = msgspec.Raw(b"null")

Pairs = Iterator[tuple[str, str | None]]

_text = msgspec.json.Decoder(str | None)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_plain = msgspec.json.Decoder(str | int | float | bool)


class Attribution(Struct, frozen=True):
    """Three columns of a row, and how many tags were not kept."""

    user: str | None = None
    session: str | None = None
    tags: str | None = None
    """JSON, name -> value."""
    dropped: int = 0


NOBODY = Attribution()


class _CodeUser(Struct):
    """What Claude Code sends as ``metadata.user_id``, as JSON in a text."""

    session_id: str
    account_uuid: str = ""
    device_id: str = ""


_code_user = msgspec.json.Decoder(_CodeUser)


def of(call: Call) -> Attribution:
    """Found out once. A helper call is given its parent's."""
    found = call.attribution
    if found is None:
        found = call.attribution = _found(call) if _any(call) else NOBODY
    return found


def _any(call: Call) -> bool:
    headers, top = call.headers, call.top
    return (
        "user" in top
        or "metadata" in top
        or "safety_identifier" in top
        or "prompt_cache_key" in top
        or TAG in headers
        or SESSION in headers
        or _PROJECT in headers
        or _CODE_SESSION in headers
        or bool(call.caller.tags)
    )


def _found(call: Call) -> Attribution:
    ledger = call.snapshot.config.ledger
    metadata = _metadata(call.top) if ledger.attribution or call.api.kind == "messages" else {}
    user, code_session = _user(call, metadata)
    session = call.headers.get(SESSION) or threads.session(call.top) or call.headers.get(_CODE_SESSION) or code_session
    tags, dropped = _kept(_tags(call, metadata, ledger.attribution))
    if user is not None and ledger.users != "plain":
        user = _hash(call, "user", user) if ledger.users == "hashed" else None
    return Attribution(
        user=None if user is None else clean(_printable(user), _LONG),
        session=_hash(call, "session", session) if session else None,
        tags=msgspec.json.encode(tags, order="sorted").decode() if tags else None,
        dropped=dropped,
    )


def _hash(call: Call, kind: str, told: str) -> str:
    return call.hashed(f"{kind}\0{told}".encode("utf-8", "surrogatepass")).hex()[:_DIGITS]


# --- the user ------------------------------------------------------------------------------------------------------


def _user(call: Call, metadata: ir.Extras) -> tuple[str | None, str | None]:
    """The client's user, and the session that Claude Code puts into its name."""
    top = call.top
    told = _word(top.get("safety_identifier", _ABSENT)) or _word(top.get("user", _ABSENT))
    if told is not None or call.api.kind != "messages":
        return told, None
    told = _word(metadata.get("user_id", _ABSENT))
    return (None, None) if told is None else _person(told)


def _person(told: str) -> tuple[str, str | None]:
    """Claude Code names a session together with its user; one person is one user for all of them."""
    old = _CODE_USER.fullmatch(told)
    if old is not None:
        return old[1], old[2]
    if not told.startswith("{"):
        return told, None
    try:
        found = _code_user.decode(told)
    except msgspec.MsgspecError:
        return told, None
    return found.account_uuid or found.device_id or told, found.session_id or None


def _word(raw: msgspec.Raw) -> str | None:
    if len(raw) > _FAR_TOO_LONG:
        return None
    try:
        return _text.decode(raw) or None
    except msgspec.MsgspecError:
        return None


# --- tags ----------------------------------------------------------------------------------------------------------


def _metadata(top: ir.Extras) -> ir.Extras:
    raw = top.get("metadata", _ABSENT)
    if len(raw) > _FAR_TOO_LONG:
        return {}
    try:
        return _fields.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _tags(call: Call, metadata: ir.Extras, named: tuple[str, ...]) -> Pairs:
    """The first of a name counts: what the operator gave the key, the header, ``metadata``, the project."""
    if call.caller.tags:
        yield from _own(call.caller.tags)
    if TAG in call.headers:
        yield from _in_header(call.headers[TAG])
    for name in named:
        if name in metadata:
            yield name, _value(metadata[name])
    if _PROJECT in call.headers:
        yield "project", call.headers[_PROJECT]


@lru_cache(maxsize=1024)
def _own(tags: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Those of a key and its team that are pairs (``cost_center=42``). Plain words are for rules: rows name the key."""
    return [(name, value) for name, found, value in (tag.partition("=") for tag in tags) if found]


def _in_header(told: str) -> Pairs:
    for each in _utf8(told).split(","):
        name, found, value = each.partition("=")
        if each.strip():
            yield (name.strip(), value) if found else ("tag", name)


def _value(raw: msgspec.Raw) -> str | None:
    try:
        told: Any = _plain.decode(raw)
    except msgspec.MsgspecError:
        return None
    return told if isinstance(told, str) else bytes(raw).decode().strip()


def _kept(pairs: Pairs) -> tuple[dict[str, str], int]:
    """Bounded, printable, and nothing in them that looks like a key; how many were dropped."""
    kept: dict[str, str] = {}
    dropped = 0
    for name, value in pairs:
        text = clean(_printable(value or ""), _LONG)
        if name in kept and kept[name] == text:
            continue
        if not text or name in kept or len(kept) >= MOST or not _NAME.fullmatch(name):
            dropped += 1
        else:
            kept[name] = text
    return kept, dropped


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def _utf8(header: str) -> str:
    """Headers are read byte by byte; whoever sends other letters sends UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
