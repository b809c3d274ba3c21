"""The built-in detectors: does a text hold a card number, an account, a key …? Each in time linear in the text.

All are expressions whose every search ends after a bounded number of steps from each place, and numbers with a check
digit are checked. They look for ASCII spellings; what is encoded, split or spelled out they do not see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

Detector: TypeAlias = Callable[[str], bool]

_CARD = re.compile(
    r"[2-6](?<![0-9][2-6])(?<![0-9]\.[2-6])(?:"
    r"(?<=4)[0-9]{12}(?:[0-9]{3}){0,2}"  # Visa
    r"|(?:(?<=5)[1-5]|(?<=2)[2-7])[0-9]{14}"  # Mastercard
    r"|(?<=3)(?:[47][0-9]{13}"  # American Express
    r"|(?:0[0-5]|[68][0-9])[0-9]{11}"  # Diners Club
    r"|5[0-9]{14})"  # JCB
    r"|(?<=6)[0-9]{15,18}"  # Discover, UnionPay, Maestro
    r"|[0-9]{3}(?P<four>[ -])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{4}"
    r"|(?<=3)[0-9]{3}(?P<six>[ -])[0-9]{6}(?P=six)[0-9]{4,5}"
    r")(?![0-9])"
)
"""Card numbers by the ranges of their issuers (ISO/IEC 7812), solid or in their usual groups."""
_DIGITS = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(bytes(range(10)), bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))

_IBAN = re.compile(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z][0-9]{2}"
    r"(?:[A-Z0-9]{11,30}(?![A-Za-z0-9])|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)"
)
_IBAN_LENGTHS = {
    length: frozenset(countries.split())
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
}  # fmt: skip
"""Lengths of the IBAN registry (SWIFT, ISO 13616)."""
_LENGTH_OF = {country: length for length, countries in _IBAN_LENGTHS.items() for country in countries}
_NUMBERS = {ord(sign): str(int(sign, 36)) for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

_SSN = re.compile(r"[0-8](?<![0-9-][0-8])[0-9]{2}(?<!000)(?<!666)([- ])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![0-9-])")
_EMAIL = re.compile(
    r"@(?<=[A-Za-z0-9_%+-]@)[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_PHONE = re.compile(r"\+(?<![0-9A-Za-z+]\+)[1-9][0-9]{0,2}(?:[ ./()-]{0,2}[0-9]){7,12}(?![0-9])")
"""International spellings only: a number without its country is a number like any other."""
_KEYS = (
    r"sk-[A-Za-z0-9_-]{20}", r"AKIA[0-9A-Z]{16}", r"AIza[0-9A-Za-z_-]{35}", r"gh[pousr]_[A-Za-z0-9]{36}",
    r"github_pat_[A-Za-z0-9_]{22}", r"glpat-[A-Za-z0-9_-]{20}", r"xox[abposr]-[A-Za-z0-9-]{10}",
    r"sk_live_[A-Za-z0-9]{16}", r"rk_live_[A-Za-z0-9]{16}", r"hf_[A-Za-z0-9]{30}",
    r"eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8}",
)  # fmt: skip
_SECRET = re.compile(
    "|".join(
        [
            "-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----",
            *(rf"{key[0]}(?<![A-Za-z0-9_-]{key[0]}){key[1:]}" for key in _KEYS),
        ]
    )
)
"""Private keys in PEM, the keys of well-known services by their prefixes, and JSON Web Tokens."""


def has_card(text: str) -> bool:
    """A payment card's number: of a known issuer, with a right check digit (Luhn)."""
    return any(luhn(match[0]) for match in _CARD.finditer(text))


def luhn(number: str) -> bool:
    """Is the last digit the check digit of the others (ISO/IEC 7812-1)? Blanks and hyphens do not count."""
    digits = number.encode().translate(_DIGITS, b" -")[::-1]
    return (sum(digits[::2]) + sum(digits[1::2].translate(_DOUBLED))) % 10 == 0


def has_iban(text: str) -> bool:
    """An IBAN: of its country's length, with right check digits (mod 97)."""
    return any(mod_97(match[0]) for match in _IBAN.finditer(text))


def mod_97(told: str) -> bool:
    """Does an IBAN stand at the beginning of this text (ISO 7064)? Blanks between its signs do not count."""
    signs = told.replace(" ", "")
    length = _LENGTH_OF.get(signs[:2])
    if length is None or len(signs) < length:
        return False
    whole = signs[4:length] + signs[:4]
    return int(whole.translate(_NUMBERS)) % 97 == 1


DETECTORS: Mapping[str, Detector] = {
    "card": has_card,
    "iban": has_iban,
    "ssn": lambda text: _SSN.search(text) is not None,
    "email": lambda text: _EMAIL.search(text) is not None,
    "phone": lambda text: _PHONE.search(text) is not None,
    "secret": lambda text: _SECRET.search(text) is not None,
}
"""Kind -> does a text hold one?"""
