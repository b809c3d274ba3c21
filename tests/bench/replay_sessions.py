"""Two hundred synthetic sessions for the replay: chats whose questions vary in class, and agents that call tools.

All is drawn from one seed: questions, how long answers are, and the seconds between two requests. What class a question
has is not said here: the classifier finds it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

from adapters import ir

EASY = (
    "Hello!", "Thanks, that helps a lot.", "What is the capital of {place}?", "Who wrote {book}?", "Yes, please.",
    "When was {thing} invented?", "What does {word} mean?", "Good morning! How are you?", "How many days has a leap year?",
    "What language do they speak in {place}?", "Is {place} larger than {other}?", "Translate 'good night' into {language}.",
    "Danke, das reicht mir.", "¿Cuál es la capital de {place}?", "Which currency is used in {place}?", "ok",
    "Summarize this text: the meeting about {thing} was moved to Thursday because the room was taken.",
)  # fmt: skip
MEDIUM = (
    "Explain how {thing} works to somebody who has never seen one.", "What are the pros and cons of {thing}?",
    "Write a short e-mail to my landlord about the noise of {thing} in the courtyard.",
    "Compare {place} and {other} for a family of four on a small budget.",
    "Give me five ideas for a talk about {thing}, with one sentence on each.",
    "Why did {book} matter so much when it came out? Two paragraphs, please.",
    "Plan a weekend in {place} for somebody who likes {thing} and dislikes crowds.",
    "Rewrite this more politely: I will not pay for {thing}, it broke after two days.",
)  # fmt: skip
HARD = (
    "Create a FastAPI server that stores readings of {thing} in PostgreSQL, with tests and a Dockerfile.",
    "Refactor this so that it streams:\n```python\ndef rows(path):\n    return [line.split(',') for line in open(path)]\n```",
    "Prove that there are infinitely many primes of the form 4k+3, and say where the argument fails for 4k+1.",
    "A tank holds 480 litres. Pump A fills it in 6 h, pump B in 4 h, a leak empties it in 12 h. When is it full? Show it.",
    "Design a schema for {thing} rentals in {place}: tables, indexes, constraints, and the queries for monthly revenue.",
    "Write a Rust function that parses RFC 3339 timestamps without allocation, and benchmark it against chrono.",
    "Our service for {thing} answers 502 after each deploy; here is the log: upstream reset, connection 3 of 64. Why?",
    "Derive the gradient of softmax cross-entropy step by step, then implement it in numpy with a numeric check.",
)  # fmt: skip
FILL = {
    "place": ("Portugal", "Kenya", "Japan", "Norway", "Peru", "Vietnam"),
    "other": ("Spain", "Ghana", "Korea", "Sweden", "Chile", "Laos"),
    "book": ("Middlemarch", "Don Quixote", "The Trial", "Things Fall Apart", "Beloved"),
    "thing": ("bicycles", "heat pumps", "sourdough", "telescopes", "espresso machines", "chess clocks"),
    "word": ("petrichor", "serendipity", "ubiquitous", "laconic"),
    "language": ("Italian", "Turkish", "Finnish", "Swahili"),
}
KINDS = (EASY, MEDIUM, HARD)
ANSWERS = ((20, 160), (200, 600), (500, 1500))
"""Tokens of an answer, by kind of question."""
STAY = 0.6
"""The next question is of the same kind."""
MIXES = ((0.7, 0.2, 0.1), (0.4, 0.35, 0.25), (0.15, 0.35, 0.5))
"""Small talk, office work, engineering: shares of the kinds."""
SYSTEMS = (0, 60, 250, 900, 2_500)
"""Tokens of a chat's instructions."""
PROSE = "The lift in the east wing was repaired on Monday and inspected again by the end of the week. "


@dataclass(frozen=True)
class Request:
    """One request of a session. ``wait``: seconds since the answer before it; ``answer``: tokens of its own."""

    request: ir.Request
    wait: float
    answer: int
    answers_calls: bool = False


@dataclass
class Session:
    kind: str
    requests: list[Request] = field(default_factory=list)


def sessions(count: int = 200, seed: int = 2026) -> list[Session]:
    """Half chats, half agents."""
    return [_chat(Random(f"{seed}-{at}")) if at % 2 == 0 else _agent(Random(f"{seed}-{at}")) for at in range(count)]


def prose(tokens: int) -> str:
    """Text of about so many tokens."""
    characters = tokens * 4
    return (PROSE * (characters // len(PROSE) + 1))[:characters]


def _chat(random: Random) -> Session:
    """3 to 30 turns, most of them few; somebody reads, thinks, and now and then has lunch."""
    session = Session("chat")
    size = random.choice(SYSTEMS)
    system = (ir.Text(prose(size)),) if size else ()
    messages: list[ir.Message] = []
    for number, (question, tokens) in enumerate(_questions(random, min(3 + int(random.expovariate(1 / 6)), 30))):
        messages.append(ir.Message("user", (ir.Text(question),)))
        asked = ir.Request(model="auto", messages=tuple(messages), system=system)
        session.requests.append(Request(asked, _pause(random) if number else 0.0, tokens))
        messages.append(ir.Message("assistant", (ir.Text(prose(tokens)),)))
    return session


def _questions(random: Random, turns: int) -> Iterator[tuple[str, int]]:
    mix = random.choice(MIXES)
    kind = random.choices(range(3), mix)[0]
    for _ in range(turns):
        if random.random() > STAY:
            kind = random.choices(range(3), mix)[0]
        text = random.choice(KINDS[kind]).format(**{name: random.choice(words) for name, words in FILL.items()})
        yield text, random.randint(*ANSWERS[kind])


def _pause(random: Random) -> float:
    """Median a minute; one in eight is longer than a vendor's cache lasts."""
    return random.lognormvariate(4.1, 1.4)


def _agent(random: Random) -> Session:
    """Long instructions, tools, and a loop of 5 to 60 steps; in between its user says something."""
    session = Session("agent")
    system = (ir.Text(prose(random.randint(1_500, 6_000))),)
    tools = tuple(ir.Tool(name, parameters={"type": "object"}) for name in ("read", "grep", "edit", "run"))
    task = random.choice(HARD).format(**{name: random.choice(words) for name, words in FILL.items()})
    messages = [ir.Message("user", (ir.Text(task),))]
    names = cycle(tool.name for tool in tools)
    wait = 0.0
    for step in range(random.randint(5, 60)):
        loop = messages[-1].role == "tool"
        asked = ir.Request(model="auto", messages=tuple(messages), system=system, tools=tools)
        tokens = random.randint(40, 400)
        session.requests.append(Request(asked, wait, tokens, loop))
        if random.random() < 0.06:
            said = "Thanks. " + random.choice((*EASY[:3], *HARD)).format(**{name: FILL[name][0] for name in FILL})
            messages += [ir.Message("assistant", (ir.Text(prose(tokens)),)), ir.Message("user", (ir.Text(said),))]
            wait = _pause(random)
            continue
        call = ir.ToolCall(f"call_{step}", next(names), '{"path": "src/main.py"}')
        result = ir.ToolResult(call.id, (ir.Text(prose(random.randint(50, 1_200))),))
        messages += [ir.Message("assistant", (ir.Text(prose(tokens)), call)), ir.Message("tool", (result,))]
        wait = random.uniform(0.5, 30.0)
    return session
