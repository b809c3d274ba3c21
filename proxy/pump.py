"""Stations 8 and 9: open the upstream, wait for its first meaningful event, drive bytes through the relay."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate

import msgspec

from adapters import failures, ir, states
from adapters.fitting import Chain, Undo
from adapters.relay import StreamRelay, Whole, heard
from adapters.stream_options import asks_usage
from adapters.usage import checked
from proxy import escalating, judging
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.line import Line
from proxy.tokens.reckoning import texts_for
from proxy.upstream.seam import Answer, Engine, Outgoing, UpstreamFailed

MAX_ANSWER = 64 * 1024 * 1024
"""A whole answer larger than this is a fault of the upstream; our own limit, in bytes."""

MAX_ERROR = 1024 * 1024
"""The same of the body of an error: what is larger says nothing that a client could read."""
_ERROR_SECONDS = 5.0
"""For that body to come: its status has said already what is to be done."""

MAX_ID = 256
"""Characters of an upstream's name for a request, an answer or a model that are kept; our own limit."""
MAX_WORD = 40
"""Characters of an unknown finish word that are kept; our own limit."""
_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")

_DRAIN_SECONDS = 1.0
"""After the end of a stream: how long its connection may take to become reusable."""


@dataclass(slots=True)
class Opened:
    """An upstream that has begun to answer: a stream with its first events, or a whole answer."""

    answer: Answer
    whole: Whole | None = None
    relay: StreamRelay | None = None
    chunks: AsyncIterator[bytes] | None = None
    ready: list[bytes] | None = None


async def send(call: Call, attempt: Attempt, outgoing: Outgoing, engine: Engine) -> Opened:
    """Station 8. Raises UpstreamFailed while nothing has been promised to the client."""
    attempt.streamed = attempt.streams(call.head)
    timer, limit = _patience(attempt)
    attempt.sent = time.monotonic()
    try:
        async with asyncio.timeout(_finite(limit)):
            answer = await engine.send(outgoing)
            attempt.upstream_status = answer.status
            if attempt.asked is not None:
                attempt.asked.hear(answer.headers)
            told = answer.headers.get("x-request-id") or answer.headers.get("request-id")
            attempt.upstream_id = _name(attempt, told)
            try:
                opened = await _first(call, attempt, answer)
            except BaseException:
                await answer.close()
                raise
            attempt.first_event = time.monotonic()
            return opened
    except TimeoutError:
        raise UpstreamFailed(_late(call, attempt, timer, limit)) from None
    except UpstreamFailed as error:
        # It may quote what it was sent: our credentials are neither for the client nor for the ledger.
        raise UpstreamFailed(attempt.backend.answered(error.failure)) from error
    finally:
        if not attempt.streams(call.head):
            call.upstream_seconds += time.monotonic() - attempt.sent


async def relay_stream(attempt: Attempt, opened: Opened, line: Line, *, end: Callable[[], Awaitable[None]]) -> None:
    """Station 9 for a stream whose head is out. ``end`` is called once, before the held end is released (D3)."""
    machine = opened.relay
    assert machine is not None  # noqa: S101 - only streams come here
    attempt.relay = machine
    try:
        await line.write(opened.ready or [])
        if opened.chunks is not None and not machine.done:
            await _drive(attempt, opened.chunks, machine, line)
    except UpstreamFailed as error:
        machine.cut(error.failure)
        await opened.answer.close()
    finally:
        overhear(attempt, machine)
    await end()
    await line.write(machine.tail)
    await line.close()
    await _finish(opened)


async def _drive(attempt: Attempt, chunks: AsyncIterator[bytes], machine: StreamRelay, line: Line) -> None:
    """What comes is told as it comes, within ``timeouts.idle`` and ``timeouts.cap``. Raises UpstreamFailed."""
    clock, limits = asyncio.get_running_loop().time, attempt.backend.timeouts
    cap = clock() - (time.monotonic() - (attempt.sent or attempt.started)) + limits.cap
    timer = asyncio.timeout_at(_finite(min(clock() + limits.idle, cap)))
    try:
        async with timer:
            async for chunk in chunks:
                # A slow client is not a silent backend: that timer rests while we write.
                timer.reschedule(_finite(cap))
                await line.write(machine.feed(chunk))
                if machine.done:
                    break
                timer.reschedule(_finite(min(clock() + limits.idle, cap)))
        if not machine.done:
            await line.write(machine.close())
    except TimeoutError:
        if not timer.expired():
            raise
        if timer.when() == cap:
            raise UpstreamFailed(failures.overdue("come to an end", "cap", limits.cap)) from None
        raise UpstreamFailed(failures.overdue("send anything more", "idle", limits.idle)) from None


def overhear(attempt: Attempt, machine: StreamRelay | Whole) -> None:
    """What the relay learned on the way, for the ledger: also when the client left in the middle."""
    attempt.usage = None if machine.usage is None else checked(machine.usage)
    attempt.model = _name(attempt, machine.model) or attempt.model
    attempt.response_id = _name(attempt, machine.id)
    attempt.call = machine.call
    attempt.failure = machine.failure
    attempt.reasoning_chars = machine.reasoning_chars
    attempt.answer_chars = machine.answer_chars
    finishes = machine.finishes if isinstance(machine, StreamRelay) else machine.reply.finishes
    attempt.finish = next(map(_ended, finishes.values()), None)


def _name(attempt: Attempt, told: str | None) -> str | None:
    """As it is written down: bounded, and nothing of ours that the upstream may quote."""
    return attempt.backend.masked(told[:MAX_ID]) if told else None


def _ended(finished: ir.Finished) -> str:
    """For the ledger and the log: the reason, with the vendor's own word where nobody here knows it."""
    if finished.known or finished.detail is None:
        return finished.reason
    return f"{finished.reason} ({_STRANGE.sub('?', finished.detail[:MAX_WORD])})"


async def _first(call: Call, attempt: Attempt, answer: Answer) -> Opened:
    if answer.status != 200:
        raise UpstreamFailed(await _refusal(attempt, answer))
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html"):
        raise UpstreamFailed(failures.bad_response("an HTML page instead of an answer"))
    if not attempt.streams(call.head):
        return await _whole(call, attempt, answer)
    machine = StreamRelay(
        attempt.wire,
        call.api.wire,
        call.echo(attempt),
        exact=attempt.exact,
        hide_usage=_usage_is_ours(call),
        mask=attempt.backend.masked,
        choices=_choices(call),
        undo=_undo(call, attempt),
        hear=attempt.hear,
        texts=texts_for(attempt),
    )
    if kind.startswith("application/json"):
        return await _told_whole(call, attempt, answer)
    chunks = answer.chunks()
    ready: list[bytes] = []
    try:
        async for chunk in chunks:
            ready += machine.feed(chunk)
            if machine.meaningful:
                break
        else:
            ready += machine.close()
    finally:
        overhear(attempt, machine)
    if machine.failure is not None:
        raise UpstreamFailed(machine.failure)
    return Opened(answer, relay=machine, chunks=chunks, ready=ready)


def _late(call: Call, attempt: Attempt, timer: str, limit: float) -> ir.Failure:
    """The timer has struck before anything could be told. A status that came in time has said already why."""
    if attempt.upstream_status not in (None, 200):
        return attempt.wire.read_error(attempt.upstream_status, {}, b"")
    what = "send its first event" if attempt.streams(call.head) else "answer"
    return failures.overdue(what, timer, limit)


async def _refusal(attempt: Attempt, answer: Answer) -> ir.Failure:
    """Why the upstream answered with an error. A ``retry-after`` that is a date is read against the upstream's clock,
    and against ours where it tells none. A body that does not come, or is too large, leaves the status as it is."""
    headers = {"date": formatdate(time.time(), usegmt=True), **answer.headers}
    body = bytearray()
    try:
        async with asyncio.timeout(_ERROR_SECONDS):
            async for chunk in answer.chunks():
                body += chunk
                if len(body) > MAX_ERROR:
                    break
    except (TimeoutError, UpstreamFailed):
        pass
    return attempt.wire.read_error(answer.status, headers, bytes(body))


async def _whole(call: Call, attempt: Attempt, answer: Answer) -> Opened:
    limit = call.snapshot.config.server.collect_max if attempt.collected else MAX_ANSWER
    whole = Whole(
        attempt.wire,
        call.api.wire,
        call.echo(attempt),
        await _read(answer, limit),
        exact=attempt.exact,
        undo=_undo(call, attempt),
        texts=texts_for(attempt),
    )
    await answer.close()
    overhear(attempt, whole)
    if whole.failure is not None:
        raise UpstreamFailed(whole.failure)
    if attempt.judge is not None:
        await judging.judge(attempt, whole.reply)
    replayed = attempt.collected and call.head.stream
    opened = _replayed(call, attempt, answer, whole.events) if replayed else Opened(answer, whole=whole)
    escalating.judge(call, attempt, whole.reply, opened)
    return opened


async def _told_whole(call: Call, attempt: Attempt, answer: Answer) -> Opened:
    """A stream was asked for and a whole answer came (some servers do): it is told as a stream all the same, but where
    nobody reads what passes."""
    if call.api.dialect is None:
        raise UpstreamFailed(failures.bad_response("a whole answer where a stream was asked for"))
    call.request()
    attempt.exact = False
    events = heard(attempt.wire, await _read(answer))
    return _replayed(call, attempt, answer, events, _undo(call, attempt))


def _replayed(
    call: Call, attempt: Attempt, answer: Answer, events: Sequence[ir.Event], undo: Undo | None = None
) -> Opened:
    echo = call.echo(attempt)
    mask = attempt.backend.masked
    machine = StreamRelay(
        attempt.wire,
        call.api.wire,
        echo,
        exact=False,
        mask=mask,
        undo=undo,
        hear=attempt.hear,
        texts=texts_for(attempt),
    )
    ready = machine.replay(events)
    overhear(attempt, machine)
    if machine.failure is not None:
        raise UpstreamFailed(machine.failure)
    return Opened(answer, relay=machine, ready=ready)


def _undo(call: Call, attempt: Attempt) -> Undo | None:
    """What the answer passes through: its state is overheard, then what was changed for this upstream changed back,
    then the state sealed for its way through the client. Bytes that pass unread carry their own state."""
    if attempt.exact:
        return None
    upstream = attempt.upstream
    attempt.keeper = states.keeper(upstream)
    back = attempt.fitted.undoing() if attempt.fitted is not None else None
    spoken, seal = call.api.wire.name, call.seal
    carrier = states.carrier(spoken, upstream, seal, call.data_class) if seal is not None else None
    dated = _dated if call.api.kind == "responses" else None
    steps = tuple(step for step in (attempt.keeper, attempt.confidence, back, carrier, dated) if step is not None)
    return Chain(steps) if steps else None


def _dated(event: ir.Event) -> Sequence[ir.Event]:
    """The end with its time, which the Responses API tells."""
    return (msgspec.structs.replace(event, at=int(time.time())) if isinstance(event, ir.Ended) else event,)


async def _read(answer: Answer, limit: int = MAX_ANSWER) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in answer.chunks():
        size += len(chunk)
        if size > limit:
            raise UpstreamFailed(failures.bad_response(f"an answer that is too large (more than {limit} bytes)"))
        parts.append(chunk)
    return b"".join(parts)


def _patience(attempt: Attempt) -> tuple[str, float]:
    """The timer for the first event, or for the whole answer, and its seconds; a model that has to be loaded first has
    its own."""
    timeouts = attempt.backend.timeouts
    if not attempt.streamed:
        loads = attempt.cold and timeouts.load > timeouts.total
        return ("load", timeouts.load) if loads else ("total", timeouts.total)
    loads = attempt.cold and timeouts.load != timeouts.first_byte
    first = ("load", timeouts.load) if loads else ("first_byte", timeouts.first_byte)
    return min(first, ("cap", timeouts.cap), key=lambda timer: timer[1])


def _finite(seconds: float) -> float | None:
    """Event loops know no infinite time; None is theirs for never."""
    return seconds if seconds < math.inf else None


def _choices(call: Call) -> int | None:
    """``n`` of a request that may be unread; a value of another type is the upstream's to refuse."""
    told = msgspec.json.decode(call.top["n"]) if "n" in call.top else None
    return told if isinstance(told, int) else None


async def _finish(opened: Opened) -> None:
    """Read what is left of the body, so that its connection can serve again."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            if opened.chunks is not None and opened.relay is not None and opened.relay.failure is None:
                async for _ in opened.chunks:
                    pass
    except (TimeoutError, UpstreamFailed):
        pass
    finally:
        await opened.answer.close()


def _usage_is_ours(call: Call) -> bool:
    """Chat: we always ask upstream for usage; a client that did not ask never sees the chunk."""
    if call.api.name not in ("chat", "completions"):
        return False
    return not asks_usage(call.top)
