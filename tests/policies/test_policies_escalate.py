"""What makes an answer too bad to be given, as a table; and the rule's words."""

from __future__ import annotations

from typing import Any

import pytest
from book_kit import ask, decide, rules

from adapters import ir
from policies.escalation.escalate import SIGNS, Confidence, Escalation, fault, read_escalate
from policies.escalation.refusals import declines
from policies.rules.grammar import RuleErrors

ALL = Escalation(on=frozenset(SIGNS))


def reply(text: str = "Paris.", reason: ir.FinishReason = "stop", *more: ir.ReplyBlock, output: int = 5) -> ir.Reply:
    blocks = [ir.ReplyBlock("text", 0, 0, {}, text)] if text else []
    return ir.Reply(
        blocks=[*blocks, *more],
        finishes={0: ir.Finished(0, reason)},
        usage=ir.Usage(input=10, output=output),
    )


def block(kind: ir.BlockKind, text: str = "") -> ir.ReplyBlock:
    return ir.ReplyBlock(kind, 1, 0, {}, text)


JSON = {"format": ir.Format("json_object")}
SCHEMA = {"format": ir.Format("json_schema", schema={"type": "array"})}
CASES: list[tuple[str, ir.Reply, dict[str, Any], str | None]] = [
    ("good", reply(), {}, None),
    ("a refusal in words", reply("I'm sorry, but I can't help with that."), {}, "refusal"),
    ("a refusal of the vendor's", reply("", "stop", block("refusal", "No.")), {}, "refusal"),
    ("a filter", reply("Well", "content_filter"), {}, "refusal"),
    ("a polite answer", reply("I'm sorry for the delay. It is Paris."), {}, None),
    ("nothing", reply(""), {}, "empty"),
    ("blanks", reply(" \n"), {}, "empty"),
    ("thoughts only", reply("", "stop", block("reasoning", "Hm.")), {}, "empty"),
    ("nothing before a stop word", reply(""), {"stop": ("END",)}, None),
    ("a call of a tool", reply("", "tool_calls", block("tool_call", "{}")), {}, None),
    ("an image", reply("", "stop", block("image")), {}, None),
    ("cut by the backend", reply("The capital", "length"), {}, "truncated"),
    ("cut by the client", reply("The capital", "length"), {"max_output_tokens": 5}, None),
    ("nothing, cut by the client", reply("", "length"), {"max_output_tokens": 5}, None),
    ("cut before the client's limit", reply("The capital", "length"), {"max_output_tokens": 50}, "truncated"),
    ("no JSON", reply("Paris"), JSON, "invalid_json"),
    ("JSON in a fence", reply('```json\n{"a": 1}\n```'), JSON, "invalid_json"),
    ("JSON, but no object", reply("[1]"), JSON, "invalid_json"),
    ("JSON as its schema wants it", reply("[1]"), SCHEMA, None),
    ("nested without end", reply("[" * 100_000), SCHEMA, "invalid_json"),
    ("JSON was asked for, a tool is called", reply("", "tool_calls", block("tool_call")), JSON, None),
]


@pytest.mark.parametrize(("answer", "asked", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_table(answer: ir.Reply, asked: dict[str, Any], expected: str | None) -> None:
    assert fault(answer, ALL, ask(**asked)) == expected


@pytest.mark.parametrize(("answer", "asked", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_sign_that_is_not_named_does_not_count(answer: ir.Reply, asked: dict[str, Any], expected: str | None) -> None:
    others = Escalation(on=frozenset(SIGNS) - {expected})
    assert fault(answer, others, ask(**asked)) != expected or expected is None
    assert fault(answer, Escalation(on=frozenset()), ask(**asked)) is None


def test_a_limit_without_usage_is_taken_for_the_clients_own() -> None:
    answer = reply("The capital", "length")
    answer.usage = None
    assert fault(answer, ALL, ask(max_output_tokens=500)) is None


def test_every_choice_is_judged() -> None:
    answer = reply()
    answer.finishes[1] = ir.Finished(1, "stop")
    assert fault(answer, ALL, ask(n=2)) == "empty"


@pytest.mark.parametrize(("mean", "expected"), [(-0.4, None), (-1.5, None), (-1.6, "logprob"), (None, None)])
def test_the_mean_log_probability(mean: float | None, expected: str | None) -> None:
    assert fault(reply(), ALL, ask(), mean=mean) == expected


def test_confidence_overhears_and_takes_out_what_nobody_asked_for() -> None:
    told = [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -3.0}, "strange", {"logprob": float("-inf")}]
    event = ir.Delta(0, "text", "ab", told)
    for strip in (True, False):
        heard = Confidence(strip=strip)
        assert heard.mean is None
        (passed,) = heard(event)
        assert isinstance(passed, ir.Delta)
        assert (passed.data, passed.logprobs) == ("ab", None if strip else told)
        assert heard.mean == pytest.approx(-104 / 3)
        assert heard(ir.Ended()) == (ir.Ended(),)


REFUSALS = {
    "en": "I'm sorry, but I can't assist with that request.",
    "en, curly": "I’m sorry, but I can’t help with that.",
    "en, bold": "**I'm unable to help** with that.",
    "en, model": "As an AI language model, I cannot provide that information.",
    "en, bare": "I can't.",
    "es": "Lo siento, pero no puedo ayudarte con eso.",
    "fr": "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "de": "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
    "it": "Mi dispiace, ma non posso aiutarti.",
    "pt": "Desculpe, mas não posso ajudar com isso.",
    "nl": "Het spijt me, maar ik kan daar niet mee helpen.",
    "pl": "Przykro mi, ale nie mogę w tym pomóc.",
    "sv": "Tyvärr kan jag inte hjälpa till med det.",
    "tr": "Üzgünüm, ancak bu konuda yardımcı olamam.",
    "ru": "К сожалению, я не могу помочь с этим.",
    "uk": "На жаль, я не можу допомогти з цим.",
    "el": "Λυπάμαι, αλλά δεν μπορώ να βοηθήσω.",
    "ar": "عذرًا، لا أستطيع مساعدتك في ذلك.",
    "he": "אני מצטער, אבל אני לא יכול לעזור בזה.",
    "hi": "मुझे खेद है, लेकिन मैं इसमें मदद नहीं कर सकता।",
    "th": "ขออภัย ฉันไม่สามารถช่วยได้",
    "vi": "Xin lỗi, nhưng tôi không thể giúp bạn.",
    "id": "Maaf, saya tidak dapat membantu.",
    "zh": "抱歉，我无法协助处理这个请求。",
    "ja": "申し訳ありませんが、お手伝いできません。",
    "ko": "죄송하지만 도와드릴 수 없습니다.",
}


@pytest.mark.parametrize("language", REFUSALS)
def test_a_refusal_in_many_languages(language: str) -> None:
    assert declines(REFUSALS[language])


@pytest.mark.parametrize(
    "text",
    [
        "I can't believe it! That is great news.",
        "I can write that for you.",
        "Sorry for the wait: here is your function.",
        "I cannot recommend this book enough.",
        "Paris is the capital of France.",
        "Lo siento mucho por tu pérdida.",
        "Ich kann dir helfen: zuerst …",
        "",
        "I'm sorry, but I can't help with that. " + "Here is what I found instead, at length. " * 30,
    ],
)
def test_what_is_no_refusal(text: str) -> None:
    assert not declines(text)


def test_hostile_texts_are_quick() -> None:
    for text in ("I " * 100_000, "i'm sorry " * 50_000, "unfortunately " * 50_000, " " * 1_000_000):
        declines(text)


@pytest.mark.parametrize(
    "text",
    [
        "as an ai " * 24, "as an ai - " * 20, "as a large language " * 12, "as an ai I " * 18, "I'm sorry but " * 20,
        "As an AI model, sorry " * 9,
    ],
)  # fmt: skip
def test_phrases_that_are_said_again_and_again_do_not_multiply(text: str) -> None:
    """With two ways to read each phrase, these took from seconds to for ever."""
    assert not declines(text)


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I cannot help with that.", "As an AI I can't assist.",
        "As an AI developed by others, I'm sorry, but I cannot comply.",
        "I'm sorry, but as an AI assistant I am unable to provide that.", "As an AI that we built, I can't do this.",
    ],
)  # fmt: skip
def test_a_refusal_that_says_what_speaks(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize(
    ("value", "on", "below"),
    [
        (True, set(SIGNS), -1.5),
        (False, set(), -1.5),
        (["empty"], {"empty"}, -1.5),
        ({"on": ["logprob"], "logprob_below": -2}, {"logprob"}, -2.0),
        ({"logprob_below": -0.7}, set(SIGNS), -0.7),
    ],
)
def test_the_rules_words(value: Any, on: set[str], below: float) -> None:
    found, problems = read_escalate(value, ())
    assert problems == []
    assert found == Escalation(on=frozenset(on), logprob_below=below)


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ("refusal", ("escalate",), "takes true or a list of refusal, empty"),
        (["refusals"], ("escalate", 0), "did you mean 'refusal'?"),
        ({"when": []}, ("escalate", "when"), "unknown word 'when'"),
        ({"on": ["emtpy"]}, ("escalate", "on", 0), "did you mean 'empty'?"),
        ({"logprob_below": 1}, ("escalate", "logprob_below"), "must be a number below 0"),
        ({"logprob_below": "x"}, ("escalate", "logprob_below"), "must be a number below 0"),
        (["empty", {}], ("escalate", 1), "unknown sign {}"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: Any, place: tuple[Any, ...], words: str) -> None:
    _, problems = read_escalate(value, ("escalate",))
    assert any(path == place and words in text for path, text in problems), problems


def test_a_mistake_in_the_file_is_refused() -> None:
    with pytest.raises(RuleErrors, match="did you mean 'refusal'"):
        rules("{use: [local, cloud], escalate: [refusl]}")


def test_the_trace_says_who_is_judged_and_what_cannot_be() -> None:
    book = rules("{use: [oss, claude], escalate: true}")
    trace = "\n".join(decide(book, ask()).trace)
    assert "an answer of oss is collected and judged (refusal, empty, truncated, invalid_json, logprob)" in trace
    vectors = decide(book, None, api="embeddings").trace
    assert not any("escalate:" in line for line in vectors), "nobody judges a vector"
    alone = decide(rules("{use: [oss], escalate: true}"), ask())
    assert not any("judged" in line for line in alone.trace)
