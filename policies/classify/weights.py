"""The classifier's numbers, as data. A score above 0 says that a local answer is likelier worse than not."""

from __future__ import annotations

VERSION = "hand-1"
"""Changes with every change of a weight, a threshold or a word list; it stands in the ledger beside the score."""

BIAS = -2.2
SIMPLE_BELOW = -1.0
COMPLEX_FROM = 0.3

WEIGHTS: dict[str, float] = {
    "length": 0.35,
    "lines": 0.12,
    "code": 0.9,
    "symbols": 2.0,
    "numbers": 0.12,
    "options": 0.25,
    "questions": 0.25,
    "limits": 0.3,
    "technical": 0.35,
    "explains": 0.8,
    "reasons": 2.6,
    "makes": 3.0,
    "system": 0.08,
    "context": 0.1,
    "depth": 0.06,
    "output": 0.12,
    "structured": 0.3,
    "media": 0.8,
}
"""Feature -> weight; each contribution is weight x value, and they and the bias add up to the score."""
