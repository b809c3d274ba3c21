"""What every answer says of itself: the headers, and errors in the client's own dialect."""

from __future__ import annotations

from adapters import ir
from policies.health import BREAKER
from proxy.attempt import Attempt
from proxy.backends import sendable
from proxy.call import Call
from proxy.limits import telling
from proxy.line import Headers, Line
from proxy.state.answers import Kept

JSON = (b"content-type", b"application/json")


def headers(call: Call) -> Headers:
    """What is known of the call when its head leaves (decision D18)."""
    found: Headers = [
        (b"x-request-id", call.id.encode()),
        (b"x-turnout-generation", str(call.snapshot.generation).encode()),
    ]
    if call.api.wire.id_header != "x-request-id":
        found.append((call.api.wire.id_header.encode(), call.id.encode()))
    if call.drawn is not None:
        found += telling.headers(call, call.drawn)
    if call.unstored:
        found.append(_some("stored", "0"))
    decision = call.decision
    if decision is None:
        return found
    found += _some("policy", decision.policy), *_maybe("rule", decision.rule), *_maybe("class", decision.cls)
    if decision.overrides:
        found.append(_some("override", ", ".join(decision.overrides)))
    if call.cache is None:
        return found + _asked(call)
    found += _maybe("cache", call.cache.told)
    return found + (_asked(call) if call.cache.kept is None else _again(call.cache.kept))


def _asked(call: Call) -> Headers:
    """Who was asked, and what of it."""
    found: Headers = []
    attempt = call.attempt
    if attempt is not None and attempt.collected and call.head.stream:
        found.append(_some("buffered", "1"))
    if attempt is None or (attempt.escalation is not None and attempt.first_event is None and call.committed):
        return found  # who answers is not decided before the answer is judged
    found += [
        _some("backend", attempt.target.backend),
        _some("model", attempt.upstream.model),
        _some("attempts", str(len(call.attempts))),
    ]
    if moves := _moves(call):
        found.append(_some("reason", moves))
    if attempt.effort is not None:
        found.append(_some("effort", attempt.effort))
    if attempt.dropped:
        found.append(_some("dropped", attempt.dropped_names))
    if call.condensed is not None:
        found.append(_some("condensed", call.condensed))
    if attempt.estimated:
        found.append(_some("estimated", "1"))
    if attempt.upstream_id:
        found.append((b"x-upstream-request-id", _safe(attempt.upstream_id)))
    return found


def _again(kept: Kept) -> Headers:
    """Of an answer that is given again: who gave it, and that nobody was asked now."""
    told = [_some("backend", kept.target.backend), _some("model", kept.target.upstream.model), _some("attempts", "0")]
    told += _maybe("effort", kept.effort)
    return [*told, *_maybe("dropped", kept.dropped), *_maybe("condensed", kept.condensed)]


def whole_headers(call: Call, now: float) -> Headers:
    """The same, with what only a whole answer can tell: its cost and what we added to its time."""
    found = [*headers(call), JSON]
    cost = _cost(call)
    if cost is not None:
        found.append(_some("cost-usd", f"{cost / 1e9:.9f}".rstrip("0").rstrip(".") or "0"))
    attempt = call.attempt
    if attempt is not None and attempt.reasoning_source is not None:
        found.append(_some("reasoning", f"{attempt.reasoning_tokens}; source={attempt.reasoning_source}"))
    overhead = max(now - call.started - call.upstream_seconds, 0.0)
    found.append(_some("overhead-ms", f"{overhead * 1000:.3f}"))
    return found


def _cost(call: Call) -> int | None:
    """Nano-dollars of every attempt that was answered or is known to have cost something, also of one whose answer was
    not good enough, and of the calls that helped; None where one of them is unknown."""
    if call.cached_from is not None:
        return 0
    legs = [*call.attempts, *(attempt for helper in call.helpers for attempt in helper.attempts)]
    costs = [attempt.cost for attempt in legs if attempt.usage is not None or attempt.cost is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def crashed(request_id: str) -> ir.Failure:
    """What the client is told of a defect of ours."""
    message = f"Turnout failed to serve this request (id {request_id}). Its operator finds the cause in the log."
    return ir.Failure("internal", 500, message, "server_error", "internal_error")


async def refuse(call: Call, failure: ir.Failure, line: Line) -> None:
    """The error, in the client's dialect: as a status before the first byte, inside the stream after it."""
    if line.closed:
        return
    if line.opened:
        await line.write(_told(call, failure))
        await line.close()
        return
    found = [*headers(call), JSON]
    if failure.retry_after is not None:
        found.append((b"retry-after", str(max(int(failure.retry_after + 0.999), 1)).encode()))
        found.append((b"retry-after-ms", str(int(failure.retry_after * 1000)).encode()))
    if _exhausted(call, failure):
        found.append((b"x-should-retry", b"false"))
    if failure.status == 405:
        found.append((b"allow", b"POST"))
    if failure.status in (401, 413, 415, 426):
        found.append((b"connection", b"close"))
    await line.answer(failure.status, found, call.api.wire.write_error(failure, call.id))


def _exhausted(call: Call, failure: ir.Failure) -> bool:
    """Is an SDK not to ask again by itself (``x-should-retry: false``)? Where a backend was asked and failed, our tries
    or its retry budget are spent, or no retry can help: two more of the client's would triple the load on a backend in
    trouble. A budget that is spent stays so.

    Asking again makes sense, and ``retry-after`` says when, where no backend was asked (all places taken, breakers
    open, a short limit of ours) and where one has named a time that is too far for us. After a stop of this Turnout
    another one may answer at once.
    """
    if call.later or failure.code == "shutting_down":
        return False
    asked = any(attempt.sent is not None for attempt in call.attempts)
    return asked or (failure.kind == "quota" and failure.retry_after is None)


def _told(call: Call, failure: ir.Failure) -> list[bytes]:
    """The events that end a stream in this failure: by what has told it so far, if anything has."""
    attempt = call.attempt
    relay = attempt.relay if attempt else None
    if relay is not None and not relay.done:
        relay.fail(failure)
        return relay.tail
    echo = call.echo(attempt) if attempt else ir.Echo(call.seed, call.started_at // 1000, call.head.model)
    if call.api.dialect is None:
        return call.api.wire.cut(failure, None, None, echo)
    return call.api.dialect.writer(echo).write(ir.Failed(failure))


def _moves(call: Call) -> str:
    """Why the call moved on: ``local: unreachable``, ``local: poor_answer refusal``; or did not go there to begin with:
    ``local: breaker``."""
    tried = call.attempts if call.given is not None else call.attempts[:-1]
    skipped = call.decision.skipped if call.decision is not None else ()
    told = [f"{name}: {BREAKER}" for name, why in skipped if why.startswith(BREAKER)]
    told += [f"{a.target.backend}: {why}" for a in tried if (why := _why(a)) is not None]
    return "; ".join(told)


def _why(attempt: Attempt) -> str | None:
    if attempt.sign is not None:
        return f"poor_answer {attempt.sign}"
    return attempt.failure.kind if attempt.failure is not None else None


def _some(name: str, value: str) -> tuple[bytes, bytes]:
    return b"x-turnout-" + name.encode(), _safe(value)


def _maybe(name: str, value: str | None) -> Headers:
    return [_some(name, value)] if value else []


def _safe(value: str) -> bytes:
    """A header holds printable ASCII and no line break, whatever an operator named a rule."""
    if not sendable(value):
        value = "".join(c if " " <= c <= "~" else "?" for c in value)
    return value.encode()
