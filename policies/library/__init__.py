"""The named policies: plain YAML in the operators' own rule language, shipped with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources


def load() -> Mapping[str, str]:
    """Policy name -> its YAML text, from the packaged files. Read once, at start; parsing is the caller's business."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml"))
    return {file.name.removesuffix(".yaml"): file.read_text("utf-8") for file in sorted(files, key=lambda f: f.name)}
