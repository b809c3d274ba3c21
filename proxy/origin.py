"""Where the configuration comes from: a file, or the embedded defaults with what this machine has to offer."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from adapters.providers import PROVIDERS
from proxy import defaults
from proxy.config import cards_file, wants_embedded, with_cards, with_embedded
from proxy.control import LIMIT
from proxy.defaults import LocalServer
from proxy.settings import ConfigError, Problem

_LOOK_SECONDS = 0.3
"""How long a port may take to prove that it is a model server (decision D23)."""
_LOOK_BYTES = 1024 * 1024
LOCAL = ("vllm", "ollama", "llama_cpp", "lm_studio")
"""Whose default ports are looked at."""


class _Models(msgspec.Struct):
    object: str
    data: list[_Model]


class _Model(msgspec.Struct):
    id: str


class Origin:
    """Reads the configuration text, again at every reload.

    ``text`` is the one in force. The demo's socket is bound once and listens only when a configuration needs it: every
    worker serves on it, so that every worker builds the same text.
    """

    def __init__(self, path: Path | None, env: Mapping[str, str]) -> None:
        self.path = path
        self.name = str(path) if path is not None else defaults.EMBEDDED
        self.env = dict(env)
        self.text = ""
        self.written: str | None = None
        """The file's own text as it was last read; None without a file."""
        self.demo = socket.socket()
        self.demo.bind(("127.0.0.1", 0))
        self._cards: Path | None = None
        self._seen: tuple[bytes | None, ...] = ()

    def read(self) -> str:
        """The text, filled in where it asks for that, with the model cards. Raises ConfigError or OSError."""
        if self.path is None:
            return with_cards(self._embedded(), file=self.name, env=self.env)
        raw = self.path.read_bytes()
        self._seen = (raw, _bytes(self._cards))
        text = self.written = decoded(raw, self.name)
        self._cards = cards_file(text, file=self.name, env=self.env)
        self._seen = (raw, _bytes(self._cards))
        return self.whole(text)

    def look(self) -> str:
        """What ``read`` would answer now, with nothing taken for read. Raises ConfigError or OSError."""
        if self.path is None:
            return with_cards(self._embedded(), file=self.name, env=self.env)
        return self.whole(decoded(self.path.read_bytes(), self.name))

    def whole(self, text: str) -> str:
        """The file's text, filled in where it asks for that, with the model cards. Raises ConfigError."""
        if wants_embedded(text, file=self.name, env=self.env):
            text = with_embedded(text, self._embedded())
        return with_cards(text, file=self.name, env=self.env)

    def changed(self) -> bool:
        """Does the file, or that of the model cards, say something else than when it was last read?"""
        return self.path is not None and (_bytes(self.path), _bytes(self._cards)) != self._seen

    def folders(self) -> set[Path]:
        """What must be watched to learn of changes; a folder for cards that is not there cannot be."""
        found = set() if self.path is None else {self.path.parent}
        return found if self._cards is None or not self._cards.parent.is_dir() else found | {self._cards.parent}

    def _embedded(self) -> str:
        servers = local_servers()
        demo = f"http://127.0.0.1:{self.demo.getsockname()[1]}"
        if not servers and not any(row.key_env and self.env.get(row.key_env) for row in PROVIDERS.values()):
            return defaults.embedded(self.env, (), demo)
        return defaults.embedded(self.env, servers, None)


def _bytes(path: Path | None) -> bytes | None:
    """What the file says; None where it cannot be read."""
    try:
        return path.read_bytes() if path is not None else None
    except OSError:
        return None


def decoded(raw: bytes, name: str) -> str:
    """The text of a configuration file. Raises ConfigError: too large, or not UTF-8."""
    if len(raw) > LIMIT // 2:
        raise ConfigError([Problem(name, 1, f"the file is larger than {LIMIT // 2} bytes")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(name, line, "the file is not UTF-8")]) from None


def local_servers() -> list[LocalServer]:
    """The model servers that answer on this machine's usual ports; nothing off loopback is asked."""
    found = []
    for provider in LOCAL:
        base_url = PROVIDERS[provider].base_url
        model = _first_model(base_url) if base_url else None
        if base_url and model is not None:
            found.append(LocalServer(provider, base_url, model))
    return found


def _first_model(base_url: str) -> str | None:
    """The first model of a server that answers an OpenAI list in time; anything else is no model server."""
    address = urlsplit(base_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_LOOK_SECONDS)
    try:
        connection.request("GET", f"{address.path}/models")
        answer = connection.getresponse()
        listed = msgspec.json.decode(answer.read(_LOOK_BYTES), type=_Models)
    except (OSError, HTTPException, msgspec.MsgspecError):
        return None
    finally:
        connection.close()
    if answer.status != 200 or listed.object != "list" or not listed.data:
        return None
    return listed.data[0].id
