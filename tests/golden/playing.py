"""Plays any recording to a client without a socket: station 9 of the road as a pure machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cassettes import Interaction, in_scope
from excluded import TORN, listed
from recordings import Recording, recordings
from told import Told
from vendor_targets import upstream_of

from adapters import ir, sse, states
from adapters.catalog import DIALECTS
from adapters.fitting import Chain
from adapters.relay import StreamRelay, Whole

Recorded = Recording | Interaction
API_OF = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": "messages"}
DIALECT_OF = {api: dialect for dialect, api in API_OF.items()}
SEED, NOW, ALIAS = "5eed", 1_700_000_000, "alias"
_ODD = {**TORN, **listed("answers")}


def played() -> Iterator[Recorded]:
    """Every recorded answer to a generate call, whole in itself or not."""
    yield from recordings()
    yield from (found for found in in_scope() if not found.counts)


ANSWERS: tuple[Recorded, ...] = tuple(found for found in played() if found.status == 200 and found.name not in _ODD)
ERRORS: tuple[Recorded, ...] = (
    *(found for found in recordings() if found.status != 200),
    *(found for found in in_scope() if found.status != 200),
)


def name(found: Recorded) -> str:
    return found.name


def echo(*, stream: bool) -> ir.Echo:
    """What is known of the plainest question there is."""
    return ir.Echo(SEED, NOW, ALIAS, ir.Request(model=ALIAS, messages=(), stream=stream, include_usage=True))


def events(found: Recorded) -> list[ir.Event]:
    """All that the reader makes of a recording."""
    dialect = DIALECTS[found.dialect or ""]
    if not found.stream:
        return list(dialect.read_response(found.body))
    reader, splitter = dialect.reader(), sse.Splitter()
    frames = [*splitter.feed(found.body), *splitter.end()]
    return [event for frame in frames for event in reader.read(frame)] + list(reader.end())


def undo(found: Recorded, api: str) -> Chain:
    """State is overheard, and sealed for its way through the client, as on the road."""
    upstream = upstream_of(found.dialect or "", _PROVIDER_OF[found.dialect or ""], "m")
    steps = (states.keeper(upstream), states.carrier(DIALECT_OF[api], upstream, "sealed.{}".format))
    return Chain(tuple(step for step in steps if step is not None))


_PROVIDER_OF = {
    "anthropic_messages": "anthropic", "google_gemini": "google", "openai_chat": "vllm", "openai_responses": "openai",
}  # fmt: skip


def relay(found: Recorded, api: str) -> StreamRelay:
    source, target = DIALECTS[found.dialect or ""], DIALECTS[DIALECT_OF[api]]
    return StreamRelay(source, target, echo(stream=True), exact=False, undo=undo(found, api))


def tell(found: Recorded, api: str, *, stream: bool) -> bytes:
    """What a client of ``api`` is told: a recorded stream may be told whole, and a whole answer as a stream."""
    if stream:
        machine = relay(found, api)
        source = DIALECTS[found.dialect or ""]
        out = (
            machine.feed(found.body) + machine.close()
            if found.stream
            else machine.replay(source.read_response(found.body))
        )
        return b"".join([*out, *machine.tail])
    source, target = DIALECTS[found.dialect or ""], DIALECTS[DIALECT_OF[api]]
    if not found.stream:
        return Whole(source, target, echo(stream=False), found.body, exact=False, undo=undo(found, api)).body
    back = undo(found, api)
    told = [told for event in events(found) for told in back(event)]
    return target.write_response(ir.collect(told), echo(stream=False))


def payloads(stream: bytes, alias: str) -> list[Any]:
    """The events of a stream that passes unread: the upstream's model stands under the name that clients see, where an
    event first tells it."""
    lines = [line[5:].strip().decode() for line in stream.splitlines() if line.startswith(b"data:")]
    return [json.loads(_MODEL.sub(f'"model":"{alias}"', line, count=1)) for line in lines if line != "[DONE]"]


_MODEL = re.compile(r'"model"\s*:\s*"[^"]*"')


def essence(api: str, said: Told) -> dict[str, Any]:
    """What of a recording a client of ``api`` must hear. Anthropic's knows no free-text tools, whose input travels
    within an object, and no total."""
    calls, usage = said.calls, said.usage
    if api == "messages":
        calls = [(called, given if isinstance(given, dict) else {"input": given}) for called, given in calls]
        usage = {count: told for count, told in usage.items() if count != "total"}
    return {"text": said.text, "calls": sorted(map(repr, calls)), "finish": said.finish, "usage": usage}


def assert_heard(api: str, said: Told, got: Told) -> None:
    """The client of ``api`` has heard all that the recording says."""
    wanted = essence(api, said)
    told = essence(api, got)
    told["usage"] = {count: told["usage"].get(count, 0) for count in wanted["usage"]}
    assert told == wanted
