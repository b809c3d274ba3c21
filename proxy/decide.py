"""Station 4: which targets, in which order, and why. Pure in its effects: `turnout explain` runs this very code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from adapters import efforts, ir, states
from adapters.catalog import DIALECTS
from adapters.counting import Counter, Endpoint
from adapters.dialect import Dialect, Passable
from adapters.fitting import formats
from adapters.tokenizing import TextCounter
from policies import aliases, health
from policies import facts as observing
from policies.classify import classify
from policies.load import Shares
from policies.moment import Moment
from policies.rules import setting
from policies.rules.book import PIN
from policies.rules.grammar import Route
from policies.verdict import Decision, Denied, Target
from proxy.call import Call, Rejected
from proxy.snapshot import Backend

_FORMATS = frozenset({"response_format", "text", "output_config"})
"""The fields in which clients ask for a format."""

_json = msgspec.json.Decoder()
_RICHEST = "openai_responses"
"""Of OpenAI's two dialects the one that can say more of another vendor's: reasoning, and images in tool results."""


class Wire(Struct, frozen=True):
    """How a call would be spoken to one backend. ``exact``: its bytes pass unread."""

    wire: Passable
    upstream: ir.Upstream
    exact: bool


def decide(call: Call, moment: Moment) -> Decision:
    """The decision for this call at this moment. Raises Rejected (403, 404, 400 with the parameter, 503) or
    ir.Invalid."""
    if not aliases.allowed(call.caller.aliases, call.head.model):
        raise _out_of_reach(call)
    pin, route = route_of(call)
    call.mirror, call.reasoning_field, call.baseline = route.mirror, route.reasoning_field, route.baseline
    call.changed = call.changed or (route.mirror and call.api.name == "responses")
    book = call.snapshot.book
    request = _seen(call) if route.defaults or book.reads_content(route, call.caller) else None
    if request is not None and route.defaults:
        request = call.change(route.defaults, only_missing=True)
    if route.mirror and call.api.name == "responses":
        shown = _shown(call)
        request = shown if request is not None else None
    facts = observing.observe(
        request,
        alias=call.head.model,
        api=call.api.kind,
        stream=call.head.stream,
        caller=call.caller,
        headers=call.headers,
        now=moment.time,
        classify=lambda prompt: classify(prompt, call.snapshot.weights.model, moment.thresholds),
        outside=moment.outside,
        inherited=call.inherited,
        found=_found(call),
        conditions={
            "budget_used": moment.budget_used,
            "budget_pace": moment.budget_pace,
            "health": observing.Noted(moment.health),
            "load": observing.Noted(Shares(moment.load)),
        },
    )
    facts.reader = lambda: _seen(call)
    decision = book.decide(
        route,
        facts,
        caller=call.caller,
        refuses=lambda target: refuses(call, target),
        moment=moment,
        pin=pin,
        change=lambda wanted: _set(call, facts, wanted),
    )
    if call.overrides is not None:
        decision = call.overrides.marked(decision, route)
    call.decision = _one_model(decision) if call.api.name == "embeddings" else decision
    if decision.denied is not None:
        raise Rejected(_denial(call, decision, decision.denied))
    return call.decision


def _set(call: Call, facts: observing.Facts, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Apply what rules set, so that targets are judged by the request that they would be sent; what is another value
    now. Bodies that are passed on unread stay as they are."""
    request = _seen(call)
    if request is None:
        return {}
    told = request.effort or (None if request.thinking_budget is None else efforts.of_budget(request.thinking_budget))
    changed = setting.changes(wanted, request, told)
    facts.request = call.change(changed, only_missing=False)
    return changed


def _found(call: Call) -> Mapping[str, str]:
    """Kind -> data class of what the operator's patterns find in the client's own words, whatever of them a backend
    would be told: everything that a body says in JSON, the thread that it goes on from included."""
    sought = call.snapshot.sought
    return sought.find(map(_plain, call.top.values())) if sought is not None else {}


def _plain(raw: msgspec.Raw) -> Any:
    """A JSON value; as it is written where no reader here can hold it (``1e999``, nested too deeply, or no text)."""
    try:
        return _json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bytes(raw).decode("utf-8", "replace")


def _shown(call: Call) -> ir.Request:
    """What is mirrored is the summary, so it is asked for with every effort (D25)."""
    request = call.request()
    if request.effort in (None, "none"):
        return request
    return call.change({"reasoning_summary": "auto"}, only_missing=True)


def wire_for(call: Call, backend: Backend) -> Wire:
    """The dialect for this call at this backend: the client's own where the backend speaks it."""
    if call.api.dialect is None:
        return Wire(call.api.wire, backend.upstream, exact=True)
    if call.api.tokenizes and backend.tokenizer is not None and backend.tokenizer.server is not None:
        endpoint = backend.tokenizer.server
        return Wire(
            TextCounter(DIALECTS[endpoint.dialect], endpoint), backend.with_dialect(endpoint.dialect), exact=False
        )
    if call.api.counts is not None and backend.counter is not None:
        return _counting(call, backend, backend.counter)
    name = call.api.dialect.name
    chosen = next((spoken for spoken in (name, _RICHEST) if spoken in backend.speaks), backend.upstream.dialect)
    upstream = backend.with_dialect(chosen)
    if chosen == "openai_chat" and "openai_responses" in backend.speaks and _needs_responses(call, upstream):
        # These models refuse tools with an explicit effort on chat, and take them on /responses (trap G31).
        chosen, upstream = "openai_responses", backend.with_dialect("openai_responses")
    exact = chosen == name and upstream.wire == "exact" and not call.changed
    return Wire(DIALECTS[chosen], upstream, exact and not _emulates(call, upstream))


def _emulates(call: Call, upstream: ir.Upstream) -> bool:
    """Must the format of the answer be asked for in other words than the client's?"""
    if upstream.capabilities.json_schema or _FORMATS.isdisjoint(call.top):
        return False
    return not formats.enforced(call.request(), upstream)


def _counting(call: Call, backend: Backend, endpoint: Endpoint) -> Wire:
    upstream = backend.with_dialect(endpoint.dialect)
    exact = endpoint.dialect == call.api.wire.name and upstream.wire == "exact" and not call.changed
    return Wire(Counter(DIALECTS[endpoint.dialect], endpoint), upstream, exact)


def refuses(call: Call, target: Target) -> Sequence[ir.Named]:
    """What of this call the target cannot be told (decision D11)."""
    backend = call.snapshot.backends[target.backend]
    if call.api.dialect is None and "openai_chat" not in backend.speaks:
        return [ir.Named(call.api.name, f"{target.backend} has no {call.api.name} endpoint", "contract")]
    found = wire_for(call, backend)
    if found.exact:
        if call.api.dialect is not None:
            call.api.dialect.glance(call.top)
        return found.wire.patch(call.top, found.upstream)[1]
    dialect = cast(Dialect, found.wire)
    fitted = call.fitted(backend, found.upstream)
    request, removed = states.give_back(fitted.request, found.upstream, {}, call.unseal)
    unmet = [
        ir.Named("image_url", f"{target.backend} takes no links and Turnout fetches none: send a data: URL", "contract")
        for need in dialect.needs(request, found.upstream)
        if not call.snapshot.config.media.fetch
    ]
    return [*fitted.named, *states.named(removed), *call.refused(backend, dialect, request, found.upstream), *unmet[:1]]


def _denial(call: Call, decision: Decision, denied: Denied) -> ir.Failure:
    """A breaker closes again, so that asking later may help (D20); a backend without a credential stays away."""
    kind = "server_error" if denied.status >= 500 else "invalid_request_error"
    passing = any(call.snapshot.backends[name].unavailable is None for name, _ in decision.skipped)
    later = health.COOL_DOWN if denied.status == 503 and passing else None
    return ir.Failure("forbidden", denied.status, denied.reason, kind, denied.code, denied.param, later)


def _out_of_reach(call: Call) -> Rejected:
    """Its key may not ask for this model; no rule has looked at it, nor is told whether there is such a model."""
    caller = call.caller
    facts = observing.observe(
        None,
        alias=call.head.model,
        api=call.api.kind,
        stream=call.head.stream,
        caller=caller,
        headers=call.headers,
        inherited=call.inherited,
    )
    denied = aliases.denied(caller.aliases or (), call.head.model)
    call.decision = Decision(
        policy=aliases.KEY,
        rule=aliases.RULE,
        denied=denied,
        data_class=facts.data_class,
        trace=(f"key {caller.name}: '{call.head.model}' is none of its aliases", f"denied: {denied.reason}"),
        facts=facts.recorded(),
    )
    return Rejected(_denial(call, call.decision, denied))


def route_of(call: Call) -> tuple[str | None, Route]:
    """The backend that is pinned, if one is, and where the alias leads. Raises Rejected (404)."""
    alias = call.head.model
    snapshot = call.snapshot
    if alias.startswith(PIN):
        name = alias.removeprefix(PIN)
        if name not in snapshot.backends:
            shown = [each for each in snapshot.backends if aliases.allowed(call.caller.aliases, f"{PIN}{each}")]
            known = ", ".join(sorted(shown))
            raise _unknown_model(alias, f"there is no backend '{name}' (there are: {known})")
        return name, call.turned(Route(alias=alias, use=(name,)))
    route = snapshot.route(alias)
    if route is None:
        near = snapshot.near(alias, call.caller.aliases)
        hint = f"did you mean {' or '.join(near)}?" if near else "GET /v1/models lists what there is."
        raise _unknown_model(alias, hint)
    return None, call.turned(route)


def _unknown_model(alias: str, hint: str) -> Rejected:
    message = f"The model '{alias}' does not exist: {hint}"
    return Rejected(ir.Failure("not_found", 404, message, code="model_not_found", param="model"))


def _seen(call: Call) -> ir.Request | None:
    return call.request() if call.api.dialect is not None else None


def _needs_responses(call: Call, upstream: ir.Upstream) -> bool:
    if upstream.capabilities.chat_tools_with_effort or "tools" not in call.top:
        return False
    if not call.changed and call.api.wire.name == upstream.dialect:
        return efforts.told(call.top) not in (None, "none")
    request = call.request()
    return request.effort not in (None, "none") or (request.thinking_budget or 0) != 0


def _one_model(decision: Decision) -> Decision:
    """Vectors of two models cannot be compared: an embedding call never moves to another model."""
    if not decision.plan:
        return decision
    model = decision.plan[0].upstream.model
    plan = tuple(target for target in decision.plan if target.upstream.model == model)
    left = [(target.backend, "its vectors are another model's") for target in decision.plan if target not in plan]
    if not left:
        return decision
    trace = [*decision.trace, *(f"{name} left out: {why}" for name, why in left)]
    return msgspec.structs.replace(decision, plan=plan, skipped=(*decision.skipped, *left), trace=tuple(trace))
