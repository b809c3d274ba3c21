"""The file of model cards: read beside proxy.yaml, carried to every worker with it, written by ``turnout probe``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from policies.cards import Card

DEFAULT = "cards.json"
"""Beside proxy.yaml, unless ``cards:`` names another file."""

MAX_FILE = 1024 * 1024
"""Bytes; our own limit."""

Subject: TypeAlias = tuple[str, str, str, str]
"""Backend, provider, model, base URL (``Card.subject``)."""


class _Carried(Struct, omit_defaults=True):
    """What the supervisor found at ``file``: its text, or why there is none."""

    file: str
    text: str = ""
    problem: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    cards: list[msgspec.Raw]
    version: Literal[1] = 1


class Told(Struct, frozen=True):
    """The cards that fit a backend, by its name; and what the operator should know of the others."""

    cards: Mapping[str, Card] = {}
    warnings: tuple[str, ...] = ()


_carried = msgspec.json.Decoder(_Carried)
_file = msgspec.json.Decoder(_File)
_card = msgspec.json.Decoder(Card)


def carry(path: Path) -> str:
    """The file as one line of text, for ``told``; empty where there is none. Mistakes in it stop nobody: they are
    carried, too."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            found = _Carried(str(path), problem=f"larger than {MAX_FILE} bytes: remove cards of models that are gone")
        else:
            found = _Carried(str(path), raw.decode("utf-8-sig"))
    except FileNotFoundError:
        return ""
    except OSError as error:
        found = _Carried(str(path), problem=f"cannot be read ({error.strerror}): make it readable, or move it away")
    except UnicodeDecodeError:
        found = _Carried(str(path), problem=f"not UTF-8: {_AGAIN}")
    return msgspec.json.encode(found).decode()


def told(carried: str, subjects: Iterable[Subject]) -> Told:
    """The cards in what ``carry`` found. ``subjects``: the backends that there are."""
    if not carried:
        return Told()
    found = _carried.decode(carried)
    if found.problem is not None:
        return Told(warnings=(f"{found.file}: {found.problem}; no card counts",))
    try:
        entries = _file.decode(found.text).cards
    except (msgspec.MsgspecError, RecursionError) as error:
        return Told(warnings=(f"{found.file}: {_reason(error)}: {_AGAIN}; no card counts",))
    return _sorted_out(found.file, entries, {subject[0]: subject for subject in subjects})


def write(path: Path, card: Card) -> None:
    """Put ``card`` into the file, in the place of one on the same subject. The others stay as they are, byte for byte.
    Raises OSError, and ValueError where the file is no file of cards."""
    kept: list[msgspec.Raw] = []
    if path.exists():
        try:
            kept = _file.decode(path.read_bytes()).cards
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(_reason(error)) from None
    kept = [raw for raw in kept if _subject(raw) != card.subject]
    body = msgspec.json.encode(_File([*kept, msgspec.Raw(msgspec.json.encode(card))]))
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_bytes(msgspec.json.format(body) + b"\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


_AGAIN = "mend it, or move it away and run 'turnout probe' again"


def _sorted_out(file: str, entries: list[msgspec.Raw], subjects: Mapping[str, Subject]) -> Told:
    cards: dict[str, Card] = {}
    stale: dict[str, str] = {}
    warnings = []
    for index, raw in enumerate(entries):
        try:
            card = _card.decode(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            warnings.append(f"{file}: cards[{index}]: {_reason(error)}: {_AGAIN}; this card does not count")
            continue
        if subjects.get(card.backend) == card.subject:
            cards[card.backend] = card
        else:
            stale[card.backend] = _other(file, card, subjects.get(card.backend))
    return Told(cards, (*warnings, *(text for name, text in stale.items() if name not in cards)))


def _other(file: str, card: Card, now: Subject | None) -> str:
    """Why a card says nothing of what is there now."""
    if now is None:
        return f"{file}: there is no backend '{card.backend}': its card does not count"
    changed = [f"{before} (now {after})" for before, after in zip(card.subject, now, strict=True) if before != after]
    again = f"run 'turnout probe {card.backend}' again"
    return f"{file}: the card of '{card.backend}' is of {', '.join(changed)} and does not count: {again}"


def _subject(raw: msgspec.Raw) -> Subject | None:
    """Whom an entry is about, if it can be read."""
    try:
        return _card.decode(raw).subject
    except (msgspec.MsgspecError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    text = str(error) or "nested too deep"
    return (text[0].lower() + text[1:]).replace("`", "'")
