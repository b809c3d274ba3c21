"""The grammar of proxy.yaml as types: every key, its default, and in its docstring what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from policies.data_classes.findings import Pattern
from policies.rules.grammar import Guard, Policy
from proxy.settings.money import Budget, CallerLimits, DatedPrice
from proxy.settings.part import Part, given
from proxy.settings.serving import Server, ServerTimeouts
from proxy.settings.units import Seconds, Secret, Size
from proxy.settings.upstreams import BackendEntry, BreakerRules, RetryRules

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Away(Part):
    """What holds while Redis cannot be asked."""

    limits: Literal["share", "open", "closed"] = "share"
    """``share``: each process goes on with its part of every limit; ``open``: none holds; ``closed``: 503."""
    budgets: Literal["known", "open", "closed"] = "known"
    """``known``: each process spends its part of what was left when Redis was last heard."""
    stored: Literal["read_only", "closed"] = "read_only"
    """``read_only``: answers are given and not stored, which they say; ``closed``: what would be stored gets 503."""


class State(Part):
    """What several processes share. None: in process and SQLite."""

    redis: str | None = None
    away: Away = Away()
    retention: Seconds = given(Seconds(30 * 86_400))
    """How long stored responses and the state of tool calls are kept."""

    def __repr__(self) -> str:
        """Without its URL, which may hold a password."""
        return f"State(redis={'…' if self.redis else None}, {self.away!r})"


class MediaRules(Part):
    """Links in requests (images, documents), for backends that do not follow them."""

    fetch: bool = False
    """Turnout fetches them itself; private, loopback and link-local addresses are never asked."""
    max_size: Size = given(Size(20 * 2**20))
    """Of all that the links of one request bring, together."""
    timeout: Seconds = given(Seconds(10))
    """For each link, its redirects included."""
    allow: tuple[str, ...] = ()
    """Hosts of your own network that may be asked all the same: ``host`` (at port 80 and 443) or ``host:port``."""


class CacheRules(Part):
    """Answers that are kept to be given again, where a rule says ``set: {cache: {ttl: 1h}}``."""

    max_size: Size = given(Size(64 * 2**20))
    """Of all of them together, in the memory of each worker. One that is larger than an eighth of this is not kept."""


class ClassHook(Part):
    """A service of the operator's own that names a prompt's class. It is asked with the last user turn."""

    url: str
    """On loopback or in the operator's own network: prompts of every data class are sent there."""
    timeout: Seconds = given(Seconds(0.05))
    """A later answer is not waited for: the built-in classifier decides."""
    headers: Mapping[str, Secret] = {}


class Calibration(Part):
    """What ``turnout calibrate`` has found; it counts only for the weights that it was made with."""

    weights: str
    """Their version; with other weights the shipped thresholds hold, and a warning says so."""
    simple_below: Share
    complex_from: Share
    gated_simple_below: Annotated[float, Meta(ge=0)] = 1.01
    gated_complex_below: Annotated[float, Meta(ge=0)] = 0.0
    any_form: bool = False
    bias: float = 0.0
    """Added to the score, in logits, and so are those of ``adjust`` for each feature."""
    adjust: Mapping[str, float] = {}
    prompts: int = 0
    labels: int = 0


class ClassifierRules(Part):
    """Who tells simple, moderate and complex prompts apart."""

    header: str | None = None
    """A request header in which callers may name the class themselves."""
    hook: ClassHook | None = None
    local_share: Share | None = None
    """Which share of the prompts is to count as simple; the thresholds follow the traffic so that it stays there."""
    calibration: Calibration | None = None


class DataClasses(Part):
    """What gives a request its data class by what stands in it. The most restrictive class wins, whoever gives it."""

    detect: Mapping[str, str] = {}
    """Built-in detector (card, iban, ssn, email, phone, secret) -> data class."""
    patterns: tuple[Pattern, ...] = ()
    """Regular expressions of your own, without backreferences and lookaround."""


class Ledger(Part):
    """The book of every attempt."""

    url: str = "sqlite:///turnout.db"
    retention: Seconds = given(Seconds(90 * 86_400))
    attribution: tuple[str, ...] = ()
    """Keys of a request's ``metadata`` that its rows keep as tags."""
    users: Literal["hashed", "plain", "off"] = "hashed"
    """How its rows keep ``user`` and ``safety_identifier``."""

    def __repr__(self) -> str:
        """Without its URL, which may hold a password."""
        return f"Ledger(retention={self.retention!r}, users={self.users!r})"


class AliasDefaults(Part):
    """Fill only what the client left out."""

    max_output_tokens: Positive | None = None
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class AliasResponses(Part):
    """How reasoning is shown at /v1/responses."""

    reasoning_text: Literal["vendor", "mirror"] = "vendor"
    """``mirror``: a reasoning item stands first when reasoning was asked for, and its text repeats the summary."""


class AliasChat(Part):
    """How reasoning is shown at /v1/chat/completions, whose official schema has no field for it."""

    reasoning_field: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    """``reasoning``: what clients of vLLM, Ollama and OpenRouter read."""


class Alias(Part):
    """A model name that clients send; ``policy`` or ``use``, one of them."""

    policy: str | None = None
    use: tuple[str, ...] | None = None
    defaults: AliasDefaults = AliasDefaults()
    baseline: str | None = None
    """What savings are counted against: provider/model, or a backend by its own price."""
    listed: bool | None = None
    """In /v1/models. None: yes, unless it is a pattern."""
    ttft_target: Seconds | None = None
    """A local backend whose answer would begin later than this is not asked first, where no rule says otherwise."""
    responses: AliasResponses = AliasResponses()
    chat: AliasChat = AliasChat()


class Team(Part):
    """Who shares policies, pins, data class and budget."""

    policy: Mapping[str, str] = {}
    """alias -> policy, and ``default``."""
    pin: bool | Literal["local"] = True
    """May its callers ask for ``backend/NAME``?"""
    data_class: str | None = None
    tags: tuple[str, ...] = ()
    limits: CallerLimits = CallerLimits()
    """All its keys together."""
    budget: Budget | None = None


class Key(Part):
    """A bearer key; exactly one of ``sha256``, ``secret`` and ``secret_file``."""

    name: str
    team: str | None = None
    data_class: str | None = None
    """Of all that it sends; with its team's, the more restrictive counts."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    secret: Secret | None = None
    secret_file: str | None = None
    tags: tuple[str, ...] = ()
    owner: str | None = None
    """Who has it, where it is no team's: keys of one owner share stored turns and cache."""
    aliases: tuple[str, ...] | None = None
    """The model names that it may ask for (``gpt-*``); None: all."""
    expires: str | None = None
    """A day or a time (ISO 8601; UTC where it has no zone) from which on it is refused."""
    limits: CallerLimits = CallerLimits()
    budget: Budget | None = None


class Telemetry(Part):
    """What leaves for the observers."""

    capture_content: bool = False
    """Keep an upstream's own error texts, which may quote the prompt."""
    otlp: str | None = None
    """URL of an OTLP/HTTP collector."""


class Document(Part):
    """The whole file."""

    version: Literal[1] = 1
    demo: Literal["auto", "never"] = "never"
    """``auto``: when no backend of this file can be used, look for keys and local servers, else simulate."""
    server: Server = given(Server())
    timeouts: ServerTimeouts = given(ServerTimeouts())
    retries: RetryRules = given(RetryRules())
    breaker: BreakerRules = given(BreakerRules())
    state: State = given(State())
    ledger: Ledger = given(Ledger())
    classifier: ClassifierRules = given(ClassifierRules())
    media: MediaRules = given(MediaRules())
    cache: CacheRules = given(CacheRules())
    data_classes: DataClasses = DataClasses()
    cards: str = "cards.json"
    """Where ``turnout probe`` keeps what it measured; relative paths start at this file. It need not be there."""
    backends: Mapping[str, BackendEntry] = {}
    pools: Mapping[str, tuple[str, ...]] = {}
    roles: Mapping[str, str] = {}
    prices: Mapping[str, tuple[DatedPrice, ...]] = {}
    """provider/model -> prices of the operator's own, which win over the shipped sheet."""
    guards: tuple[Guard, ...] = ()
    aliases: Mapping[str, Alias] = {}
    policies: Mapping[str, Policy] = {}
    teams: Mapping[str, Team] = {}
    keys: tuple[Key, ...] = ()
    telemetry: Telemetry = Telemetry()
