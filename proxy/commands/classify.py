"""``turnout classify``: the class of each prompt of a stream, with its reasons."""

from __future__ import annotations

import sys
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import typer

from proxy.commands.line import Config

if TYPE_CHECKING:
    from policies.classify import Model
    from proxy.corpus import Sample
    from proxy.weighing import Steering


def classify(config: Config = None) -> None:
    """Read requests from stdin, one JSON object a line, and write the class of each, one JSON object a line.

    A line is a chat, Responses or Messages request (its "model" may be missing), or {"prompt": "…"}; an "id" is
    repeated. The answer has id, class, score, p_local_worse, reasons, gate and latency_us. Nothing is sent. Where
    classifier.local_share is set, the thresholds follow the prompts as they do in service. A line that cannot be read
    has an "error", and the exit status is then 1.

    \b
    Examples:
    echo '{"id": 1, "prompt": "Create a FastAPI server"}' | turnout classify
    turnout classify --config proxy.yaml < requests.jsonl
    """
    import msgspec

    from policies.classify import PromptView
    from policies.classify import classify as classified
    from proxy.commands.sources import written
    from proxy.corpus import BadLine, samples
    from proxy.weighing import Steering

    snapshot = written(config)
    steering = Steering()
    steering.adopt(snapshot.weights)
    classified(PromptView(text=""), snapshot.weights.model)  # reads its tables, which is no latency of a prompt
    bad = False
    for each in samples(sys.stdin.buffer):
        if isinstance(each, BadLine):
            bad = True
            told: dict[str, Any] = {"id": each.id, "line": each.line, "error": each.why}
        else:
            told = _told(each, snapshot.weights.model, steering)
        typer.echo(msgspec.json.encode(told).decode())
    raise typer.Exit(1 if bad else 0)


def _told(sample: Sample, model: Model, steering: Steering) -> dict[str, Any]:
    from policies.classify import classify as classified

    began = perf_counter_ns()
    verdict = classified(sample.view, model, steering.thresholds)
    took = (perf_counter_ns() - began) / 1000
    steering.saw(verdict)
    return {
        "id": sample.id,
        "class": verdict.cls,
        "score": verdict.score,
        "p_local_worse": verdict.p_local_worse,
        "reasons": [
            {"feature": each.feature, "value": each.value, "contribution": each.contribution}
            for each in verdict.reasons
        ],
        "gate": verdict.gate,
        "lexical": verdict.lexical,
        "weights": verdict.weights,
        "latency_us": round(took, 1),
    }
