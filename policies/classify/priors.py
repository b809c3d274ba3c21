"""The weights that are set by hand, in logits: for what the training data, single questions all, cannot show."""

from __future__ import annotations

PRIORS: dict[str, float] = {
    "explains": 0.4,
    "reasons": 0.8,
    "makes": 0.8,
    "limits": 0.15,
    "technical": 0.15,
    "code": 0.4,
    "points": 0.15,
    "system": 0.04,
    "context": 0.1,
    "depth": 0.06,
    "output": 0.12,
    "structured": 0.3,
    "media": 0.8,
}
"""Feature -> weight. Training leaves them as they are and fits the rest beside them."""
