"""How models decline, in many languages: the words that begin a short answer that is no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from policies.text import estimate_tokens

MOST_TOKENS = 120
"""A longer answer says more than that it declines; our own limit."""

_LEAD = re.compile(r"^[\s\W_]+")
_CANNOT = r"(?:can'?t|cannot|can not|won'?t|will not|couldn'?t|could not|must decline|have to decline|need to decline)"
_UNABLE = (
    r"(?:(?:am|'m|are)\s+(?:not able|unable|not allowed|not permitted|not comfortable|not in a position)\s+(?:to|with))"
)
_APOLOGY = (
    r"(?:(?:i'?m|i am|we'?re)\s+(?:very\s+|so\s+|really\s+)?(?:sorry|afraid)|sorry|my apologies|i apologi[sz]e"
    r"|apologies|unfortunately|regrettably|thank you for asking"
    r"|(?>as an? (?:ai|artificial intelligence|large language)"
    rf"[^,.!]{{0,40}}?(?=[,.!]|\s(?:i|we)\s*(?:{_CANNOT}|{_UNABLE}))))"
)
"""What it is that speaks reaches to a comma or to what it cannot do, in one way only: with several the time would
double with each phrase that is said again."""
_HELP = (
    r"(?:help|assist|comply|fulfil+|provide|answer|do that|do this|discuss|engage|support|continue|proceed|process"
    r"|generate|create|write|complete|satisfy|accommodate|share|give|offer|participate|respond|handle|advise|tell|say)"
)
_ENGLISH = re.compile(
    rf"(?:{_APOLOGY}[\s,.!:;-]*(?:but\s+|that\s+|because\s+)?)*(?:i|we)\s*(?:{_CANNOT}|{_UNABLE})"
    rf"(?:\s+(?:be able to|directly|currently|really|in good conscience|provide|to))*\s*(?:{_HELP}\b|[.!]?$)"
)
"""``I can't believe it`` is no refusal: what cannot be done must be to help, or the like."""

_OTHERS: Mapping[str, tuple[str, ...]] = {
    "es": (
        "lo siento, pero no puedo", "lo siento, no puedo", "lamento no poder", "no puedo ayudarte con",
        "no puedo cumplir con", "no puedo ayudarle con", "no puedo proporcionar", "me temo que no puedo",
        "lo siento, pero como",
    ),
    "fr": (
        "je suis désolé, mais je ne peux", "je suis désolée, mais je ne peux", "désolé, je ne peux",
        "désolé, mais je ne peux", "je ne peux pas vous aider", "je ne peux pas répondre à",
        "je ne suis pas en mesure", "je regrette, mais je ne peux",
    ),
    "de": (
        "es tut mir leid, aber ich kann", "tut mir leid, aber ich kann", "es tut mir leid, ich kann",
        "tut mir leid, ich kann", "ich kann dir dabei nicht helfen", "ich kann ihnen dabei nicht helfen",
        "ich kann dabei nicht helfen", "leider kann ich", "dabei kann ich nicht helfen",
        "dabei kann ich dir nicht", "dabei kann ich ihnen nicht",
    ),
    "it": (
        "mi dispiace, ma non posso", "mi dispiace, non posso", "non posso aiutarti", "non posso aiutarla",
        "purtroppo non posso",
    ),
    "pt": (
        "desculpe, mas não posso", "desculpe, não posso", "sinto muito, mas não posso", "lamento, mas não posso",
        "não posso ajudar", "infelizmente, não posso", "infelizmente não posso", "desculpa, mas não posso",
    ),
    "nl": (
        "het spijt me, maar ik kan", "sorry, maar ik kan", "helaas kan ik", "ik kan je daar niet mee",
        "ik kan u daar niet mee",
    ),
    "sv": (
        "jag är ledsen, men jag kan", "tyvärr kan jag inte", "jag kan inte hjälpa",
    ),
    "da": (
        "beklager, men jeg kan", "jeg beklager, men jeg kan", "desværre kan jeg ikke", "jeg kan ikke hjælpe",
    ),
    "no": (
        "beklager, men jeg kan", "dessverre kan jeg ikke", "jeg kan ikke hjelpe",
    ),
    "fi": (
        "olen pahoillani, mutta en voi", "valitettavasti en voi", "en voi auttaa",
    ),
    "pl": (
        "przykro mi, ale nie mogę", "przepraszam, ale nie mogę", "niestety nie mogę", "nie mogę pomóc",
    ),
    "cs": (
        "omlouvám se, ale nemohu", "bohužel nemohu", "je mi líto, ale nemohu", "nemohu vám pomoci",
    ),
    "ro": (
        "îmi pare rău, dar nu pot", "din păcate, nu pot", "din păcate nu pot", "nu te pot ajuta",
    ),
    "hu": (
        "sajnálom, de nem", "sajnos nem tudok", "nem tudok segíteni",
    ),
    "tr": (
        "üzgünüm, ancak", "üzgünüm, ama", "üzgünüm, bu konuda", "maalesef bu", "bu konuda yardımcı olamam",
    ),
    "ru": (
        "извините, но я не могу", "к сожалению, я не могу", "простите, но я не могу", "я не могу помочь",
        "мне жаль, но я не могу",
    ),
    "uk": (
        "вибачте, але я не можу", "на жаль, я не можу", "перепрошую, але я не можу", "я не можу допомогти",
    ),
    "el": (
        "λυπάμαι, αλλά δεν μπορώ", "συγγνώμη, αλλά δεν μπορώ", "δυστυχώς δεν μπορώ",
    ),
    "ar": (
        "آسف، لا أستطيع", "عذرًا، لا أستطيع", "عذرا، لا أستطيع", "عذرًا، لا يمكنني", "عذرا، لا يمكنني",
        "أنا آسف، لكن", "لا أستطيع مساعدتك", "لا يمكنني مساعدتك",
    ),
    "he": (
        "אני מצטער, אבל אני לא יכול", "מצטער, אבל אני לא יכול", "אני לא יכול לעזור",
    ),
    "fa": (
        "متأسفم، اما نمی", "متاسفم، اما نمی", "متأسفم، نمی", "نمی‌توانم کمک",
    ),
    "hi": (
        "मुझे खेद है, लेकिन मैं", "क्षमा करें, मैं", "क्षमा करें, लेकिन मैं", "मैं इसमें मदद नहीं कर",
    ),
    "bn": (
        "দুঃখিত, আমি", "আমি দুঃখিত, কিন্তু",
    ),
    "th": (
        "ขออภัย ฉันไม่สามารถ", "ขออภัยค่ะ", "ขออภัยครับ", "ขอโทษ ฉันไม่สามารถ", "ฉันไม่สามารถช่วย",
    ),
    "vi": (
        "xin lỗi, nhưng tôi không thể", "xin lỗi, tôi không thể", "tôi rất tiếc, nhưng tôi không thể",
        "tôi không thể giúp",
    ),
    "id": (
        "maaf, saya tidak bisa", "maaf, saya tidak dapat", "maaf, tetapi saya tidak", "saya tidak dapat membantu",
        "saya tidak bisa membantu",
    ),
    "zh": (
        "抱歉，我无法", "抱歉，我不能", "对不起，我无法", "对不起，我不能", "很抱歉，我无法", "很抱歉，我不能",
        "非常抱歉，我无法", "我无法提供", "我无法协助", "我无法帮助", "我不能协助", "我不能提供", "抱歉，我無法",
        "對不起，我無法", "很抱歉，我無法", "我無法提供", "我無法協助",
    ),
    "ja": (
        "申し訳ありませんが", "申し訳ございませんが", "すみませんが、お", "申し訳ないのですが",
        "お手伝いできません", "お答えできません", "その質問にはお答え",
    ),
    "ko": (
        "죄송하지만", "죄송합니다만", "죄송합니다. 저는", "죄송합니다, 저는", "도와드릴 수 없",
    ),
}  # fmt: skip
"""Language -> how a refusal begins in it."""
_STARTS = tuple(start for starts in _OTHERS.values() for start in starts)
_FOLD = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "*": "", "_": ""})


def declines(text: str) -> bool:
    """Does this answer do nothing but decline? False alarms cost money only; a long answer is never one."""
    head = _LEAD.sub("", text[:200]).translate(_FOLD).casefold()
    if not head or estimate_tokens(text) > MOST_TOKENS:
        return False
    return head.startswith(_STARTS) or _ENGLISH.match(head) is not None
