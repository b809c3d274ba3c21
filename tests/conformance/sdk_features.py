"""What must work in every cell, each feature written once: it asks, judges what it was told, and gives it back."""

from __future__ import annotations

import json
from collections.abc import Callable

from sdk_words import CLOCK, PIXEL, WEATHER, Answer, Person, Question, Result, Said, user

Ask = Callable[[Question], Answer]
Told = list[Answer]


def text(ask: Ask) -> Told:
    told = ask(Question((user("What is “Größe” in 日本語? 🙂"),)))
    assert told.finish == "stop"
    assert "日本語? 🙂" in told.text
    return [told]


def turns(ask: Ask) -> Told:
    """Several turns, with a system and a developer message."""
    opening = (Said("system", "Be kind."), Said("developer", "Be brief."), user("My name is Ada."))
    first = ask(Question(opening))
    second = ask(Question((*opening, first, user("And what is my name?"))))
    assert "And what is my name?" in second.text
    assert second.usage[0] > first.usage[0] + 8
    return [first, second]


def tools(ask: Ask) -> Told:
    """A full loop: the call, its result, the answer that uses it."""
    question = (user("Weather in Paris"),)
    first = ask(Question(question, tools=(WEATHER,)))
    assert first.finish == "tool_calls"
    assert [(name, json.loads(args)) for name, args in first.calls] == [
        ("get_weather", {"city": "Paris", "unit": "celsius"})
    ]
    result = Result(first.call_ids[0], "sunny, 21 °C")
    last = ask(Question((*question, first, result), tools=(WEATHER,)))
    assert last.finish == "stop"
    assert "the tool said sunny, 21 °C" in last.text
    return [first, last]


def parallel_tools(ask: Ask) -> Told:
    """Two calls at once, two results, and a second loop after them."""
    question = (user("Weather and time in Paris, in parallel"),)
    first = ask(Question(question, tools=(WEATHER, CLOCK)))
    assert [name for name, _ in first.calls] == ["get_weather", "get_time"]
    assert len(set(first.call_ids)) == 2
    results = tuple(Result(ident, f"result {n}") for n, ident in enumerate(first.call_ids))
    then = (*question, first, *results)
    second = ask(Question(then, tools=(WEATHER, CLOCK)))
    assert "result 0; result 1" in second.text
    third = ask(Question((*then, second, user("And in Rome?")), tools=(WEATHER, CLOCK)))
    assert third.finish == "tool_calls"
    return [first, second, third]


def chosen_tools(ask: Ask) -> Told:
    """tool_choice required, named and none; parallel calls switched off, or said to be out of reach."""
    question = (user("Weather and time in Paris, in parallel"),)
    some = ask(Question(question, tools=(WEATHER, CLOCK), choice="required", parallel=False))
    named = ask(Question(question, tools=(WEATHER, CLOCK), choice="get_time"))
    none = ask(Question(question, tools=(WEATHER, CLOCK), choice="none"))
    assert len(some.calls) == (2 if "parallel_tool_calls" in some.dropped else 1)
    assert [name for name, _ in named.calls] == ["get_time"]
    assert (none.finish, none.calls) == ("stop", ())
    return [some, named, none]


def structured(ask: Ask) -> Told:
    told = ask(Question((user("Make Anna, 33, in a good mood"),), shape=Person))
    assert isinstance(told.parsed, Person)
    assert told.parsed.age == 33
    return [told]


def image(ask: Ask) -> Told:
    told = ask(Question((user("What is this?", PIXEL),)))
    assert "I see an image" in told.text
    return [told]


def effort(ask: Ask) -> Told:
    """More effort, more reasoning; and its state goes back with the next turn."""
    question = (user("Why is the sky blue?"),)
    low = ask(Question(question, effort="low"))
    high = ask(Question(question, effort="high"))
    assert 0 < low.usage[3] < high.usage[3] < high.usage[2]
    after = ask(Question((*question, high, user("And red?")), effort="high"))
    assert "And red?" in after.text
    return [low, high, after]


def effort_with_tools(ask: Ask) -> Told:
    """Reasoning must survive a tool loop: its signature goes back before the call's result."""
    question = (user("Weather in Oslo"),)
    first = ask(Question(question, tools=(WEATHER,), effort="high"))
    assert first.finish == "tool_calls"
    assert first.usage[3] > 0
    result = Result(first.call_ids[0], "snow")
    last = ask(Question((*question, first, result), tools=(WEATHER,), effort="high"))
    assert "the tool said snow" in last.text
    return [first, last]


def json_object(ask: Ask) -> Told:
    told = ask(Question((Said("system", "Answer in json."), user("Say hi")), shape="json_object"))
    assert isinstance(json.loads(told.text), dict)
    return [told]


def limit(ask: Ask) -> Told:
    """The answer is cut at the limit, and says so."""
    told = ask(Question((user("count to 2000"),), limit=64))
    assert told.finish == "length"
    assert told.usage[2] == 64
    return [told]


def stop(ask: Ask) -> Told:
    """A stop sequence ends the answer, or is said to be out of reach."""
    told = ask(Question((user("count to 9"),), stop=("5",)))
    until = 9 if "stop" in told.dropped else 4
    assert (told.finish, told.text.split()) == ("stop", [str(number) for number in range(1, until + 1)])
    return [told]


FEATURES = (
    text, turns, tools, parallel_tools, chosen_tools, structured, image, effort, effort_with_tools, json_object, limit, stop
)  # fmt: skip
