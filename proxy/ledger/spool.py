"""Where rows wait when the database cannot take them: JSON lines, handed to the operating system before return."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

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
        self._lock = threading.Lock()
        """Held for one small write or one rename, so that no row is written to a file that was just taken away."""

    def append(self, records: Sequence[UsageRecord]) -> None:
        """All of them or none. Raises OSError (a full disk, a folder that is gone)."""
        lines = b"".join(_encode(record) + b"\n" for record in records)
        with self._lock:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._append(file, lines)
            finally:
                os.close(file)

    def _append(self, file: int, lines: bytes) -> None:
        before = os.fstat(file).st_size
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

    def aside(self) -> list[Path]:
        """The files that wait for replay, oldest first."""
        return set_aside(self.path)


def set_aside(spool: Path) -> list[Path]:
    """The files of one spool that wait for replay, oldest first."""
    found = [p for p in spool.parent.glob(f"{spool.name}.*") if p.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def read(path: Path) -> Iterator[UsageRecord | bytes]:
    """The rows of a spool file. A line that is no row (torn by a crash, so never acknowledged) comes as its bytes."""
    for line in path.read_bytes().splitlines():
        try:
            yield _decode(line)
        except msgspec.DecodeError:
            yield line
