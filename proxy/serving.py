"""``turnout serve``: the configuration read and checked, its warnings told, and the supervisor set to work.

``python -P -m proxy.serving [FILE]``, to which the command line hands over.
"""

from __future__ import annotations

# isort: off
from proxy import lean_supervisor  # noqa: F401 - first, see there
# isort: on

import asyncio
import os
import sys
from pathlib import Path

import structlog

from proxy.keyed import built
from proxy.origin import Origin
from proxy.settings import ConfigError
from proxy.snapshot import Snapshot
from proxy.supervisor import Supervisor
from proxy.telemetry import logs

_log = structlog.get_logger("turnout")


def serve(path: Path | None) -> int:
    """Serve until told to stop; the exit status: 0 after a drain, 1 when the configuration or the port is bad."""
    logs.configure()
    return asyncio.run(_run(Origin(path, dict(os.environ))))


async def _run(origin: Origin) -> int:
    try:
        origin.text = origin.read()
        snapshot = await built(origin.text, file=origin.name, generation=1, env=origin.env)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{origin.name}: cannot be read: {error.strerror}\n")
        return 1
    try:
        supervisor = Supervisor(origin, snapshot)
    except OSError as error:
        server = snapshot.config.server
        why = (error.strerror or str(error)).partition(" (while")[0]
        sys.stderr.write(f"cannot listen on {server.host}:{server.port}: {why}. Choose another --port.\n")
        return 1
    _tell(snapshot, supervisor.url)
    return await supervisor.run()


def _tell(snapshot: Snapshot, url: str) -> None:
    """What an operator wants to know at once: the address, who answers, and what is left out."""
    usable = [name for name, backend in snapshot.backends.items() if backend.unavailable is None]
    out = {name: backend.unavailable for name, backend in snapshot.backends.items() if backend.unavailable}
    _log.info("serving", base_url=f"{url}/v1", config=snapshot.file, backends=usable, left_out=out)
    if snapshot.demo:
        _log.warning(
            "demo",
            note="No key in the environment and no local model server found: the built-in demo answers, and no model.",
        )
    for warning in snapshot.warnings:
        _log.warning("config", note=warning)


def main() -> None:
    """One argument, the file, or none for the embedded defaults."""
    sys.exit(serve(Path(sys.argv[1]) if len(sys.argv) > 1 else None))


if __name__ == "__main__":
    main()
