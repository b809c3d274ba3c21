"""A long conversation with facts planted in its old turns, and simulated models that shorten it well, badly or falsely."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from scripted import Answer, Asked, whole

from policies.text import estimate_tokens

FACTS = {
    3: "The project's code name is BLUEFIN-42 and its budget is 48,300 EUR.",
    5: "Marie Okonkwo signs the contract on 2026-03-14 at 17:30.",
    7: "The gateway listens on 10.20.30.40:8443, and its log is /var/log/gate/access.log.",
    9: "Call rotate_keys() before flushQueue(), never after it.",
    11: "The supplier's e-mail is orders@brasserie-lumen.example and the reference is RX-7719/B.",
    13: "Our fallback region is eu-north-1; the quota there is 12.5 %.",
    15: 'The customer said "no deliveries on Fridays" and wants it in writing.',
    17: "The password hint is heron, and Tomasz keeps the paper copy.",
}
"""Turn -> what is said in it."""
PLANTED = (
    "BLUEFIN-42", "48,300", "EUR", "Marie Okonkwo", "2026-03-14", "17:30", "10.20.30.40:8443", "/var/log/gate/access.log",
    "rotate_keys", "flushQueue", "orders@brasserie-lumen.example", "RX-7719/B", "eu-north-1", "12.5",
    "no deliveries on Fridays", "heron", "Tomasz",
)  # fmt: skip
FILLER = (
    "It is worth going over the reasoning once more before anything is decided, because small details matter here.",
    "There are several ways to look at it, and each of them has something to be said for it in the long run.",
    "In general it helps to keep the plan simple and to write down what was agreed on along the way.",
    "That being said, nothing speaks against trying the other way first and seeing how it turns out in practice.",
    "It may also be useful to ask the people who will have to live with the result what they think about it.",
    "On the whole the picture is clear enough to go on, even if some questions remain open for the moment.",
)
Json: TypeAlias = dict[str, Any]


def filler(turn: int, sentences: int) -> str:
    return " ".join(FILLER[(turn + at) % len(FILLER)] for at in range(sentences))


def conversation(turns: int = 30, sentences: int = 12, *, tools: bool = True) -> list[Json]:
    """Chat messages: ``turns`` turns, facts in the middle of the old ones, a tool called and answered in turn 20."""
    messages: list[Json] = [{"role": "system", "content": "You are the assistant of a small logistics company."}]
    for turn in range(1, turns):
        role = "user" if turn % 2 else "assistant"
        half = filler(turn, sentences // 2)
        text = f"{half} {FACTS[turn]} {half}" if turn in FACTS else filler(turn, sentences)
        if turn == 20 and tools:
            messages += called(text)
        else:
            messages.append({"role": role, "content": text})
    return [*messages, {"role": "user", "content": "So what is the next step?"}]


def called(text: str) -> list[Json]:
    function = {"name": "look_up", "arguments": '{"reference": "RX-7719/B", "why": "' + filler(1, 8) + '"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": f"Found: parcel 553-A. {text} Weight 18.4 kg."},
        {"role": "assistant", "content": "The parcel is there."},
    ]


# --- the simulated local model: it is asked with numbered texts and answers with shorter ones ------------------------

_TEXT = re.compile(r"<text-(\d+)>\n(.*?)\n</text-\1>", re.DOTALL)
_TELLING = re.compile(r"\d|[A-Z]\w+ [A-Z]|[a-z][A-Z]|[_@/\"]|heron|is called")
Condenser: TypeAlias = Callable[[str], str]


def extractive(text: str) -> str:
    """A good one: the sentences that say something, and the first of the others."""
    sentences = re.findall(r"[^.!?]+(?:[.!?](?=\S)[^.!?]*)*[.!?]?", text)
    telling = [s.strip() for s in sentences if _TELLING.search(s.strip()[1:])]
    return " ".join(dict.fromkeys([sentences[0].strip(), *telling]))


def forgetful(text: str) -> str:
    """A bad one: the beginning, and nothing of what came after it."""
    return text[:80]


def lying(text: str) -> str:
    """A worse one: shorter, and with numbers of its own."""
    return f"{text[:40]} The budget is 99,999 USD."


def asleep(text: str) -> str:
    """One that answers with the text itself."""
    return text


def shortened(asked: Asked, condense: Condenser) -> Answer:
    """The local model's answer, with a usage that is about the truth."""
    said = asked.body["messages"][-1]["content"]
    text = "\n".join(f"<text-{n}>\n{condense(each)}\n</text-{n}>" for n, each in _TEXT.findall(said))
    return completion(text, sum(estimate_tokens(m["content"]) for m in asked.body["messages"]))


def completion(text: str, tokens: int, cached: int = 0) -> Answer:
    """A chat answer that costs ``tokens`` of input."""
    spent = estimate_tokens(text)
    usage: Json = {"prompt_tokens": tokens, "completion_tokens": spent, "total_tokens": tokens + spent}
    usage["prompt_tokens_details"] = {"cached_tokens": cached}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return whole(
        {"id": "up", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    )


def sizes(body: Json) -> list[int]:
    """Tokens of each message, by the estimate."""
    return [estimate_tokens(msgspec.json.encode(message).decode()) for message in body["messages"]]


class PrefixCache:
    """A vendor that keeps prefixes of whole messages by itself, as OpenAI does, and tells what it read from them."""

    def __init__(self) -> None:
        self._kept: set[bytes] = set()

    def __call__(self, asked: Asked) -> Answer:
        raw, at, cached = b"", 0, 0
        for message, size in zip(asked.body["messages"], sizes(asked.body), strict=True):
            raw += msgspec.json.encode(message)
            at += size
            cached = at if raw in self._kept else cached
            self._kept.add(raw)
        return completion("The next step is to call the supplier.", at, cached if cached >= 1024 else 0)
