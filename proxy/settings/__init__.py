"""How proxy.yaml becomes values: its grammar, its source with lines, its environment, its checks."""

from __future__ import annotations

from proxy.settings.source import ConfigError, Problem
from proxy.settings.units import Secret

__all__ = ["ConfigError", "Problem", "Secret"]
