"""Secrets of the keys that we make: drawn here, and known by their form to us and to whoever looks for leaked ones.

``sk-turnout-``, 32 random letters and digits (190 bits), and 6 more that check them: what has another form was never
made here, so that nobody need be asked about it.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX = "sk-turnout-"
_LETTERS = string.digits + string.ascii_letters
_RANDOM, _CHECK = 32, 6
_FORM = re.compile(f"{PREFIX}([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECK}}})")


def made() -> str:
    """A new secret."""
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{PREFIX}{drawn}{_check(drawn)}"


def is_ours(text: str) -> bool:
    """Can this be a secret that was made here?"""
    found = _FORM.fullmatch(text)
    return found is not None and found[2] == _check(found[1])


def _check(drawn: str) -> str:
    """CRC-32 in base 62."""
    number, text = zlib.crc32(drawn.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_LETTERS))
        text = _LETTERS[digit] + text
    return text
