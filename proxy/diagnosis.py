"""How each backend is: reachable, its key accepted, its model known; for what is not, the cause and the mend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.catalog import DIALECTS
from proxy.backends import Backend
from proxy.upstream.probe import get
from proxy.upstream.seam import Engine, UpstreamFailed
from proxy.write import http_proxy

SECONDS = 5.0
"""How long connecting may take, and then the answer."""
_SHOWN = 5


class Finding(Struct, frozen=True, kw_only=True):
    """What was found out about one backend. ``known`` are models that it lists."""

    backend: str
    provider: str
    model: str
    url: str
    ok: bool
    cause: str
    mend: str | None = None
    known: tuple[str, ...] = ()


class _Entry(Struct):
    id: str | None = None
    name: str | None = None


class _Listed(Struct):
    """A list of models, as OpenAI and Anthropic (``data``, ``id``) or Google (``models``, ``name``) tell it."""

    data: list[_Entry] | None = None
    models: list[_Entry] | None = None


_listed = msgspec.json.Decoder(_Listed)


async def diagnose(backends: Sequence[Backend], engine: Engine) -> list[Finding]:
    """Ask every backend at once, in the order given. Costs no tokens: only lists of models are read."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_diagnose(backend, engine)) for backend in backends]
    return [task.result() for task in tasks]


async def _diagnose(backend: Backend, engine: Engine) -> Finding:
    if backend.unavailable is not None:
        return _bad(backend, f"left out: {backend.unavailable}", "give it one, or remove the backend")
    try:
        status, body = await _get(backend, engine, "/models")
        if status == 200 and backend.upstream.model not in _names(body):
            # Long lists come in pages, and a short name may stand for a dated one: the model itself is asked for.
            one, _ = await _get(backend, engine, f"/models/{backend.upstream.model}")
            return _fine(backend) if one == 200 else _no_model(backend, _names(body))
    except UpstreamFailed as error:
        return _unreachable(backend, error.failure)
    return _judged(backend, status)


async def _get(backend: Backend, engine: Engine, path: str) -> tuple[int, bytes]:
    return await get(
        engine,
        backend.base_url + path,
        {**_headers(backend), **backend.headers},
        seconds=SECONDS,
        proxy=http_proxy(backend.base_url, local=backend.local),
    )


def _headers(backend: Backend) -> dict[str, str]:
    """What the dialect sends with every request, and the credential in its header."""
    dialect = DIALECTS[backend.upstream.dialect]
    question = ir.Request(model=backend.upstream.model, messages=(ir.Message("user", (ir.Text("-"),)),))
    sent = dialect.write_request(question, backend.upstream, ir.Context(seed="0" * 32, now=0)).headers
    headers = {name: value for name, value in sent.items() if name.lower() != "content-type"}
    return {**headers, **backend.authorised(dialect.auth_header), "accept": "application/json", "user-agent": "turnout"}


def _names(body: bytes) -> tuple[str, ...]:
    try:
        found = _listed.decode(body)
    except msgspec.MsgspecError:
        return ()
    entries = found.data if found.data is not None else found.models or []
    return tuple((entry.id or entry.name or "").removeprefix("models/") for entry in entries)


def _judged(backend: Backend, status: int) -> Finding:
    if status == 200:
        return _fine(backend)
    if backend.from_client and status in (401, 403):
        return _finding(backend, ok=True, cause="reachable; the caller's own key cannot be checked here")
    if status in (401, 403):
        have = "the key is refused" if backend.credential is not None else "a key is required"
        return _bad(backend, f"{have} ({status})", f"set backends.{backend.name}.credential to a key that is valid")
    cause, mend = _BY_STATUS.get(status, (f"the server answers {status}", "look into the server's own log"))
    return _bad(backend, cause, mend)


_BY_STATUS: Mapping[int, tuple[str, str]] = {
    404: (
        "reachable, but there is no model list below this URL (404)",
        "base_url usually ends in /v1 (see its server)",
    ),
    429: ("reachable, but its limit is reached (429)", "wait, or raise the limit at the provider"),
    503: ("reachable, but not ready (503)", "wait until the server has loaded its model"),
}


def _no_model(backend: Backend, known: tuple[str, ...]) -> Finding:
    near = get_close_matches(backend.upstream.model, known, n=_SHOWN, cutoff=0.4) or known[:_SHOWN]
    if not near:
        return _bad(backend, "what answers here lists no models", "is this the server's API? Check base_url")
    mend = f"set backends.{backend.name}.model to one of: {', '.join(near)}"
    found = _bad(backend, f"the model '{backend.upstream.model}' is not known there", mend)
    return msgspec.structs.replace(found, known=known)


def _unreachable(backend: Backend, failure: ir.Failure) -> Finding:
    unknown = (f"not reachable: {failure.message}", "check base_url and the network")
    return _bad(backend, *next((told for part, told in _BY_CAUSE.items() if part in failure.message), unknown))


_BY_CAUSE: Mapping[str, tuple[str, str]] = {
    "refused)": ("connection refused", "nothing listens there: start the server, or correct base_url"),
    "unknown host": ("DNS: the host name is unknown", "correct the host in base_url, or look at DNS"),
    "TLS failed": ("TLS failed", "does it speak TLS at all? Try http in base_url, or another port"),
    "certificate": ("TLS: its certificate is not trusted", "correct the host, or name its CA in SSL_CERT_FILE"),
    "in time": ("timeout: no answer in time", "the server is busy, or a firewall drops packets: look at both"),
    "valid address": ("base_url is not a valid address", "write it as http://host:port/v1"),
    "broke the connection": ("it breaks the connection", "https where http is spoken? Correct base_url"),
}


def _fine(backend: Backend) -> Finding:
    key = "its key is accepted" if backend.credential is not None else "it asks for no key"
    return _finding(backend, ok=True, cause=f"reachable, {key}, the model is known")


def _bad(backend: Backend, cause: str, mend: str) -> Finding:
    return _finding(backend, ok=False, cause=cause, mend=mend)


def _finding(backend: Backend, *, ok: bool, cause: str, mend: str | None = None) -> Finding:
    return Finding(
        backend=backend.name,
        provider=backend.provider,
        model=backend.upstream.model,
        url=backend.base_url,
        ok=ok,
        cause=cause,
        mend=mend,
    )
