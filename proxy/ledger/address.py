"""Where the book is: ``ledger.url`` read, and told without its password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

POSTGRES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Is the book in PostgreSQL, and not in files of our own?"""
    return url.startswith(POSTGRES)


def folder_of(url: str) -> Path:
    """The folder of what belongs to this Turnout alone: state, spools, a secret that was made. It is that of the
    ledger's file, or the working directory where the ledger is in PostgreSQL. Raises LedgerError."""
    from proxy.ledger.schema import path_of

    return Path() if is_postgres(url) else path_of(url).parent


def problem(url: str) -> str | None:
    """What is wrong with the URL, in words that hold no part of it: it may be a part of a password."""
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return None
    if not is_postgres(url):
        return "write 'sqlite:///turnout.db' or 'postgresql://user@host/name'"
    authority, _, rest = url.partition("://")[2].partition("/")
    try:
        unreadable = urlsplit(f"//{authority}").port == 0
    except ValueError:
        unreadable = True
    if unreadable or authority.count("@") > 1 or "@" in rest:
        return "it cannot be read: percent-encode what is special in its user and password (%40 for @, %2F for /)"
    return None if rest.partition("?")[0] else "it names no database: write 'postgresql://user@host/name'"


def shown(url: str) -> str:
    """The URL of a ledger, or of another store, without user, password and options."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "sqlite":
        return url
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
