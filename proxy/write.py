"""Station 7: the call in the upstream's words, with the host and the secret that only this floor knows."""

from __future__ import annotations

import os
import urllib.request
from functools import cache
from typing import cast
from urllib.parse import urlsplit

from adapters import efforts, ir, states
from adapters.dialect import Dialect, compact
from policies.verdict import Target
from proxy import escalating, keys, minting
from proxy.attempt import Attempt
from proxy.backends import sendable
from proxy.call import Call, Rejected
from proxy.classed import Called
from proxy.decide import wire_for
from proxy.snapshot import Backend
from proxy.upstream.seam import Cargo, Outgoing

MAX_HEADER = 2048
"""Characters of a client's header that goes to a backend; our own limit."""


def begin(call: Call, target: Target, now: float) -> Attempt:
    """A new attempt at this target, not yet written."""
    backend = call.snapshot.backends[target.backend]
    found = wire_for(call, backend)
    escalation = escalating.rule_for(call, target)
    attempt = Attempt(
        number=len(call.attempts) + 1,
        target=target,
        backend=backend,
        wire=found.wire,
        upstream=found.upstream,
        exact=found.exact and escalation is None,
        escalation=escalation,
        recording=call.cache.recording() if call.cache is not None else None,
        called=Called() if call.data_class else None,
        aside=call.api.tokenizes,
        started=now,
    )
    call.attempts.append(attempt)
    return attempt


def write(call: Call, attempt: Attempt) -> Outgoing:
    """The HTTP request to send. Sets the attempt's ``effort`` and ``dropped``."""
    written = worded(call, attempt)
    backend = attempt.backend
    accept = "text/event-stream" if attempt.streams(call.head) else "application/json"
    sent = {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "user-agent": "turnout",
        **written.headers,
        **_client_headers(call, attempt),
        **backend.headers,
    }
    if call.trace is not None:
        attempt.traceparent = sent["traceparent"] = call.trace.child()
    credential = _credential(call, backend)
    if credential is not None:
        name = attempt.wire.auth_header
        sent[name] = f"Bearer {credential}" if name == "authorization" else credential
    return Outgoing(
        url=backend.url(written.path, root=written.root),
        headers=list(sent.items()),
        body=written.body,
        connect_timeout=backend.timeouts.connect,
        cargo=Cargo(backend.name, local=backend.local, restricted=call.restricted),
        proxy=http_proxy(backend.base_url, local=backend.local),
    )


def worded(call: Call, attempt: Attempt) -> ir.UpstreamRequest:
    """The request in the upstream's words, without host and secret. Sets the attempt's ``effort`` and ``dropped``."""
    return _exact(call, attempt) if attempt.exact else _translated(call, attempt)


def _client_headers(call: Call, attempt: Attempt) -> dict[str, str]:
    """What the client's headers say about a body in its own vendor's words; nobody else is told."""
    wire = attempt.wire
    if wire.name != call.api.wire.name or attempt.upstream.wire != "exact":
        return {}
    told = {name: call.headers.get(name, usual) for name, usual in wire.request_headers.items()}
    return {name: value for name, value in told.items() if value and len(value) <= MAX_HEADER and sendable(value)}


def _exact(call: Call, attempt: Attempt) -> ir.UpstreamRequest:
    fields, named = attempt.wire.patch(call.top, attempt.upstream)
    attempt.dropped = tuple(named)
    if efforts.told(call.top) is not None:
        attempt.effort = efforts.told(fields) or _unthinking(attempt.upstream)
    path = attempt.wire.path(attempt.upstream, stream=call.head.stream)
    return ir.UpstreamRequest(path, compact(fields))


def _translated(call: Call, attempt: Attempt) -> ir.UpstreamRequest:
    dialect, request, upstream = cast(Dialect, attempt.wire), attempt.request or call.request(), attempt.upstream
    context = ir.Context(seed=call.seed, now=call.started_at // 1000, fetched=attempt.fetched)
    fitting = attempt.fitted.named if attempt.fitted is not None else ()
    told = [named for named in call.refused(attempt.backend, dialect, request, upstream) if named.kind != "contract"]
    attempt.dropped = (*fitting, *states.named(attempt.removed), *told)
    written = dialect.write_request(request, upstream, context)
    asked = request.effort is not None or request.thinking_budget is not None
    attempt.effort = written.effort or (_unthinking(upstream) if asked else None)
    return written


def _unthinking(upstream: ir.Upstream) -> str | None:
    """The effective effort where none was sent: a model that never reasons works with ``none``, of others we do not
    know."""
    return "none" if upstream.capabilities.thinking == "none" else None


def _credential(call: Call, backend: Backend) -> str | None:
    if not backend.from_client:
        return backend.credential.reveal() if backend.credential is not None else None
    given = keys.given(call.headers)
    keyed = call.caller.key_id is not None
    if given is not None and _may_leave(given) and (not keyed or keys.OWN_HEADER in call.headers):
        return given
    own = f" and your Turnout key as '{keys.OWN_HEADER}'" if keyed else ""
    how = f"send it as 'Authorization: Bearer …' or 'x-api-key'{own}"
    message = f"The backend '{backend.name}' uses the caller's own key: {how}."
    raise Rejected(ir.Failure("unauthorized", 401, message, code="missing_api_key"))


def _may_leave(given: str) -> bool:
    """A key of ours is for nobody else, not even where none is needed here."""
    return sendable(given) and not minting.is_ours(given)


@cache
def http_proxy(base_url: str, *, local: bool) -> str | None:
    """The operator's HTTP(S)_PROXY for this address; local backends never go through one. The environment of a process
    does not change, so each address is looked up once."""
    if local or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    parts = urlsplit(base_url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
