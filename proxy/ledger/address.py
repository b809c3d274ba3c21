"""Where the book is: ``ledger.url`` read, and told without its password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from proxy.ledger.schema import path_of

POSTGRES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Is the book in PostgreSQL, and not in files of our own?"""
    return url.startswith(POSTGRES)


def folder_of(url: str) -> Path:
    """The folder of what belongs to this Turnout alone: state, spools, a secret that was made. It is that of the
    ledger's file, or the working directory where the ledger is in PostgreSQL. Raises LedgerError."""
    return Path() if is_postgres(url) else path_of(url).parent


def shown(url: str) -> str:
    """The URL without user, password and options."""
    if not is_postgres(url):
        return url
    scheme, _, rest = url.partition("://")
    place = urlsplit(f"//{rest.rpartition('@')[2]}")
    return f"{scheme}://{place.netloc}{place.path}"
