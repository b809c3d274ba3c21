"""Seals what must travel through clients: authenticated, bound to a tenant, readable by nobody but us (decision D7)."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.settings.units import Secrets

PREFIX = "turnout1."
"""How a sealed text begins."""
FILE = "turnout.secret"
"""Beside the ledger, when the operator gave no secret."""
_NONCE = 12


def secrets_of(own: Secrets | None, folder: Path) -> list[bytes]:
    """The operator's ``server.secret``, else one that is made once and kept in ``folder``, readable by us alone."""
    if own is not None:
        return [secret.reveal().encode() for secret in own]
    path = folder / FILE
    made = path.with_name(f"{FILE}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(32)))
        # Linked into place whole: of several workers that start at once, one wins and all read the same.
        with suppress(FileExistsError):
            path.hardlink_to(made)
        made.unlink()
    return [path.read_bytes()]


class Seals:
    """The keys of one house: the first seals, all unseal."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [AESGCM(sha256(b"turnout seal\0" + secret).digest()) for secret in secrets]

    def close(self, tenant: str, plain: bytes) -> str:
        """The sealed text, for this tenant alone."""
        nonce = os.urandom(_NONCE)
        closed = nonce + self._keys[0].encrypt(nonce, plain, tenant.encode())
        return PREFIX + base64.urlsafe_b64encode(closed).decode()

    def open(self, tenant: str, text: str) -> bytes | None:
        """What was sealed; None for what we did not seal, or not for this tenant."""
        if not text.startswith(PREFIX):
            return None
        try:
            closed = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
        except ValueError:
            return None
        for key in self._keys:
            try:
                return key.decrypt(closed[:_NONCE], closed[_NONCE:], tenant.encode())
            except (InvalidTag, ValueError):
                continue
        return None
