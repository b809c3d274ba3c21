"""``turnout doctor``: every backend asked how it is; cause and mend for each that is not well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from proxy.commands.line import Config, Json, say_json

if TYPE_CHECKING:
    from proxy.backends import Backend
    from proxy.commands.sources import Served
    from proxy.defaults import LocalServer
    from proxy.diagnosis import Finding


def doctor(config: Config = None, json: Json = False) -> None:
    """Ask every backend for its models: is it there, does it take the key, does it know the model?

    Costs no tokens and shows no secret. Exit status: 0 all is well, 1 something is not.

    \b
    Examples:
    turnout doctor
    turnout doctor --config proxy.yaml --json
    """
    from proxy.commands.sources import served
    from proxy.origin import local_servers

    found = served(config)
    simulated = _simulated(found)
    findings = [] if simulated else _diagnosed(found.snapshot.backends.values())
    servers = local_servers()
    well = all(finding.ok for finding in findings) and (simulated or bool(findings))
    if json:
        say_json({"config": found.snapshot.file, "ok": well, "demo": simulated, "backends": findings, "local": servers})
    else:
        for line in _lines(found.snapshot.file, findings, servers, simulated=simulated):
            typer.echo(line)
    raise typer.Exit(0 if well else 1)


def _diagnosed(backends: Iterable[Backend]) -> list[Finding]:
    import asyncio

    from proxy.diagnosis import diagnose
    from proxy.upstream.stock import StockEngine

    async def ask() -> list[Finding]:
        engine = StockEngine()
        try:
            return await diagnose(list(backends), engine)
        finally:
            await engine.close()

    return asyncio.run(ask())


def _simulated(found: Served) -> bool:
    """Is the built-in demo all there is? It runs only while ``turnout serve`` does, so there is nothing to ask."""
    usable = [backend for backend in found.snapshot.backends.values() if backend.unavailable is None]
    return bool(usable) and all(backend.base_url.startswith(found.demo) for backend in usable)


def _lines(file: str, findings: list[Finding], servers: list[LocalServer], *, simulated: bool) -> Iterable[str]:
    yield f"config    {file}"
    if simulated:
        yield "backends  none: 'turnout serve' would answer with its built-in demo"
        yield "          mend: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, start a local server, or write"
        yield "                backends in proxy.yaml"
    elif not findings:
        yield "backends  none: nothing can be answered"
        yield "          mend: write backends in proxy.yaml, or 'demo: auto'"
    for finding in findings:
        state = "ok" if finding.ok else "NOT OK"
        yield f"{state:<10}{finding.backend}: {finding.provider}, {finding.model}, {finding.url}"
        yield f"          {finding.cause}"
        if finding.mend is not None:
            yield f"          mend: {finding.mend}"
    yield from _ports(servers)


def _ports(servers: list[LocalServer]) -> Iterable[str]:
    """This machine's usual ports of model servers, and who was met there."""
    from adapters.providers import PROVIDERS
    from proxy.origin import LOCAL

    met = {server.provider: server for server in servers}
    for provider in LOCAL:
        port = urlsplit(PROVIDERS[provider].base_url or "").port
        server = met.get(provider)
        what = f"a model server ({server.model})" if server is not None else "no model server"
        yield f"port      {port} ({provider}): {what}"
