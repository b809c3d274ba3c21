"""Where the reference folder is (decision D26)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ABSENT = "no reference folder here (TURNOUT_SHARED, ../shared): this test reads recorded traffic"


def shared_folder() -> Path | None:
    """TURNOUT_SHARED, else ``../shared`` beside the checkout; None on a user's machine. CI must have it."""
    folder = Path(os.environ.get("TURNOUT_SHARED") or ROOT.parent / "shared")
    if folder.is_dir():
        return folder
    if os.environ.get("CI") == "true":
        raise FileNotFoundError("the reference folder is required in CI: set TURNOUT_SHARED")
    return None
