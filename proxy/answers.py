"""What every answer says of itself: the headers, and errors in the client's own dialect."""

from __future__ import annotations

from adapters import ir
from proxy.backends import sendable
from proxy.call import Call
from proxy.line import Headers, Line

JSON = (b"content-type", b"application/json")


def headers(call: Call) -> Headers:
    """What is known of the call when its head leaves (decision D18)."""
    found: Headers = [
        (b"x-request-id", call.id.encode()),
        (b"x-turnout-generation", str(call.snapshot.generation).encode()),
    ]
    if call.api.wire.id_header != "x-request-id":
        found.append((call.api.wire.id_header.encode(), call.id.encode()))
    decision = call.decision
    if decision is None:
        return found
    found += _some("policy", decision.policy), *_maybe("rule", decision.rule), *_maybe("class", decision.cls)
    attempt = call.attempt
    if attempt is None:
        return found
    found += [
        _some("backend", attempt.target.backend),
        _some("model", attempt.upstream.model),
        _some("attempts", str(len(call.attempts))),
    ]
    if len(call.attempts) > 1:
        found.append(_some("reason", _moves(call)))
    if attempt.effort is not None:
        found.append(_some("effort", attempt.effort))
    if attempt.dropped:
        found.append(_some("dropped", attempt.dropped_names))
    if attempt.emulation is not None and call.head.stream:
        found.append(_some("buffered", "1"))
    if attempt.estimated:
        found.append(_some("estimated", "1"))
    if attempt.upstream_id:
        found.append((b"x-upstream-request-id", _safe(attempt.upstream_id)))
    return found


def whole_headers(call: Call, now: float) -> Headers:
    """The same, with what only a whole answer can tell: its cost and what we added to its time."""
    found = [*headers(call), JSON]
    cost = _cost(call)
    if cost is not None:
        found.append(_some("cost-usd", f"{cost / 1e9:.9f}".rstrip("0").rstrip(".") or "0"))
    overhead = max(now - call.started - call.upstream_seconds, 0.0)
    found.append(_some("overhead-ms", f"{overhead * 1000:.3f}"))
    return found


def _cost(call: Call) -> int | None:
    """Nano-dollars of every attempt that was answered, also of one whose answer was not good enough; None where one of
    them is unknown."""
    costs = [attempt.cost for attempt in call.attempts if attempt.usage is not None]
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
    if call.attempts:
        # Our own tries are spent: an SDK that tries again would triple the load on a backend in trouble.
        found.append((b"x-should-retry", b"false"))
    if failure.status == 405:
        found.append((b"allow", b"POST"))
    if failure.status in (401, 413, 415, 426):
        found.append((b"connection", b"close"))
    await line.answer(failure.status, found, call.api.wire.write_error(failure, call.id))


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
    """Why the call moved on: ``local: unreachable``."""
    return "; ".join(f"{a.target.backend}: {a.failure.kind}" for a in call.attempts[:-1] if a.failure is not None)


def _some(name: str, value: str) -> tuple[bytes, bytes]:
    return b"x-turnout-" + name.encode(), _safe(value)


def _maybe(name: str, value: str | None) -> Headers:
    return [_some(name, value)] if value else []


def _safe(value: str) -> bytes:
    """A header holds printable ASCII and no line break, whatever an operator named a rule."""
    if not sendable(value):
        value = "".join(c if " " <= c <= "~" else "?" for c in value)
    return value.encode()
