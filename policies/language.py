"""Which language a prompt is in: by script, and for Latin script by its commonest words."""

from __future__ import annotations

import re

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("fa", re.compile(r"[\u067e\u0686\u0698\u06af\u06cc]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("uk", re.compile(r"[іїєґІЇЄҐ]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
"""In this order: what only one language has comes before what it shares."""

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
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE = 400


def guess_language(text: str) -> str | None:
    """ISO 639-1 code of the first 400 characters' language, or None when two or none fit."""
    sample = text[:_SAMPLE]
    if not sample.isascii():
        letters = len(_WORD.findall(sample)) or 1
        for code, script in _SCRIPTS:
            if len(script.findall(sample)) >= letters / 2:
                return code
    words = [word.lower() for word in _WORD.findall(sample)]
    counts = sorted(((sum(word in common for word in words), code) for code, common in _COMMON.items()), reverse=True)
    return counts[0][1] if counts[0][0] > counts[1][0] else None
