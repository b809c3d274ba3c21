"""The house: what every call shares. It holds one snapshot at a time; a call keeps the one it came in with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from policies.limits import pacing
from policies.moment import Moment
from policies.pricing import Price
from policies.retries import Retries
from policies.retry_budget import RetryBudget
from policies.verdict import Caller, Target
from proxy import keys, settle
from proxy.attempt import Attempt
from proxy.bodies import InTurn
from proxy.breakers import EVERY as EXCHANGE
from proxy.breakers import Breakers, quota_key
from proxy.call import Call, Rejected
from proxy.decide import decide
from proxy.errands import Errands
from proxy.gates import Gates
from proxy.keyring import EVERY, Keyring
from proxy.keys import Refusal
from proxy.limits import settling
from proxy.limits.purse import Purse
from proxy.outside import Hook
from proxy.overrides import Board
from proxy.prices import Prices
from proxy.sealing import Seals
from proxy.snapshot import Snapshot
from proxy.state.answers import Answers
from proxy.state.condensed import Condensed
from proxy.state.loads import Loads
from proxy.state.machines import Machines
from proxy.state.memory import Backends
from proxy.state.retrying import Retrying
from proxy.state.store import Store
from proxy.threads import Threads
from proxy.tokens.counting import Counting
from proxy.truncation import Truncation
from proxy.upstream.gauges import Watcher
from proxy.upstream.media import MediaFetcher
from proxy.upstream.seam import Engine, UpstreamFailed
from proxy.weighing import Steering

if TYPE_CHECKING:
    from proxy.ledger.book import Book
    from proxy.ledger.writing import Ledger
    from proxy.telemetry.observer import Telemetry


class House:
    """Snapshot, engine, ledger, state and telemetry of one worker."""

    def __init__(  # noqa: PLR0913 - all that a worker shares between its calls
        self,
        snapshot: Snapshot,
        *,
        engine: Engine,
        ledger: Ledger,
        book: Callable[[], Book],
        store: Store,
        threads: Threads,
        keyring: Keyring,
        overrides: Board,
        seals: Seals,
        telemetry: Telemetry,
        purse: Purse,
        bound_loopback: bool,
    ) -> None:
        self.engine = engine
        self.store = store
        self.seals = seals
        self.media = MediaFetcher()
        self.hook = Hook(telemetry.hook_left)
        self.steering = Steering()
        self.in_turn = InTurn()
        self.condensed = Condensed()
        self.ledger = ledger
        self.book = book
        """Opens the book to be read, beside the loop."""
        self.telemetry = telemetry
        self.threads = threads
        self.purse = purse
        self.keyring = keyring
        self.overrides = overrides
        self.bound_loopback = bound_loopback
        self.backends = Backends(telemetry.breaker)
        self.retrying = Retrying(telemetry.retried)
        telemetry.meters.watch(lambda: self.retrying.gauges(self.snapshot.backends.values(), _budget(self.snapshot)))
        self.gates = Gates(self)
        self.loads = Loads(telemetry.spilled)
        self.watcher = Watcher(engine, self.loads, lambda: self.snapshot)
        self.prices = Prices()
        self.truncation = Truncation(telemetry.prompt_cut)
        self.errands = Errands(telemetry.errand_failed)
        self.counting = Counting(telemetry.count_failed)
        self.errands.every(EVERY, keyring.refresh)
        self.errands.every(EVERY, overrides.refresh)
        self.breakers = Breakers(self.backends, self.errands.post, telemetry.breakers_away)
        self.errands.every(EXCHANGE, self.breakers.exchange)
        self.machines = Machines(self.errands.post)
        self.answers = Answers()
        self.draining = False
        self.last_reload: dict[str, Any] | None = None
        """The outcome of the last reload that was tried, also of one that failed."""
        self.adopt(snapshot)

    def adopt(self, snapshot: Snapshot) -> None:
        """Swap the snapshot: calls that come in from now on follow it, calls in flight keep theirs. Raises StoreFailed
        when there is no secret to seal with."""
        self.seals.adopt(snapshot.config.server.secret)
        self.snapshot = snapshot
        self.backends.adopt(snapshot)
        self.keyring.adopt(snapshot)
        self.overrides.adopt(snapshot)
        self.ledger.retention = snapshot.config.ledger.retention
        self.store.retention = snapshot.config.state.retention
        self.answers.resize(snapshot.config.cache.max_size)
        self.purse.adopt(snapshot.config.state.away, [name for name, each in snapshot.backends.items() if each.local])
        self.steering.adopt(snapshot.weights)
        self.truncation.adopt(snapshot.generation)
        self.prices.adopt(snapshot.overlay)
        self._compares = any(each.listed for each in snapshot.baselines.values())
        if snapshot.book.weighs_prices:
            self.prices.expect(snapshot.backends.values())
        self.telemetry.adopted(snapshot)

    def reloaded(self, outcome: dict[str, Any]) -> None:
        """Keep the outcome of a reload that was tried, for ``GET /admin/config`` and the metrics."""
        self.last_reload = outcome
        self.telemetry.reload_tried(outcome, self.snapshot.generation)

    async def close(self) -> None:
        """Let go of pools, spans and the ledger, when no call is left."""
        await self.engine.close()
        await self.counting.close()
        await self.purse.close()
        await self.breakers.close()
        self.in_turn.close()
        await self.keyring.store.close()
        await self.overrides.store.close()
        self.store.close()
        self.telemetry.close()
        self.ledger.close()

    async def enter(self, call: Call) -> None:
        """Station 2: who asks, and what is sealed for him. Raises Rejected (401, 403, 503)."""
        call.caller = await self.name(call.headers, call.peer)
        self.recognise(call)

    def recognise(self, call: Call) -> None:
        """What is sealed for the caller can be sealed and opened."""
        tenant = call.caller.tenant
        call.seal = lambda plain: self.seals.close(tenant, plain)
        call.unseal = lambda text: self.seals.open(tenant, text)
        call.hashed = lambda told: self.seals.name(tenant, told)

    async def name(self, headers: Mapping[str, str], peer: str | None) -> Caller:
        """Who asks. Raises Rejected: 401; 403 for a key whose team is gone; 503 while nobody could say."""
        found = self._who(headers, peer)
        if isinstance(found, Refusal) or (found is keys.LOCAL and keys.look_ours(headers)):
            found = await self.keyring.reconsider(found, headers, lambda: self._who(headers, peer))
        if isinstance(found, Refusal):
            self.telemetry.turned_away(found.reason, found.name, peer)
            raise Rejected(found.failure)
        return found

    def _who(self, headers: Mapping[str, str], peer: str | None) -> Caller | Refusal:
        server = self.snapshot.config.server
        return keys.authenticate(
            headers,
            peer_host=peer,
            bound_loopback=self.bound_loopback,
            find=self.keyring.find,
            admin_configured=server.admin_key is not None,
            open_server=server.open,
        )

    def decide(self, call: Call) -> None:
        """Station 4. Raises Rejected or ir.Invalid."""
        try:
            decide(call, self.moment(call))
        except Rejected as error:
            if error.failure.retry_after is None or call.decision is None:
                raise
            wait = self.backends.patience(call.snapshot, (name for name, _ in call.decision.skipped), time.monotonic())
            raise Rejected(msgspec.structs.replace(error.failure, retry_after=wait)) from None
        finally:
            if call.decision is not None:
                self.steering.saw(call.decision.verdict)

    def moment(self, call: Call) -> Moment:
        """What is so now, for station 4; with what ``look_around`` has found out about this call."""
        now, clock = time.monotonic(), time.time()
        snapshot, limits = call.snapshot, call.caller.limits
        shares = tuple(self.purse.shares(limits)) if limits else ()
        found = Moment(
            time=datetime.now(UTC),
            available=lambda target: self.backends.available(snapshot, target, now),
            price=lambda target: self.price(snapshot, target, clock),
            health=self.backends.standing(snapshot, now),
            load=self.loads.now(snapshot, now),
            busy=self.backends.in_flight,
            contexts=self.truncation.contexts,
            home=call.home,
            dice=int(call.id[-8:], 16) / 2**32,
            thresholds=self.steering.thresholds,
            outside=call.outside,
            budget_used=pacing.fullest(shares) if shares else None,
            budget_pace=pacing.fastest(shares, clock) if shares else None,
            spent=call.spent or (pacing.exhausted(shares) if shares else None),
        )
        return found if call.overrides is None else call.overrides.over(found)

    def price(self, snapshot: Snapshot, target: Target, clock: float) -> Price | None:
        """What a token will cost at this target, before it is asked (``clock``: wall clock, seconds). An estimate where
        calls are charged by the time of the operator's own machine. None where nobody knows."""
        backend, upstream = snapshot.backends[target.backend], target.upstream
        if backend.machine is not None:
            return self.machines.price(backend)
        own, local = backend.price, target.local
        return self.prices.quote(upstream.provider, upstream.model, now=clock, own=own, local=local).price

    def identities(self) -> Iterable[tuple[str, str]]:
        """What is shared of the backends that there are now: their breakers, and what vendors said of their quotas."""
        backends = self.snapshot.backends.values()
        quotas = [quota_key(backend.identity) for backend in backends if backend.quotas]
        return [*(backend.identity for backend in backends), *quotas]

    def retries(self, call: Call) -> Retries:
        """The retries of the policy that decided."""
        return call.snapshot.retries(call.decision.policy if call.decision else None)

    def again(self, call: Call, target: Target) -> str | None:
        """Draw one retry from the budget of this backend; the answer says why there is none."""
        now, budget = time.monotonic(), _budget(call.snapshot)
        shut = self.backends.available(call.snapshot, target, now)
        if shut is not None:
            return shut
        if self.retrying.draw(call.snapshot.backends[target.backend], budget, now):
            return None
        return f"its retry budget is spent ({budget.share:.0%} of its calls and {budget.floor:g} a second)"

    @contextmanager
    def draw(self, attempt: Attempt) -> Iterator[None]:
        """Station 6: the attempt is at its backend as long as this lasts; ``gates`` has let it in."""
        if attempt.aside:
            with self._ended(attempt):
                yield
            return
        now = time.monotonic()
        self.backends.enter(attempt, now)
        self.retrying.tried(attempt.backend, now)
        self.prices.expect((attempt.backend,))
        if self._compares:
            self.prices.load()
        self.loads.enter(attempt, time.monotonic())
        self.machines.enter(attempt)
        try:
            with self._ended(attempt):
                yield
        finally:
            self.machines.leave(attempt)
            self.loads.leave(attempt, time.monotonic())
            self.backends.leave(attempt, time.monotonic())
            if attempt.gate is not None:
                attempt.gate.leave(attempt)

    @contextmanager
    def _ended(self, attempt: Attempt) -> Iterator[None]:
        """What is known of an attempt that failed."""
        try:
            yield
        except UpstreamFailed as error:
            attempt.ended, attempt.failure = time.monotonic(), error.failure
            raise

    def settle(self, call: Call, attempt: Attempt) -> None:
        """The upstream has done its part, well or not: stations 10 and 11."""
        attempt.ended, attempt.answered = attempt.ended or time.monotonic(), True
        call.failure = attempt.failure
        self.record(call)

    def record(self, call: Call) -> None:
        """Stations 10 and 11, exactly once; returns with the rows in the ledger or in its spool."""
        if call.recorded:
            return
        call.recorded = True
        for attempt in call.attempts:
            self.machines.leave(attempt)
        settle.settle(call, self.prices, missing=self.telemetry.price_missing)
        if call.drawn is not None:
            self.telemetry.overran(settling.settle(call, call.drawn))
        self.purse.note(call)
        for attempt in call.attempts:
            self.machines.learn(attempt)
            self.truncation.note(call, attempt)
        rows = settle.rows(call, time.monotonic())
        self.ledger.write(rows)
        self.telemetry.recorded(call, rows)


def _budget(snapshot: Snapshot) -> RetryBudget:
    rules = snapshot.config.retries
    return RetryBudget(rules.budget, rules.floor)
