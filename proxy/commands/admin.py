"""How a command asks a Turnout that runs: its admin routes, with the admin key of the environment or of the file."""

from __future__ import annotations

import os
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

import typer

from proxy.commands.line import fail, misused

KEY = "TURNOUT_ADMIN_KEY"
"""The environment variable with the admin key; without it the configuration's own is sent."""
_SECONDS = 100.0

Url: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help=f"Of a Turnout that runs; ${KEY} has its key. Default: by proxy.yaml."),
]


def ask(url: str, method: str, path: str, *, key: str | None = None, body: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of one admin route. Whoever cannot be asked is told on stderr; exit status 1."""
    import msgspec

    address = urlsplit(url if "://" in url else f"http://{url}")
    if address.scheme not in {"http", "https"} or not address.hostname:
        misused(f"{url}: write a URL such as http://127.0.0.1:4000")
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    headers = {"authorization": f"Bearer {key}"} if key else {}
    base = address.path.rstrip("/").removesuffix("/v1")
    connection = kind(address.hostname, address.port, timeout=_SECONDS)
    try:
        connection.request(method, base + path, body=body, headers=headers)
        answer = connection.getresponse()
        read = answer.read()
        return answer.status, msgspec.json.decode(read)
    except (OSError, HTTPException) as error:
        fail(f"{url} does not answer ({error}): see that Turnout runs there")
    except msgspec.DecodeError:
        fail(f"{url}{path} answered HTTP {answer.status} without JSON: see that it is the address of a Turnout")
    finally:
        connection.close()


def refused(status: int, told: Any) -> str | None:
    """Why an admin route did not let us in, or None."""
    if status in {401, 403}:
        return f"the admin key is needed: export {KEY}=…"
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else None


def reached(url: str | None, config: Path | None) -> tuple[str, str | None]:
    """The address that is meant and the key for it. A file that is broken, which is when this is needed, gives neither:
    then --url must."""
    from proxy.settings import ConfigError

    key = os.environ.get(KEY)
    try:
        server = _server(config)
    except (ConfigError, OSError):
        if url is None:
            misused("the configuration cannot be read, and so not where Turnout listens: name it with --url")
        return url, key
    secret = server.admin_key
    host = server.host if server.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104 - as it is bound
    shown = f"[{host}]" if ":" in host else host
    return url or f"http://{shown}:{server.port}", key or (secret.reveal() if secret is not None else None)


def _server(config: Path | None) -> Any:
    from proxy import defaults
    from proxy.commands.sources import chosen
    from proxy.config import load
    from proxy.origin import decoded

    path = chosen(config)
    name = str(path) if path is not None else defaults.EMBEDDED
    text = defaults.not_running(os.environ) if path is None else decoded(path.read_bytes(), name)
    return load(text, file=name, env=os.environ, has_keys=True, compared=True).server
