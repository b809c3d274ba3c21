"""Where the reference folder is (decision D26)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path | None:
    """The reference folder: TURNOUT_SHARED, else ``../shared`` beside the checkout (decision D26)."""
    folder = Path(os.environ.get("TURNOUT_SHARED") or ROOT.parent / "shared")
    return folder if folder.is_dir() else None
