"""Would it pay to shorten a request's old texts before its target reads it? Decided by numbers, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from adapters import ir
from policies.condensing.condensable import Conversation, Piece, survey
from policies.condensing.condense import Condensing
from policies.moment import Moment
from policies.pricing import Price, cost, dollars
from policies.text import estimate_tokens
from policies.verdict import Target

FRAME, LABEL = 260, 12
"""Tokens that are said around the texts, and around each of them, when they are sent to be shortened."""
BATCH, BATCHES = 4_000, 8
"""Tokens of text in one call, and calls at once (small ones, for they are answered side by side); what is left over
stays as it is."""
_MARGIN = 1.25
"""Our estimate of where a text begins may be so much more than the vendor's count."""
_FORGOTTEN = 3_600.0
"""Seconds after which no vendor is taken to have kept a prompt that it may have forgotten sooner."""

Known: TypeAlias = Callable[[str], str | None]
"""A piece's key -> what it was shortened to; "" where it was found that it must stay as it is; None: not tried."""


Skill: TypeAlias = Callable[[Target], float | None]
"""The share that a backend left lately of what it was to shorten; None: nobody knows."""


class Shortening(Struct, frozen=True, kw_only=True):
    """What is to be done with one request. Money in nano-dollars; unknown is None."""

    by: Target | None = None
    known: Mapping[str, str] = {}
    """Texts that were shortened before, by the keys of their pieces: they stand as they did, so that the vendor's cache
    finds them."""
    pieces: tuple[Piece, ...] = ()
    """To be shortened now; none where ``refused``."""
    conversation: Conversation | None = None
    before: int = 0
    after: int = 0
    """Tokens of all texts that could be shortened now, and what would be left of them."""
    saved: int | None = None
    """Of the target's input price."""
    lost: int | None = None
    """Cache reads at the target that it would cost."""
    local: int | None = None
    """What the shortening itself costs."""
    refused: str | None = None

    @property
    def told(self) -> str:
        """For the trace."""
        if self.refused is not None:
            stand = sum(map(bool, self.known.values()))
            before = f"; {stand} text(s) stand as they were shortened before" if stand else ""
            return f"condense: no, {self.refused}{before}"
        bill = f"saves {dollars(self.saved)}, loses {dollars(self.lost)} of cache reads, costs {dollars(self.local)}"
        name = self.by.backend if self.by is not None else "nobody"
        return f"condense: about {self.before} old tokens to {self.after} by {name}: {bill}; the answer begins later"


def unskilled(_: Target) -> float | None:
    """Nobody has shortened anything lately."""
    return None


def nothing_known(_: str) -> str | None:
    """No text was shortened before."""
    return None


def condense_plan(
    request: ir.Request,
    moment: Moment,
    terms: Condensing,
    target: Target,
    *,
    owner: str = "",
    able: Callable[[Target], str | None] | None = None,
    known: Known = nothing_known,
    skill: Skill = unskilled,
) -> Shortening:
    """Would it pay to shorten this request before ``target`` reads it, and what of it? Nobody is asked anything.

    ``able``: why one of ``terms.by`` may not or cannot do it, or None (default: whether it is available). ``skill``:
    what it left lately of what it was to shorten, where that is more than the rule asks for.
    """
    conversation = survey(request, keep=terms.keep, owner=owner)
    remembered = {piece.key: text for piece in conversation.pieces if (text := known(piece.key)) is not None}
    found = Shortening(known=remembered, conversation=conversation)
    by, reason = _by(terms, able or moment.available)
    if by is None:
        return _no(found, reason)
    fresh = [piece for piece in conversation.pieces if piece.key not in remembered]
    free, why = _uncached(fresh, found, moment, target)
    pieces = _fitting(free, by, terms)
    tokens = sum(piece.tokens for piece in pieces)
    if tokens < terms.min_tokens:
        return _no(found, why or f"about {tokens} tokens of old text may be shortened, fewer than {terms.min_tokens}")
    share = max(terms.to, skill(by) or 0.0)
    after = {piece.key: left_of(piece.tokens, share) for piece in pieces}
    return _weighed(found, pieces, after, moment, target, by)


def batches(pieces: Sequence[Piece], by: Target) -> list[list[Piece]]:
    """The pieces in the calls in which they are shortened."""
    limit = _batch(by)
    found: list[list[Piece]] = []
    room = 0
    for piece in pieces:
        if piece.tokens > room:
            found.append([])
            room = limit
        found[-1].append(piece)
        room -= piece.tokens + LABEL
    return found


def _batch(by: Target) -> int:
    context = by.upstream.capabilities.context
    return BATCH if context is None else min(BATCH, int(context * 0.6) - FRAME)


def _no(found: Shortening, why: str) -> Shortening:
    return Shortening(known=found.known, conversation=found.conversation, refused=why)


def _by(terms: Condensing, able: Callable[[Target], str | None]) -> tuple[Target | None, str]:
    reasons = []
    for target in terms.by:
        why = able(target)
        if why is None:
            return target, ""
        reasons.append(f"{target.backend}: {why}")
    return None, f"nobody may shorten it ({'; '.join(reasons)})"


def _uncached(
    fresh: Sequence[Piece], found: Shortening, moment: Moment, target: Target
) -> tuple[list[Piece], str | None]:
    """The pieces behind what the target has in its cache, and what to say where that leaves too few."""
    home, price = moment.home, moment.price(target)
    if home is None or home.backend != target.backend or not _discounts(price):
        return list(fresh), None
    if home.lasts is not None and home.age > home.lasts:
        return list(fresh), None
    if home.cached_tokens is None:
        return [], f"the thread is at {target.backend}, and nobody knows what is cached there"
    offsets, _ = _laid_out(found)
    kept = [piece for piece in fresh if offsets[piece.key] >= home.cached_tokens * _MARGIN]
    told = f"about {home.cached_tokens} tokens are cached at {target.backend}, and what stands behind them is too short"
    return kept, None if len(kept) == len(fresh) else told


def _laid_out(found: Shortening, shortened: Mapping[str, int] | None = None) -> tuple[dict[str, int], int]:
    assert found.conversation is not None  # noqa: S101 - made with it
    sizes = {key: estimate_tokens(text) for key, text in found.known.items() if text}
    return found.conversation.offsets({**sizes, **(shortened or {})})


def _discounts(price: Price | None) -> bool:
    """Are cache reads cheaper at all?"""
    return price is not None and price.cached is not None and (price.input is None or price.cached < price.input)


def _fitting(pieces: Sequence[Piece], by: Target, terms: Condensing) -> list[Piece]:
    limit = _batch(by)
    made = batches([piece for piece in pieces if piece.tokens <= limit], by)
    return [piece for batch in made[:BATCHES] for piece in batch]


def left_of(tokens: int, to: float) -> int:
    """Tokens that a text of so many is to be shortened to."""
    return max(round(tokens * to), 20)


def _weighed(
    found: Shortening, pieces: Sequence[Piece], after: Mapping[str, int], moment: Moment, target: Target, by: Target
) -> Shortening:
    theirs, own = moment.price(target), moment.price(by)
    for whose, price in ((target, theirs), (by, own)):
        if price is None:
            return _no(found, f"the price of {whose.backend} is unknown: give it one")
    assert theirs is not None and own is not None  # noqa: S101, PT018 - just looked
    saved, lost = _bill(found, pieces, after, moment, target, theirs)
    local = _local(pieces, after, by, own)
    made = Shortening(
        by=by, known=found.known, pieces=tuple(pieces), conversation=found.conversation, saved=saved, lost=lost,
        before=sum(piece.tokens for piece in pieces), after=sum(after.values()), local=local,
    )  # fmt: skip
    if saved is None or lost is None or local is None:
        return _no(found, f"a rate of {target.backend} or {by.backend} is unknown: give it a whole price")
    if saved <= lost + local:
        costs = f"loses {dollars(lost)} of cache reads and costs {dollars(local)}"
        return _no(found, f"{made.before} old tokens to {made.after} by {by.backend} saves {dollars(saved)}, {costs}")
    return made


def _bill(
    found: Shortening, pieces: Sequence[Piece], after: Mapping[str, int], moment: Moment, target: Target, price: Price
) -> tuple[int | None, int | None]:
    """What the target charges less for fewer tokens, and what it charges more because fewer of them are cached."""
    offsets, whole = _laid_out(found)
    _, shorter = _laid_out(found, after)
    change = min(offsets[piece.key] for piece in pieces)
    held = _held(moment, target, price)
    plain, less = _input(whole, 0, target, price), _input(shorter, 0, target, price)
    without, with_ = _input(whole, held, target, price), _input(shorter, min(held, change), target, price)
    if plain is None or less is None or without is None or with_ is None:
        return None, None
    return plain - less, (plain - less) - (without - with_)


def _held(moment: Moment, target: Target, price: Price) -> int:
    """Tokens that may still be in the target's cache: those of a prompt that it may have forgotten by now."""
    home = moment.home
    if home is None or home.backend != target.backend or home.age > _FORGOTTEN or not _discounts(price):
        return 0
    return home.cached_tokens or 0


def _input(tokens: int, cached: int, target: Target, price: Price) -> int | None:
    held = min(cached, tokens)
    written = tokens - held if target.upstream.prompt_cache else 0
    return cost(ir.Usage(input=tokens, cached=held, cache_write=written, output=0), price)


def _local(pieces: Sequence[Piece], after: Mapping[str, int], by: Target, price: Price) -> int | None:
    bills = []
    for batch in batches(pieces, by):
        said = FRAME + sum(piece.tokens + LABEL for piece in batch)
        heard = sum(after[piece.key] + LABEL for piece in batch)
        bills.append(cost(ir.Usage(input=said, output=heard), price))
    known = [bill for bill in bills if bill is not None]
    return sum(known) if len(known) == len(bills) else None
