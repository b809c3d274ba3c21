"""A clock on the wall that a test sets forth and back under a running Turnout; its monotonic clocks run on."""

from __future__ import annotations

from pathlib import Path

from live import ROOT

_PATCH = """
import time

_file, _time, _ns = {file!r}, time.time, time.time_ns


def _off():
    with open(_file) as told:
        return int(told.read())


time.time = lambda: _time() + _off()
time.time_ns = lambda: _ns() + _off() * 1_000_000_000
"""


class Wall:
    """``env`` makes every Python process that starts with it read this clock."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self.set(0)
        patch = folder / "clock"
        patch.mkdir()
        (patch / "sitecustomize.py").write_text(_PATCH.format(file=str(self._file)))
        self.env = {"PYTHONPATH": f"{patch}:{ROOT}"}

    def set(self, seconds: int) -> None:
        """So much ahead of the true time from now on; below 0: behind it."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)
