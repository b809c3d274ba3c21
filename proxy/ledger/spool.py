"""Where rows wait when the database cannot take them: JSON lines, handed to the operating system before return."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from proxy.ledger.record import UsageRecord

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(UsageRecord).decode


class Spool:
    """One append-only file; ``append`` and ``rotate`` may be called by different threads."""

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        """``fsync``: survive a loss of power too, not only the end of the process, at the disk's own price."""
        self.path = path
        self._fsync = fsync
        self._file: int | None = None
        """Held open from one row to the next."""
        self._lock = threading.Lock()
        """Held for one small write or one rename, so that no row is written to a file that was just taken away."""

    def append(self, records: Sequence[UsageRecord]) -> None:
        """All of them or none. Raises OSError (a full disk, a folder that is gone)."""
        lines = b"".join(_encode(record) + b"\n" for record in records)
        with self._lock:
            file, before = self._opened()
            if os.write(file, lines) != len(lines):
                os.ftruncate(file, before)
                raise OSError(errno.ENOSPC, "no space left for the ledger's spool", str(self.path))
            if self._fsync:
                os.fsync(file)

    def rotate(self) -> None:
        """Set the waiting rows aside for replay, if there are any."""
        with self._lock:
            if self.path.exists():
                taken = [int(path.suffix[1:]) for path in self.aside()]
                self.path.rename(self.path.with_name(f"{self.path.name}.{max(taken, default=0) + 1}"))
            self._let_go()

    def aside(self) -> list[Path]:
        """The files that wait for replay, oldest first."""
        return set_aside(self.path)

    def close(self) -> None:
        """Nothing is appended any more."""
        with self._lock:
            self._let_go()

    def _opened(self) -> tuple[int, int]:
        """The file and its size. One that somebody has deleted would take rows to nowhere."""
        if self._file is not None:
            state = os.fstat(self._file)
            if state.st_nlink:
                return self._file, state.st_size
            self._let_go()
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file, os.fstat(self._file).st_size

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def set_aside(spool: Path) -> list[Path]:
    """The files of one spool that wait for replay, oldest first."""
    found = [p for p in spool.parent.glob(f"{spool.name}.*") if p.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def spools(folder: Path, name: str) -> list[Path]:
    """The spools of the only worker and of each of several, also those of which only files set aside are left."""
    fitting = re.compile(rf"({re.escape(name)}(?:-\d+)?\.spool)(?:\.\d+)?")
    found = (fitting.fullmatch(path.name) for path in folder.glob(f"{name}*.spool*"))
    return sorted({folder / match[1] for match in found if match is not None})


def read(path: Path) -> Iterator[UsageRecord | bytes]:
    """The rows of a spool file. A line that is no row (torn by a crash, so never acknowledged) comes as its bytes."""
    with path.open("rb") as file:
        for line in file:
            yield _row(line)


def waiting(spool: Path) -> Iterator[UsageRecord]:
    """All that waits in a spool at this moment. The files are opened at once, so that a row that moves into its
    database later on is met here all the same."""
    # The files set aside are listed last: a spool that is rotated meanwhile is then met among them.
    held = _held([spool])
    return _waiting({**held, **_held(set_aside(spool))}.values())


def _held(paths: Iterable[Path]) -> dict[int, BinaryIO]:
    """Files by what they are, whatever they are called by now."""
    found: dict[int, BinaryIO] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            file = path.open("rb")
            found[os.fstat(file.fileno()).st_ino] = file
    return found


def _waiting(files: Iterable[BinaryIO]) -> Iterator[UsageRecord]:
    for file in files:
        with file:
            for line in file:
                row = _row(line)
                if isinstance(row, UsageRecord):
                    yield row


def _row(line: bytes) -> UsageRecord | bytes:
    try:
        return _decode(line)
    except msgspec.DecodeError:
        return line
