"""Which language a prompt is in: by script, and for Latin script by its commonest words."""

from __future__ import annotations

import re

_SCRIPTS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]"), 0.1),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"), 0.3),
    ("zh", re.compile(r"[\u4e00-\u9fff]"), 0.3),
    ("th", re.compile(r"[\u0e00-\u0e7f]"), 0.3),
    ("hi", re.compile(r"[\u0900-\u097f]"), 0.3),
    ("bn", re.compile(r"[\u0980-\u09ff]"), 0.3),
    ("ta", re.compile(r"[\u0b80-\u0bff]"), 0.3),
    ("he", re.compile(r"[\u0590-\u05ff]"), 0.3),
    ("fa", re.compile(r"[\u067e\u0686\u0698\u06af\u06cc]"), 0.03),
    ("ar", re.compile(r"[\u0600-\u06ff]"), 0.3),
    ("el", re.compile(r"[\u0370-\u03ff]"), 0.3),
    ("uk", re.compile(r"[іїєґІЇЄҐ]"), 0.02),
    ("ru", re.compile(r"[\u0400-\u04ff]"), 0.3),
)
"""Code, its characters, and their least share of all letters; what only one language has stands before what it
shares with others."""

_TABLE = """
en the a is are what how of to and in for with this that you please can do i my it
de der die das ein eine ist und wie was mit für nicht ich sie du bitte den zu auf mir von
fr le la les un une est et comment que pour avec des du je vous ce cette quelle dans ne pas
es el la los las un una es y cómo qué para con del por este esta cuál en mi tu no se
pt o a os as um uma é e como que para com do da por este esta qual em meu não sobe isso
it il la lo gli un una è e come che per con del della di questo questa qual quale non mi
nl de het een is en hoe wat met voor niet ik je van op dit deze kun dat te maak
pl jest i jak co w z na do nie to się ten ta mi proszę czy dla jaka jaki ile
sv en ett är och hur vad med för inte jag du den det här att på av kan vilken
tr bir ve ne nasıl bu için ile mi mı değil ben sen nedir lütfen kaç hangi bana olan
cs je a jak co v s na do ne to se ten ta mi prosím pro kolik jaké který tento
ro este și cum ce în cu pe la nu un o acest această care pentru mi te rog de
vi là và của cho một không này gì như thế nào với các tôi bạn hãy được
id yang dan apa ini itu untuk dengan tidak saya kamu bagaimana di ke dari adalah berapa
"""
_COMMON = {code: frozenset(words) for code, *words in map(str.split, _TABLE.strip().splitlines())}
LANGUAGES: tuple[str, ...] = tuple(sorted({*_COMMON, *(code for code, _, _ in _SCRIPTS)}))
"""The ISO 639-1 codes that can be found."""
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE = 400


def guess_language(text: str) -> str | None:
    """ISO 639-1 code of the first 400 characters' language, or None when two or none fit."""
    sample = text[:_SAMPLE].lower()
    words = _WORD.findall(sample)
    if not sample.isascii():
        letters = sum(map(len, words)) or 1
        for code, script, share in _SCRIPTS:
            if len(script.findall(sample)) >= letters * share:
                return code
    counts = sorted(((sum(word in common for word in words), code) for code, common in _COMMON.items()), reverse=True)
    return counts[0][1] if counts[0][0] > counts[1][0] else None
