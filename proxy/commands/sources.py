"""Where a command finds its configuration and its ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec import Struct

from policies.overrides import Overrides
from policies.verdict import Caller
from proxy.commands.line import fail
from proxy.snapshot import Snapshot

if TYPE_CHECKING:
    from proxy.ledger.book import Book
    from proxy.ledger.record import UsageRecord

_USUAL = Path("proxy.yaml")


class Served(Struct, frozen=True):
    """What ``turnout serve`` would start with now. ``demo``: the URL at which its built-in demo would answer."""

    snapshot: Snapshot
    demo: str


def chosen(config: Path | None) -> Path | None:
    """The file that is meant; None stands for the embedded defaults."""
    return config if config is not None or not _USUAL.exists() else _USUAL


def served(config: Path | None) -> Served:
    """Read as ``serve`` reads: where the file leaves the backends open, this machine's usual ports are looked at."""
    from proxy.origin import Origin
    from proxy.snapshot import build_text

    origin = Origin(chosen(config), os.environ)
    with origin.demo, _told(origin.name):
        snapshot = build_text(origin.read(), file=origin.name, generation=1, env=origin.env, has_keys=True)
        return Served(snapshot, f"http://127.0.0.1:{origin.demo.getsockname()[1]}/")


def written(config: Path | None) -> Snapshot:
    """Read as it is written, with no look at anything but the file and the environment."""
    from proxy import defaults
    from proxy.config import with_cards
    from proxy.origin import decoded
    from proxy.snapshot import build_text

    path = chosen(config)
    name = str(path) if path is not None else defaults.EMBEDDED
    with _told(name):
        text = defaults.not_running(os.environ) if path is None else decoded(path.read_bytes(), name)
        text = with_cards(text, file=name, env=os.environ)
        return build_text(text, file=name, generation=1, env=os.environ, has_keys=True)


def stored_callers(snapshot: Snapshot) -> dict[str, Caller]:
    """Who has the keys of the store that are good now, by name; none where it cannot be asked."""
    import asyncio
    import time

    from proxy.callers import caller_of
    from proxy.key_desk import of_entry
    from proxy.keyed import stored
    from proxy.state.store import StoreFailed

    config = snapshot.config
    try:
        entries = asyncio.run(stored(config)).entries
    except StoreFailed as error:
        typer.echo(f"the keys of the store cannot be read: {error}", err=True)
        return {}
    good = [entry.key for entry in entries if of_entry(entry, config, time.time()).state == "active"]
    return {key.name: caller_of(key, config.teams) for key in good}


def stored_overrides(snapshot: Snapshot) -> Overrides | None:
    """What operators have turned now; nothing where the store cannot be asked, which is told."""
    import asyncio
    import time

    from proxy.override_desk import standing
    from proxy.overrides import in_force
    from proxy.state.store import StoreFailed

    try:
        generation, found = asyncio.run(standing(snapshot.config, time.time()))
    except StoreFailed as error:
        typer.echo(f"the overrides cannot be read: {error}", err=True)
        return None
    return in_force(generation, found, snapshot)


def ledger_url(config: Path | None, ledger: str | None) -> str:
    """``ledger.url`` of the configuration, or the file or URL that the command was given."""
    if ledger is None:
        return written(config).config.ledger.url
    return ledger if "://" in ledger else f"sqlite:///{ledger}"


def ledger_name(config: Path | None, ledger: str | None) -> str:
    """The ledger as it is told: its file, or its URL without user and password."""
    from proxy.ledger.address import shown

    return shown(ledger_url(config, ledger)).removeprefix("sqlite:///")


@contextmanager
def ledger_book(config: Path | None, ledger: str | None) -> Iterator[Book]:
    """The book, which must be there: a wrong folder must not look like an empty ledger. What is wrong with it is told
    on stderr; exit status 1."""
    from proxy.ledger.address import is_postgres
    from proxy.ledger.book import open_book
    from proxy.ledger.schema import SPOOL, LedgerError, files, path_of

    url = ledger_url(config, ledger)
    try:
        if not is_postgres(url):
            file = path_of(url)
            if not files(file) and not files(file, SPOOL):
                fail(f"there is no ledger at {file}: run this where Turnout runs, or name the file with --ledger")
        book = open_book(url)
        try:
            yield book
        finally:
            book.close()
    except LedgerError as error:
        fail(str(error))


def kept_answer(record: UsageRecord, config: Path | None, ledger: str | None) -> Iterator[str]:
    """What was thought and answered, where the call was a stored response; else why there is nothing to show."""
    from proxy.state.kept import told

    place, found = _kept(record, config, ledger)
    if found is None:
        yield f"content      not kept: only answers of /v1/responses with 'store' are, in {place}, for state.retention"
        return
    for name, text in told(found):
        first, *rest = text.splitlines() or [""]
        yield f"{name:<13}{first}"
        yield from (f"{'':<13}{line}" for line in rest)


def _kept(record: UsageRecord, config: Path | None, ledger: str | None) -> tuple[str, dict[str, Any] | None]:
    """Where it would be, and the response object."""
    import apsw

    from proxy.ledger.address import folder_of
    from proxy.state.kept import response_of, shared_response_of
    from proxy.state.sqlite import FILE
    from proxy.state.store import StoreFailed

    redis = written(config).config.state.redis if config is not None or ledger is None else None
    if redis is not None:
        try:
            return "Redis", shared_response_of(redis, record.tenant, record.request_id)
        except StoreFailed as error:
            fail(f"stored responses cannot be read: {error}")
    file = folder_of(ledger_url(config, ledger)) / FILE
    try:
        return str(file), response_of(file, record.request_id)
    except apsw.Error as error:
        fail(f"{file} cannot be read: {error}")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What is wrong with the configuration, on stderr, one line per problem; exit status 1."""
    from proxy.settings import ConfigError

    try:
        yield
    except ConfigError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{name}: cannot be read ({error.strerror}): name a file with --config")
