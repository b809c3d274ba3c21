"""The hub's vocabulary: what any dialect can say, as one small set of values.

A dialect reads its wire format into these and writes them out again. The shapes follow the items of OpenAI Responses
and the block life-cycle of Anthropic Messages. Unknown is ``None``, never zero. It is longer than a room
should be because a vocabulary is read in one place: request, what a writer must know, answer, stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

Extras: TypeAlias = dict[str, msgspec.Raw]
"""Fields that we do not know, byte for byte; only a writer of the same family may write them back."""

Family: TypeAlias = Literal["openai", "anthropic", "google"]
"""Who understands extras and vendor state: OpenAI's two dialects are one family."""

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")
BlockKind: TypeAlias = Literal[
    "text", "reasoning", "tool_call", "custom_tool_call", "refusal", "image", "server_tool", "compaction"
]
CALLS: tuple[BlockKind, ...] = ("tool_call", "custom_tool_call")
"""The kinds of block in which the model calls a tool of the client's."""
Channel: TypeAlias = Literal["text", "summary", "arguments", "state"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class VendorState(Struct, frozen=True):
    """Something only its vendor can read (a signature, encrypted reasoning). Never shown to another vendor.

    ``kind``: ``signature`` | ``redacted`` (Anthropic), ``thought_signature`` (Google), ``encrypted_content`` (OpenAI).
    ``model``: the one that was asked of the upstream, where we saw the answer (``states.Keeper``); None otherwise.
    """

    family: Family
    kind: str
    data: str
    model: str | None = None


# --- content -------------------------------------------------------------------------------------------------------


class Text(Struct, frozen=True, tag="text"):
    """Plain text, with its citations. A cache breakpoint that its author set is among the extras (``breakpoints``)."""

    text: str
    annotations: tuple[Annotation, ...] = ()
    state: VendorState | None = None
    extras: Extras = {}


class Media(Struct, frozen=True, tag="media"):
    """An image, a document or a sound: exactly one of ``url``, ``data`` (bare base64) and ``file_id`` is set."""

    kind: Literal["image", "file", "audio"]
    url: str | None = None
    data: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    name: str | None = None
    detail: str | None = None
    extras: Extras = {}


class Reasoning(Struct, frozen=True, tag="reasoning"):
    """What the model thought: raw ``text``, the vendor's ``summary`` parts, and the state that must come back."""

    text: str = ""
    summary: tuple[str, ...] = ()
    state: VendorState | None = None
    id: str | None = None
    extras: Extras = {}


class ToolCall(Struct, frozen=True, tag="tool_call"):
    """The model calls a tool. ``arguments`` is JSON text, or free text when ``custom``."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    state: VendorState | None = None
    item_id: str | None = None
    extras: Extras = {}
    namespace: str | None = None
    """The group of its tool (Tool.namespace)."""


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What a tool answered; ``id`` is that of its call, ``name`` the tool's where the dialect tells."""

    id: str
    content: tuple[Text | Media, ...]
    name: str | None = None
    is_error: bool = False
    custom: bool = False
    item_id: str | None = None
    extras: Extras = {}


class Refusal(Struct, frozen=True, tag="refusal"):
    """The model declined, in words."""

    text: str
    extras: Extras = {}


class Opaque(Struct, frozen=True, tag="opaque"):
    """A block or item that only its own family can take (a server-run tool's item, a compaction): kept whole."""

    family: Family
    wire_type: str
    raw: msgspec.Raw
    tools: tuple[Tool, ...] = ()
    """The tools that it puts on offer from here on."""


Block: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult | Refusal | Opaque


class Message(Struct, frozen=True):
    """One turn. Consecutive Responses items of one assistant turn are one message, in item order."""

    role: Role
    blocks: tuple[Block, ...]
    name: str | None = None
    id: str | None = None
    phase: str | None = None
    extras: Extras = {}


# --- request -------------------------------------------------------------------------------------------------------


class Tool(Struct, frozen=True):
    """A tool on offer. ``kind``: ``function`` (``parameters`` is JSON Schema), ``custom`` (free text, ``format``),
    or ``hosted`` (run by the vendor: ``type`` is its wire type and ``raw`` the whole entry)."""

    name: str
    kind: Literal["function", "custom", "hosted"] = "function"
    description: str | None = None
    parameters: Any = None
    strict: bool | None = None
    format: Any = None
    type: str | None = None
    raw: msgspec.Raw | None = None
    extras: Extras = {}
    namespace: str | None = None
    """The group that it was offered in (Responses): its calls are told with the group and its own name."""
    group: Extras = {}
    """What else that group says of itself (its description)."""
    where: str | None = None
    """Its place in the client's own request, where that is not its place here."""

    def at(self, index: int) -> str:
        """What an error calls it, that stands here as number ``index``."""
        return self.where or f"tools[{index}]"


class ToolChoice(Struct, frozen=True):
    """``named`` has one name; ``allowed`` limits to ``names`` and is ``required`` or not. A tool of a group is named
    with it (``names.qualified``); the name of a group stands for all its tools."""

    mode: Literal["none", "auto", "required", "named", "allowed"]
    names: tuple[str, ...] = ()
    required: bool = False
    custom: bool = False


class Format(Struct, frozen=True):
    """The shape asked of the answer."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Any = None
    strict: bool | None = None
    description: str | None = None


class Request(Struct, frozen=True, kw_only=True):
    """One question to a model, in no vendor's words. ``family`` says whose ``extras`` these are."""

    model: str
    messages: tuple[Message, ...]
    family: Family = "openai"
    stream: bool = False
    system: tuple[Text, ...] = ()
    """Top-level instructions: ``instructions``, ``system``, ``systemInstruction``."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    legacy_functions: bool = False
    """Chat: the tools came as ``functions``, so a call is told as ``function_call``."""
    format: Format | None = None
    max_output_tokens: int | None = None
    effort: str | None = None
    reasoning_summary: str | None = None
    """``auto`` | ``concise`` | ``detailed``: the client wants to see a summary of the reasoning."""
    thinking_budget: int | None = None
    """A token budget for thinking, where the client's dialect speaks in budgets."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Mapping[str, float] | None = None
    modalities: tuple[str, ...] = ()
    verbosity: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    store: bool | None = None
    metadata: Mapping[str, str] | None = None
    include_usage: bool | None = None
    """Chat streams only: the client asked for the usage chunk."""
    include: tuple[str, ...] = ()
    """Responses only: what the client asked to have included."""
    extras: Extras = {}
    dialect: str | None = None
    """The dialect it was read from, where the reader tells: two dialects of one family differ in their extras."""


class Head(Struct, frozen=True):
    """All that is read of a body when bytes may pass unread: the alias, and whether the answer streams."""

    model: str
    stream: bool = False


# --- what the two sides of a translation need to know --------------------------------------------------------------


class Capabilities(Struct, frozen=True, kw_only=True):
    """What one backend can do and how it wants to be told. Data, by provider and model family (providers.py);
    every entry can be overridden per backend in proxy.yaml. A flag says that it takes, or obeys, what the field is
    named for; ``None`` for a number means no known limit."""

    tools: bool = True
    parallel_tools: bool = True
    """``parallel_tool_calls`` is obeyed; where it is not, all calls but the first are taken out of the answer."""
    custom_tools: bool = False
    """Free-text tools; elsewhere they are functions of one string (``fitting``)."""
    forced_tools: bool = True
    """``tool_choice`` can make the model call a tool, any or a certain one."""
    strict_tools: bool = True
    """A tool's schema is enforced where ``strict`` asks for it."""
    max_strict_tools: int | None = None
    """Tools of one request whose schemas it enforces, at the most."""
    images: bool = True
    image_urls: bool = True
    """It fetches the links of images itself; elsewhere they are fetched for it (``needs``)."""
    files: bool = False
    """Documents: PDF, and text where the dialect has a place for it."""
    audio: bool = False
    """Sound in a question."""
    json_schema: bool = True
    """An answer's JSON Schema is enforced; elsewhere it is emulated (``fitting.formats``)."""
    json_object: bool = True
    """JSON mode: any object."""
    json_with_tools: bool = True
    """A format is enforced beside tools, too."""
    recursive_schemas: bool = True
    """A format is enforced whose schema refers to itself."""
    open_schemas: bool = True
    """A format is enforced whose objects have keys that the schema does not name."""
    sampling: bool = True
    """temperature, top_p and top_k are accepted."""
    top_k: bool = True
    max_temperature: float = 2.0
    """A higher one is lowered to it."""
    penalties: bool = True
    """presence_penalty and frequency_penalty."""
    seed: bool = True
    logprobs: bool = True
    logit_bias: bool = True
    choices: bool = True
    """n > 1 is accepted."""
    max_stop: int | None = None
    """Stop sequences of one request."""
    thinking: Literal["none", "effort", "budget", "adaptive", "always", "level"] = "none"
    """How reasoning is asked for: an effort word, a token budget, adaptive + effort, always on + effort, a level."""
    efforts: tuple[str, ...] = ()
    """The effort words that it knows, of ir.EFFORTS; empty: not known, so any is sent."""
    can_disable_thinking: bool = True
    """It can be told not to think at all."""
    manual_thinking: bool = True
    """Anthropic: a token budget for thinking is taken, also where thinking is adaptive."""
    between_tools: bool = False
    """Thinking is switched off by saying ``between_tools``: short notes between tool calls are all that is left."""
    off_effort: str | None = None
    """The highest effort beside which thinking may be switched off; None: any."""
    forced_with_thinking: bool = True
    """False: no tool can be forced while a token budget for thinking is set."""
    budgets: Mapping[str, int] = {}
    """effort -> thinking tokens, where ``thinking`` is ``budget``."""
    verbosity: bool = False
    service_tiers: bool = False
    """``service_tier`` is a choice at this vendor."""
    fast: bool = False
    """Anthropic: ``service_tier: fast`` is told as ``speed: fast``, which few models take and some behind a header."""
    context: int | None = None
    """Tokens of a question and its answer together."""
    max_output: int | None = None
    """Tokens of an answer, its thoughts among them; a higher limit is lowered to it."""
    default_max_output: int | None = None
    """Tokens: sent when the client gave no limit and the dialect requires one."""
    mid_system: bool = False
    """System turns may stand anywhere in the conversation (Anthropic)."""
    prefill: bool = True
    """It goes on with an answer that the conversation ends in (Anthropic)."""
    one_system: bool = False
    """The chat template takes one leading system message only."""
    max_tokens_field: str = "max_completion_tokens"
    """The wire's name for the limit of an answer."""
    reasoning_field: str | None = "reasoning_content"
    """Where a chat server takes back reasoning text; None: nowhere."""
    foreign_reasoning: bool = True
    """It takes that text from whatever dialect it came in; False: only where the client sent it in such a field."""
    chat_tools_with_effort: bool = True
    """False: this model's chat endpoint refuses tools together with an explicit effort."""
    tool_name: str = "[a-zA-Z0-9_-]{1,64}"
    """A regular expression for the tool names that it takes. Others are rewritten, and found again in the answer."""
    cache_minimum: int | None = None
    """Tokens that a prefix must have before a cache breakpoint does anything; None: it has no breakpoints."""


class Upstream(Struct, frozen=True, kw_only=True):
    """A backend as a writer sees it: no host and no secret. ``wire`` is ``exact`` when bytes may pass unread."""

    provider: str
    dialect: str
    model: str
    family: Family = "openai"
    wire: Literal["exact", "variant"] = "variant"
    capabilities: Capabilities = Capabilities()
    options: Mapping[str, Any] = {}
    """Extra top-level fields that the operator wants on every request to this backend."""
    prompt_cache: bool = False
    """Set cache breakpoints where the client set none (``prompt_cache: auto``)."""


class Named(Struct, frozen=True):
    """Something a writer cannot say. ``contract``: skip the target. ``tuning`` and ``unknown``: dropped, and named."""

    name: str
    why: str
    kind: Literal["contract", "tuning", "unknown"]
    code: str = "unsupported_parameter"
    """OpenAI's word where the request is refused for it; ``unsupported_value``: only this value cannot be said."""


class Need(Struct, frozen=True):
    """Something a pure dialect asks to be fetched before it can write."""

    kind: Literal["media_url"]
    key: str


class Removed(Struct, frozen=True):
    """State of a vendor that its next reader must not get. ``reason`` is OpenAI's word (``input_transformations``):
    ``model_mismatch`` | ``organization_mismatch``."""

    id: str | None
    reason: str


class Context(Struct, frozen=True):
    """What is not in the request but must be known to write it: ids, the time, fetched needs."""

    seed: str
    """Hex, unique per call: every id that we invent is derived from it."""
    now: int
    """Wall clock, whole seconds."""
    fetched: Mapping[Need, Media] = {}
    """What was asked for with ``needs``: the medium with its ``data`` and ``media_type``."""


class Echo(Struct, frozen=True):
    """What a writer of answers must know of the question: Responses echoes it, chat sends usage only when asked."""

    seed: str
    created: int
    model: str
    """The model name to show (the alias, or the upstream's, as the operator chose)."""
    request: Request | None = None
    effort: str | None = None
    """The effort that was really sent upstream."""
    mirror: bool = False
    """Responses: reasoning summaries also as ``reasoning_text``, and always a reasoning item first (D25)."""
    previous_response_id: str | None = None
    """Responses: the stored turn that this one goes on from."""
    removed: tuple[Removed, ...] = ()
    """Responses: the state that went to nobody, told as ``input_transformations``."""
    reasoning_field: str = "reasoning_content"
    """Chat: where reasoning is shown; OpenAI's schema has no field for it, and clients read one of two."""
    stored: bool = True
    """Responses: it is kept, unless the request wants it otherwise."""


class UpstreamRequest(Struct, frozen=True):
    """What to send: ``path`` is relative to the backend's base URL; host and secret are added by the sender."""

    path: str
    body: bytes
    headers: Mapping[str, str] = {}
    effort: str | None = None
    """The effective reasoning effort, after clamping."""
    root: bool = False
    """``path`` begins at the server's root instead, beside the version that the base URL ends in."""


# --- answer --------------------------------------------------------------------------------------------------------


class Usage(Struct, frozen=True):
    """Tokens. ``input`` includes ``cached`` and ``cache_write``; ``output`` includes ``reasoning``.
    ``None`` means that the upstream did not tell; what it told that cannot be so stands in ``flaws``, and is None."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    """The part of ``cache_write`` that is kept for an hour (Anthropic); what is in neither part is kept for minutes."""
    reasoning: int | None = None
    tool_input: int | None = None
    """Tokens that server-run tools fed back in (Gemini's toolUsePromptTokenCount); part of ``input``."""
    total: int | None = None
    service_tier: str | None = None
    """The tier that the vendor says it served, in its own word: it changes the price."""
    extras: Extras = {}
    cache_write_12h: int | None = None
    """The part of ``cache_write`` that is kept for twelve hours (OpenAI)."""
    input_audio: int | None = None
    input_image: int | None = None
    input_video: int | None = None
    """Parts of ``input``; what is in none of them is text."""
    cached_audio: int | None = None
    cached_image: int | None = None
    """Parts of ``cached``, and of the input of that kind."""
    output_audio: int | None = None
    output_image: int | None = None
    output_video: int | None = None
    """Parts of ``output``."""
    calls: Mapping[str, int] = {}
    """How often the vendor's own tools ran: ``web_search``, ``web_fetch``, ``file_search`` … -> times."""
    speed: str | None = None
    """Anthropic's ``fast``: it changes the price, beside the tier."""
    flaws: tuple[str, ...] = ()
    """Fields of the upstream's usage that could not be so (negative, no number, a part larger than its whole)."""
    cached_video: int | None = None
    """As ``cached_audio``."""

    def merged(self, later: Usage) -> Usage:
        """Field by field, the later snapshot wins where it knows: also over a flaw of the earlier one."""
        changes = {
            name: value
            for name, value in zip(_USAGE_FIELDS, msgspec.structs.astuple(later), strict=True)
            if value or value == 0
        }
        if self.flaws:
            left = (name for name in self.flaws if name not in changes)
            changes["flaws"] = tuple(dict.fromkeys((*left, *later.flaws)))
        return msgspec.structs.replace(self, **changes)


_USAGE_FIELDS = Usage.__struct_fields__


class Annotation(Struct, frozen=True):
    """A citation on a text block. ``type`` is OpenAI's word (``url_citation``, ``file_citation`` …)."""

    type: str
    url: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None
    raw: Mapping[str, Any] = {}


class Failure(Struct, frozen=True):
    """Why it failed, as data. ``status`` is the one for the client, ``type``/``code``/``param`` OpenAI's words.

    ``kind``: ``invalid`` | ``unauthorized`` | ``forbidden`` | ``not_found`` | ``too_large`` | ``context_length`` |
    ``unsupported`` | ``limited`` | ``quota`` | ``overloaded`` | ``upstream_auth`` | ``upstream_error`` |
    ``bad_response`` | ``bad_output`` | ``poor_answer`` | ``unreachable`` | ``timeout`` | ``interrupted`` |
    ``cancelled`` | ``shed`` (nothing was sent: no room there now) | ``internal``.
    """

    kind: str
    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    upstream_status: int | None = None
    timer: str | None = None
    """Which of the backend's timers has ended the wait: connect | first_byte | load | idle | total | cap."""


LOADING = "upstream_loading"
"""The code of a failure that ends by itself as soon as the upstream has loaded its model: a beginning, no fault."""


class Invalid(Exception):  # noqa: N818 - it is the client's input that is invalid, not our state
    """Bad input; ``failure`` is the answer to give."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.failure = Failure("invalid", status, message, param=param, code=code)


# --- the stream ----------------------------------------------------------------------------------------------------


class Started(Struct, frozen=True):
    """The upstream has begun: its own id, model and time, where it told them. Not yet content (D1)."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    extras: Extras = {}
    dialect: str | None = None
    """Whose extras these are, where the reader tells; a writer gives back those of its own dialect."""


class BlockStarted(Struct, frozen=True):
    """``block`` is unique in the answer; blocks with an equal ``item`` are parts of one Responses item.

    ``meta`` by kind: tool calls ``id`` and ``name``, and ``state`` when known at the start; ``server_tool``, ``image``
    and ``compaction`` ``type`` (the vendor's wire type), ``family`` and, when known at the start, ``raw``; text may
    have ``phase``; any may have ``item_id``.
    """

    block: int
    kind: BlockKind
    item: int
    choice: int = 0
    meta: Mapping[str, Any] = {}


class Delta(Struct, frozen=True):
    """More of a block. Reasoning: ``text`` is the raw chain, ``summary`` the vendor's summary of it."""

    block: int
    channel: Channel
    data: str
    logprobs: Any = None


class Annotated(Struct, frozen=True):
    """A citation for a text block."""

    block: int
    annotation: Annotation


class BlockEnded(Struct, frozen=True):
    """The block is whole. ``state`` is what its vendor must get back; ``raw`` a server tool's item, whole."""

    block: int
    state: VendorState | None = None
    raw: msgspec.Raw | None = None


class UsageReported(Struct, frozen=True):
    """A cumulative snapshot, to be merged field by field."""

    usage: Usage


class Finished(Struct, frozen=True):
    """One choice is over, once. ``detail`` is the vendor's own word; ``known``: we know what it means."""

    choice: int
    reason: FinishReason
    detail: str | None = None
    known: bool = True


class Ended(Struct, frozen=True):
    """The answer is over, once, after every choice. ``dialect`` as in Started."""

    extras: Extras = {}
    dialect: str | None = None
    at: int | None = None
    """When, in Unix seconds: told by the road, for readers have no clock."""


class Failed(Struct, frozen=True):
    """The upstream failed after it began; it stands in the place of Finished and Ended."""

    failure: Failure


Event: TypeAlias = Started | BlockStarted | Delta | Annotated | BlockEnded | UsageReported | Finished | Ended | Failed


# --- the answer as a whole -----------------------------------------------------------------------------------------


class ReplyBlock(Struct):
    """A block, folded from its events. Mutable only while it is being folded."""

    kind: BlockKind
    item: int
    choice: int
    meta: Mapping[str, Any]
    text: str = ""
    summary: list[str] = []
    annotations: list[Annotation] = []
    logprobs: list[Any] = []
    state: VendorState | None = None
    raw: msgspec.Raw | None = None


class Reply(Struct):
    """A whole answer: what a stream's events add up to."""

    started: Started = Started()
    blocks: list[ReplyBlock] = []
    finishes: dict[int, Finished] = {}
    usage: Usage | None = None
    ended: Ended | None = None
    failure: Failure | None = None


def collect(events: Sequence[Event]) -> Reply:
    """Fold events into the whole answer. One reasoning block is one summary part."""
    reply = Reply()
    blocks: dict[int, ReplyBlock] = {}
    pieces: dict[tuple[int, Channel], list[str]] = {}
    for event in events:
        match event:
            case Delta(block, channel, data, logprobs):
                pieces.setdefault((block, channel), []).append(data)
                if logprobs:
                    blocks[block].logprobs.extend(logprobs)
            case BlockStarted(block, kind, item, choice, meta):
                blocks[block] = ReplyBlock(kind, item, choice, meta)
                reply.blocks.append(blocks[block])
            case BlockEnded() | Annotated():
                _collect_block(blocks[event.block], event)
            case _:
                _collect_frame(reply, event)
    for (block, into), parts in pieces.items():
        if into == "summary":
            blocks[block].summary.append("".join(parts))
        elif into != "state":
            blocks[block].text = "".join(parts)
    return reply


def _collect_block(block: ReplyBlock, event: BlockEnded | Annotated) -> None:
    if isinstance(event, Annotated):
        block.annotations.append(event.annotation)
    else:
        block.state = event.state or block.state
        block.raw = event.raw


def _collect_frame(reply: Reply, event: Event) -> None:
    match event:
        case UsageReported(usage):
            reply.usage = usage if reply.usage is None else reply.usage.merged(usage)
        case Started():
            reply.started = event
        case Finished(choice):
            reply.finishes[choice] = event
        case Ended():
            reply.ended = event
        case Failed(failure):
            reply.failure = failure
        case _:
            pass
