"""One probe from its first question to the card."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from policies.cards import Card
from proxy.backends import Backend
from proxy.probing import answers, context, pace, tools
from proxy.probing.asking import Asker
from proxy.upstream.seam import Engine

Say = Callable[[str], None]
"""Hears what is asked next."""


class Plan(Struct, frozen=True, kw_only=True):
    """How often each question is asked. ``full``: the needle goes as far as the server says that it reads."""

    tools: int = 5
    forced: int = 3
    several: int = 2
    answers: int = 3
    thorough: bool = True
    """Needle, efforts and the long prompt's speed, too."""
    full: bool = False


QUICK = Plan(tools=2, forced=1, several=1, answers=2, thorough=False)


async def probe(backend: Backend, engine: Engine, plan: Plan, *, at: str, say: Say) -> Card:
    """Measure it. ``at``: now, ISO 8601. Raises UpstreamFailed where it does not even answer a greeting."""
    asker = Asker(backend, engine)
    say("a greeting")
    await asker.ask("Say hello.")
    say("tools")
    chosen = await tools.chosen(asker, plan.tools)
    required, named = await tools.required(asker, plan.forced), await tools.named(asker, plan.forced)
    parallel, alone = await tools.parallel(asker, plan.several)
    results = await tools.results(asker, plan.several)
    say("JSON Schema")
    valid, enforced = await answers.schema(asker, plan.answers)
    say("pictures, ends of answers")
    vision = await answers.vision(asker, plan.answers)
    stop, length = await answers.stops(asker), await answers.limits(asker)
    say("context")
    found = await context.measure(asker, needle=plan.thorough, full=plan.full)
    say("efforts and speed")
    efforts = await pace.efforts(asker) if plan.thorough else {}
    speed = await pace.speeds(asker, long=plan.thorough)
    return Card(
        backend=backend.name,
        provider=backend.provider,
        model=backend.upstream.model,
        base_url=backend.base_url,
        probed_at=at,
        requests=asker.requests,
        tokens=asker.tokens,
        tools=chosen,
        required=required,
        named=named,
        parallel=parallel,
        one_at_a_time=alone,
        tool_results=results,
        json_valid=valid,
        json_enforced=enforced,
        vision=vision,
        stop=stop,
        length=length,
        context=found,
        efforts=efforts,
        speed=speed,
    )
