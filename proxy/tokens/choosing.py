"""Which tokenizer counts for a backend, from its entry in the configuration; and what is wrong with the choice."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path as FilePath

import msgspec
from msgspec import Struct

from adapters import tokenizing
from adapters.providers import PROVIDERS, Provider
from adapters.tokenizing import TextEndpoint
from proxy.settings.grammar import Document
from proxy.settings.shape import did_you_mean
from proxy.settings.upstreams import BackendEntry
from proxy.tokens.vocabularies import VOCABULARIES

AUTO, SERVER, OFF = "auto", "server", "off"
_WORDS = (AUTO, SERVER, OFF, *VOCABULARIES)
_LIBRARY = "tokenizers"


class Tokenizer(Struct, frozen=True):
    """Who counts: the backend's own server, or we by ``name``: a vocabulary that we ship, or the path of a file."""

    name: str = SERVER
    server: TextEndpoint | None = None


def chosen(entry: BackendEntry) -> Tokenizer | None:
    """Of a checked entry; None: nobody can count what this model says. Where only summaries of its reasoning are shown,
    nobody can (D25): the count of a summary would be taken for the count of what was thought."""
    row = PROVIDERS[entry.provider]
    wanted = _automatic(entry, row) if entry.tokenizer == AUTO else entry.tokenizer
    if wanted == OFF or row.summarises:
        return None
    if wanted == SERVER:
        return Tokenizer(SERVER, tokenizing.ENDPOINTS[row.tokenizes]) if row.tokenizes is not None else None
    return Tokenizer(wanted)


def _automatic(entry: BackendEntry, row: Provider) -> str:
    return SERVER if row.tokenizes is not None else tokenizing.vocabulary(entry.model) or OFF


def rooted(document: Document, folder: FilePath) -> Document:
    """The document with the paths of its tokenizers absolute; relative ones start at ``folder``, its own."""
    backends = {
        name: msgspec.structs.replace(entry, tokenizer=str(folder.absolute() / entry.tokenizer))
        if _is_path(entry.tokenizer)
        else entry
        for name, entry in document.backends.items()
    }
    return msgspec.structs.replace(document, backends=backends)


def problem(entry: BackendEntry, row: Provider) -> str | None:
    """What is wrong with it, and the mend."""
    wanted = entry.tokenizer
    if _is_path(wanted):
        return _unusable(FilePath(wanted))
    if wanted not in _WORDS:
        return f"no tokenizer '{wanted}': {did_you_mean(wanted, _WORDS)}; a file is named with its path and .json"
    if wanted == SERVER and row.tokenizes is None:
        able = ", ".join(name for name, other in PROVIDERS.items() if other.tokenizes is not None)
        return (
            f"{entry.provider} has no endpoint that counts a text ({able} have one): name a vocabulary or the path of "
            "a tokenizer.json, or write auto"
        )
    return None


def notice(entry: BackendEntry, row: Provider) -> str | None:
    """What the operator should know of a choice that changes nothing."""
    if not row.summarises or entry.tokenizer in (AUTO, OFF):
        return None
    return f"'tokenizer' has no effect: {entry.provider} shows summaries of its reasoning, and reports its tokens"


def _is_path(wanted: str) -> bool:
    return "/" in wanted or wanted.endswith(".json")


def _unusable(path: FilePath) -> str | None:
    if find_spec(_LIBRARY) is None:
        return f"a tokenizer file needs the library {_LIBRARY}: pip install 'turnout[{_LIBRARY}]'"
    if path.is_dir():
        return f"'{path}' is a folder: write {path / 'tokenizer.json'}"
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        return f"cannot read '{path}' ({error.strerror}): mount it or fix the path, which starts at this file"
    return None if first == b"{" else f"'{path}' is no tokenizer.json (it does not begin with an object)"
