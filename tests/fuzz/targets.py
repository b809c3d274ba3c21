"""What fuzzers call: any bytes in, and an exception only where the code does what it promises never to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import msgspec

from adapters import ir, sse, states, strict
from adapters.catalog import DIALECTS
from adapters.dialect import Dialect
from adapters.fitting import Chain, fit
from adapters.passthrough import Passthrough
from adapters.providers import FAMILIES, PROVIDERS, capabilities
from adapters.relay import StreamRelay, Whole, heard

CLIENTS = ("openai_chat", "openai_responses", "anthropic_messages")
PIECES = (1, 7, 997)
"""Bytes of a read; the first for short streams only."""
MOST_SECONDS = 5.0
"""Of CPU, for what is never larger than some 100 KB."""
_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""What is written must be an object; that a number in it may be endless is documented (``strict_json``)."""
_MEDIA = {
    "image": ir.Media("image", data="QQ==", media_type="image/png"),
    "audio": ir.Media("audio", data="QQ==", media_type="audio/mpeg"),
    "file": ir.Media("file", data="QQ==", media_type="application/pdf"),
}


def _upstream(dialect: str, provider: str, model: str) -> ir.Upstream:
    return ir.Upstream(
        provider=provider,
        dialect=dialect,
        model=model,
        family=FAMILIES[dialect],
        wire=PROVIDERS[provider].wire,
        capabilities=capabilities(provider, model),
    )


UPSTREAMS = {
    "openai_chat": _upstream("openai_chat", "vllm", "qwen3"),
    "openai_responses": _upstream("openai_responses", "openai", "gpt-5.6"),
    "anthropic_messages": _upstream("anthropic_messages", "anthropic", "claude-opus-5-5"),
    "google_gemini": _upstream("google_gemini", "google", "gemini-3.1-pro"),
    "old_claude": _upstream("anthropic_messages", "anthropic", "claude-sonnet-4-5"),
    "old_gemini": _upstream("google_gemini", "google", "gemini-2.5-flash"),
}


def check_sse(data: bytes) -> None:
    """However the bytes are cut, the events are the same; what is too long is told and not kept."""
    found = [_frames(data, size) for size in (len(data) or 1, *(PIECES if len(data) < 4096 else PIECES[-1:]))]
    assert all(each == found[0] for each in found), "the cut changes the events"
    small = sse.Splitter(limit=64)
    for at in range(0, len(data), 7):
        try:
            list(small.feed(data[at : at + 7]))
        except sse.TooLong:
            break


def _frames(data: bytes, size: int) -> list[tuple[bytes, str | None]]:
    splitter = sse.Splitter()
    frames = [frame for at in range(0, len(data), size) for frame in splitter.feed(data[at : at + size])]
    return [(frame.data, frame.event) for frame in (*frames, *splitter.end())]


def check_strict(data: bytes) -> None:
    """ir.Invalid, or fields that say what every other reader would read."""
    try:
        top = strict.fields(data)
    except ir.Invalid:
        return
    again = strict.fields(msgspec.json.encode(top))
    assert {name: bytes(raw) for name, raw in again.items()} == {name: bytes(raw) for name, raw in top.items()}
    for check in (lambda: strict.check_exact(data), lambda: strict.head(top)):
        with suppress(ir.Invalid):
            check()


def check_request(name: str, data: bytes) -> None:
    """A client's body, up to what every kind of backend would be sent."""
    dialect = DIALECTS[name]
    try:
        top = strict.fields(data)
        strict.head(top)
        dialect.glance(top)
    except ir.Invalid:
        pass
    else:
        _passed(dialect, top)
    try:
        request = dialect.read_request(data)
    except ir.Invalid:
        return
    for upstream in UPSTREAMS.values():
        with suppress(ir.Invalid):
            _written(request, upstream)


def _passed(dialect: Dialect, top: ir.Extras) -> None:
    upstream = next(each for each in UPSTREAMS.values() if each.dialect == dialect.name)
    try:
        fields, _ = dialect.patch(top, upstream)
    except ir.Invalid:
        return
    assert msgspec.json.decode(fields["model"]) == upstream.model if "model" in fields else True


def _written(request: ir.Request, upstream: ir.Upstream) -> None:
    writer = DIALECTS[upstream.dialect]
    fitted = fit(request, upstream)
    request, _ = states.give_back(fitted.request, upstream, {}, lambda _: None)
    if any(named.kind == "contract" for named in writer.refuses(request, upstream)):
        return
    links = {media.url: _MEDIA[media.kind] for media in _media(request)}
    needs = writer.needs(request, upstream)
    context = ir.Context("5eed", 1_700_000_000, {need: links[need.key] for need in needs if need.key in links})
    sent = writer.write_request(request, upstream, context)
    strict.check(sent.body)
    _top.decode(sent.body)


def _media(request: ir.Request) -> Iterator[ir.Media]:
    for block in (block for message in request.messages for block in message.blocks):
        inner = block.content if isinstance(block, ir.ToolResult) else (block,)
        yield from (media for media in inner if isinstance(media, ir.Media))


def _echo(*, stream: bool) -> ir.Echo:
    return ir.Echo("5eed", 1_700_000_000, "alias", ir.Request(model="alias", messages=(), stream=stream))


def _undo(source: str, target: str) -> Chain:
    upstream = UPSTREAMS[source]
    steps = (states.keeper(upstream), states.carrier(target, upstream, "sealed.{}".format))
    return Chain(tuple(step for step in steps if step is not None))


def check_response(name: str, data: bytes) -> None:
    """An upstream's whole answer or error, up to what every kind of client would be told: JSON, or a failure."""
    source = DIALECTS[name]
    for target in CLIENTS:
        whole = Whole(source, DIALECTS[target], _echo(stream=False), data, exact=False, undo=_undo(name, target))
        assert whole.failure is not None or _top.decode(whole.body)
        machine = StreamRelay(source, DIALECTS[target], _echo(stream=True), exact=False, undo=_undo(name, target))
        _told([*machine.replay(heard(source, data)), *machine.tail])
    Whole(source, source, _echo(stream=False), data, exact=True)
    for status in (200, 400, 401, 429, 500, 529):
        failure = source.read_error(status, {"retry-after": data[:40].decode("latin-1")}, data)
        assert 400 <= failure.status < 600
        for target in CLIENTS:
            msgspec.json.decode(DIALECTS[target].write_error(failure, "id"))


def check_stream(name: str, data: bytes) -> None:
    """An upstream's stream, up to what every kind of client would be told: whole events, and one end."""
    source = DIALECTS[name]
    for target in CLIENTS:
        for exact in (False, True) if target == name else (False,):
            machine = StreamRelay(source, DIALECTS[target], _echo(stream=True), exact=exact,
                                  undo=None if exact else _undo(name, target))  # fmt: skip
            said = [part for at in range(0, len(data), 997) for part in machine.feed(data[at : at + 997])]
            said += machine.close() if not machine.done else []
            said += machine.tail
            assert machine.done
            if not exact:
                _told(said)


def _told(said: list[bytes]) -> None:
    splitter = sse.Splitter()
    frames = [frame for part in said for frame in splitter.feed(part)]
    assert list(splitter.end()) == [], "half an event"
    for frame in frames:
        if frame.data != b"[DONE]":
            _top.decode(frame.data)


def check_passthrough(data: bytes) -> None:
    """Embeddings and legacy completions, whose bytes pass unread."""
    wire = Passthrough("completions", "/completions")
    wire.read_response(data)
    wire.read_error(500, {}, data)
    machine = StreamRelay(wire, wire, _echo(stream=True), exact=True)
    for at in range(0, len(data), 997):
        machine.feed(data[at : at + 997])
    if not machine.done:
        machine.close()
    assert machine.done or machine.tail is not None


def _of(check: Callable[[str, bytes], None], name: str) -> Callable[[bytes], None]:
    return lambda data: check(name, data)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "sse": check_sse,
    "strict": check_strict,
    "passthrough": check_passthrough,
    **{f"request {name}": _of(check_request, name) for name in DIALECTS},
    **{f"response {name}": _of(check_response, name) for name in DIALECTS},
    **{f"stream {name}": _of(check_stream, name) for name in DIALECTS},
}


def run(target: str, data: bytes) -> None:
    """One execution, with a bound on its CPU time."""
    began = time.process_time()
    TARGETS[target](data)
    spent = time.process_time() - began
    assert spent < MOST_SECONDS, f"{len(data)} bytes took {spent:.1f} s of CPU"
