"""Seals what must travel through clients: authenticated, bound to a tenant, readable by nobody but us (decision D7)."""

from __future__ import annotations

import base64
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.states import PREFIX
from proxy.settings.units import Secrets
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE = "turnout.secret"
"""Beside the ledger, when the operator gave no secret."""
_NONCE = 12
_NAME = 16
_MADE = 32
"""Random bytes of a secret that we make."""


class Seals:
    """The keys of one house: the first seals, all unseal.

    They are the operator's ``server.secret``, else one that is made once and kept in ``folder``, readable by us alone.
    """

    def __init__(self, own: Secrets | None, folder: Path) -> None:
        """Raises StoreFailed when the kept secret can be neither read nor made."""
        self._folder = folder
        self.adopt(own)

    def adopt(self, own: Secrets | None) -> None:
        """Follow the configuration; what was sealed with a secret no longer listed stays shut. Raises StoreFailed."""
        self._keys = self.read(own)

    def read(self, own: Secrets | None) -> list[bytes]:
        """The keys that ``adopt`` would follow. Raises StoreFailed."""
        secrets = [_kept(self._folder / FILE)] if own is None else [secret.reveal().encode() for secret in own]
        return [sha256(b"turnout seal\0" + secret).digest() for secret in secrets]

    def close(self, tenant: str, plain: bytes) -> str:
        """The sealed text, for this tenant alone."""
        nonce = os.urandom(_NONCE)
        closed = nonce + _cipher(self._keys[0]).encrypt(nonce, plain, tenant.encode())
        return PREFIX + base64.urlsafe_b64encode(closed).decode()

    def name(self, tenant: str, told: bytes) -> bytes:
        """What ``told`` is called for this tenant: a keyed hash, from which nobody can tell what it was."""
        return blake2b(
            len(tenant.encode()).to_bytes(4) + tenant.encode() + told, key=self._keys[0], digest_size=_NAME
        ).digest()

    def open(self, tenant: str, text: str) -> bytes | None:
        """What was sealed; None for what we did not seal, or not for this tenant."""
        if not text.startswith(PREFIX):
            return None
        try:
            closed = base64.b64decode(text.removeprefix(PREFIX), b"-_", validate=True)
        except ValueError:
            return None
        from cryptography.exceptions import InvalidTag

        for key in self._keys:
            with suppress(InvalidTag, ValueError):
                return _cipher(key).decrypt(closed[:_NONCE], closed[_NONCE:], tenant.encode())
        return None


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> AESGCM:
    """Made when something is first sealed: the library takes 7 MiB."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _kept(path: Path) -> bytes:
    """The secret in this file, which is made if it is not there."""
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes()
    except OSError as error:
        mend = "set 'server.secret', or see that it can be read and written"
        raise StoreFailed(f"{path}: {error.strerror or type(error).__name__}: {mend}.") from None
    if len(secret) < _MADE:
        raise StoreFailed(f"{path} holds no secret: delete it, and a new one is made; or set 'server.secret'.")
    return secret


def _make(path: Path) -> None:
    """Linked into place whole: of several workers that start at once one wins, and all read the same."""
    descriptor, made = tempfile.mkstemp(prefix=f"{FILE}.", dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(_MADE)))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(made)
    finally:
        Path(made).unlink()
