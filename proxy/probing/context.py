"""Context: what the server says of it and, by a needle at the start of growing prompts, what is really read."""

from __future__ import annotations

from msgspec import Struct

from adapters.contexts import PLACES
from adapters.providers import PROVIDERS
from policies.cards import Context
from proxy.probing.asking import Asker, Heard
from proxy.upstream.seam import UpstreamFailed

_SIZES = (1_000, 2_500, 5_000)
"""Tokens of the prompts: past the 2,048 and 4,096 at which servers cut by default."""
_LARGE = (10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_000_000)
"""What ``--full`` adds, as far as the server says that it goes."""
_SHORT, _LONGER = 20, 60
"""Lines of the two prompts by which its tokens are counted."""
_SHORTFALL = 0.9
"""A prompt that is reported with less than this share of its tokens was not read whole."""
_ROOM = 128
"""Tokens that are left for the answer."""


class _Needle(Struct, frozen=True):
    """One prompt and what came of it: tokens that should have been read and that were told, and was the needle
    found?"""

    expected: float
    reported: int | None
    found: bool

    @property
    def short(self) -> bool:
        """Fewer tokens were read than were sent."""
        return self.reported is not None and self.reported < _SHORTFALL * self.expected


def prompt(lines: int, code: str) -> str:
    """A code word, ``lines`` lines that cost the same number of tokens each, and the question for the word."""
    middle = "\n".join(f"Line {10_000 + at}: the harbour was quiet and the boats lay in a row." for at in range(lines))
    return f"The code word is {code}.\n{middle}\nWhat is the code word? Answer with it alone."


async def measure(asker: Asker, *, needle: bool, full: bool) -> Context:
    """What the server's own page says, corrected by the needle."""
    found = await _told(asker)
    return await _probed(asker, found, full=full) if needle else found


async def _told(asker: Asker) -> Context:
    row = PROVIDERS[asker.backend.provider]
    for place in PLACES[row.contexts] if row.contexts is not None else ():
        tokens = await asker.page(place)
        if tokens is not None:
            return Context(tokens=tokens, source=place.name)
    return Context()


async def _probed(asker: Asker, told: Context, *, full: bool) -> Context:
    try:
        rule = await _rule(asker)
    except UpstreamFailed as error:
        return _with(told, f"no needle test: {error.failure.message}")
    if rule is None:
        return _with(told, "no needle test: the server tells no prompt tokens")
    holds: int | None = None
    for size in _SIZES + (_LARGE if full else ()):
        if told.tokens is not None and size + _ROOM > told.tokens:
            break
        try:
            seen = await _hidden(asker, size, rule)
        except UpstreamFailed as error:
            return _refused(told, holds, size, error)
        if seen.short and not seen.found:
            return Context(tokens=told.tokens, source=told.source, holds=holds, cut_at=seen.reported)
        if seen.found:
            holds = seen.reported
    return Context(tokens=told.tokens, source=told.source, holds=holds)


def _refused(told: Context, holds: int | None, size: int, error: UpstreamFailed) -> Context:
    """A prompt that is too long is a limit found; any other failure says nothing."""
    if error.failure.kind != "context_length":
        return Context(tokens=told.tokens, source=told.source, holds=holds)
    limit = holds if told.tokens is None else told.tokens
    source = told.source or f"needle test: about {size} tokens were refused"
    return Context(tokens=limit, source=source, holds=holds)


async def _rule(asker: Asker) -> tuple[float, float] | None:
    """(tokens of a prompt without lines, tokens of a line), by two short prompts; None where no tokens are told."""
    short = (await _asked(asker, _SHORT, "cedar")).usage.input
    longer = (await _asked(asker, _LONGER, "maple")).usage.input
    if short is None or longer is None or longer <= short:
        return None
    line = (longer - short) / (_LONGER - _SHORT)
    return short - _SHORT * line, line


async def _hidden(asker: Asker, size: int, rule: tuple[float, float]) -> _Needle:
    """A prompt of about ``size`` tokens. Each has a word of its own, so that no cached prefix can stand for it."""
    start, line = rule
    lines = max(int((size - start) / line), _LONGER)
    code = f"walnut{size}"
    heard = await _asked(asker, lines, code)
    return _Needle(start + lines * line, heard.usage.input, code in heard.text.lower())


async def _asked(asker: Asker, lines: int, code: str) -> Heard:
    return await asker.ask(prompt(lines, code), limit=512)


def _with(told: Context, why: str) -> Context:
    return Context(tokens=told.tokens, source=told.source or why[:200])
