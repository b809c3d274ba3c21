"""The configurations that were in force here, and those that were refused: a folder of small files beside the ledger.

``N.json`` tells of one reload, ``N.yaml`` (mode 0600) is the file's text as it was written, ``${VAR}`` unresolved. The
numbers go on over restarts. What cannot be written is not kept: no reload fails for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from proxy.ledger.address import is_postgres

FOLDER = "config-history"
KEPT = 50
"""Texts that are kept, the newest."""
LINES = 200
"""Lines without a text of their own that are kept: refused files, and starts with a text that is kept already."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One start, reload or rollback. ``number`` is unique in this folder and rises."""

    number: int
    at: str
    """ISO 8601, UTC."""
    why: str
    """``start`` | ``file`` | ``signal`` | ``admin`` | ``rollback``."""
    who: str | None = None
    ok: bool = True
    generation: int | None = None
    """Of the run that it belongs to; of a refused one, what went on."""
    hash: str | None = None
    text_of: int | None = None
    """The entry that has its text; None: no text is kept."""
    error: str | None = None

    @staticmethod
    def of(outcome: Mapping[str, Any]) -> Entry:
        """The entry of a reload's outcome, without a number."""
        return Entry(
            number=0,
            at=outcome["at"],
            why=outcome["why"],
            who=outcome.get("who"),
            ok=outcome["ok"],
            generation=outcome.get("generation"),
            hash=outcome.get("hash"),
            error=outcome.get("error"),
        )


class History:
    """Every method may raise OSError. Whoever reads while another writes sees one entry less."""

    def __init__(self, folder: Path) -> None:
        """``folder``: that of the ledger; nothing is made before something is kept."""
        self.folder = folder / FOLDER
        self._known: list[Entry] | None = None
        """What is there as far as the writer knows, so that a reload need not read all of it."""

    @staticmethod
    def beside(ledger: str) -> History:
        """Where it lies for this ``ledger.url``: as ``address.folder_of``, without SQLite's library."""
        return History(Path() if is_postgres(ledger) else Path(ledger.removeprefix("sqlite:///")).parent)

    def entries(self) -> list[Entry]:
        """Oldest first; a file that is none of ours is passed over."""
        found = [_entry(self.folder / f"{number}.json") for number in self._numbers()]
        return [each for each in found if each is not None]

    def find(self, number: int) -> Entry | None:
        return _entry(self.folder / f"{number}.json")

    def text(self, entry: Entry) -> str | None:
        """The file as it was written then; None where it is not kept (any more)."""
        if entry.text_of is None:
            return None
        try:
            return (self.folder / f"{entry.text_of}.yaml").read_text("utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def add(self, entry: Entry, text: str | None) -> Entry:
        """Keep it under the next number, and forget what is too old. ``text``: of one that is in force now."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        known = self.entries() if self._known is None else self._known
        number = max((each.number for each in known), default=0) + 1
        same = self._same(known, text)
        if text is not None and same is None:
            while not _put(self.folder / f"{number}.yaml", text.encode()):
                number += 1
            same = number
        kept = msgspec.structs.replace(entry, number=number, text_of=same)
        while not _put(self.folder / f"{kept.number}.json", msgspec.json.encode(kept)):
            kept = msgspec.structs.replace(kept, number=kept.number + 1)
        self._known = self._forget([*known, kept])
        return kept

    def _same(self, known: Iterable[Entry], text: str | None) -> int | None:
        """The newest text that is kept, if it is this one."""
        last = max((each.text_of for each in known if each.text_of is not None), default=None)
        if text is None or last is None:
            return None
        path = self.folder / f"{last}.yaml"
        return last if path.exists() and path.read_bytes() == text.encode() else None

    def _forget(self, known: list[Entry]) -> list[Entry]:
        """Those that stay."""
        texts = sorted({each.text_of for each in known if each.text_of is not None}, reverse=True)
        old = set(texts[KEPT:])
        own = [each.number for each in known if each.text_of != each.number]
        gone = set(own[: max(len(own) - LINES, 0)]) | {each.number for each in known if each.text_of in old}
        for number in gone:
            (self.folder / f"{number}.json").unlink(missing_ok=True)
        for number in old:
            (self.folder / f"{number}.yaml").unlink(missing_ok=True)
        return [each for each in known if each.number not in gone]

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(stem) for name in names if (stem := name.removesuffix(".json")) != name and stem.isdecimal())


def _entry(path: Path) -> Entry | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _put(path: Path, content: bytes) -> bool:
    """False where another Turnout has taken the name. Whoever reads it half written passes it over."""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return False
    path.write_bytes(content)
    return True
