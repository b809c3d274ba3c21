"""A chat request, read: strict JSON in, the hub's request out, every error naming its field."""

from __future__ import annotations

import msgspec

from adapters import ir, strict
from adapters.glance import turns
from adapters.openai_chat import history, tools, wire

_PARAMS = msgspec.json.Decoder(wire.Params)
_FLAG = msgspec.json.Decoder(bool | None)
_FIELDS = frozenset(wire.Params.__struct_fields__)
_FORMATS = ("text", "json_object", "json_schema")
_COPIED = (
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "verbosity",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "store",
    "metadata",
)
"""Fields that chat and the hub call by the same name."""


_KINDS = {
    field.encode_name: msgspec.json.Decoder(field.type)
    for field in msgspec.structs.fields(wire.Params)
    if field.name != "messages"
}


def glance(fields: ir.Extras) -> None:
    """See adapters.dialect.Dialect: turns with a role that there is, and top-level fields of their types."""
    turns(fields, "messages", history.ROLES)
    for name in fields.keys() & _KINDS.keys():
        wire.decode(_KINDS[name], fields[name], name)


def read_request(body: bytes) -> ir.Request:
    """A client's body. Raises ir.Invalid (400) that names the field, the reason and the mend."""
    top = strict.fields(body)
    strict.head(top)
    params = wire.decode(_PARAMS, body, "")
    offered = tools.read(params.tools or (), params.functions or ())
    legacy = bool(params.functions) and not params.tools
    copied = {name: getattr(params, name) for name in _COPIED}
    if legacy:
        copied["parallel_tool_calls"] = False
    options, usage = _stream_options(params.stream_options)
    extras = {name: raw for name, raw in top.items() if name not in _FIELDS} | options
    return ir.Request(
        model=params.model,
        messages=history.read(params.messages),
        stream=bool(params.stream),
        tools=offered,
        tool_choice=tools.read_choice(params.tool_choice, params.function_call, offered),
        legacy_functions=legacy,
        format=_format(params.response_format),
        max_output_tokens=params.max_completion_tokens or params.max_tokens,
        effort=_effort(params.reasoning_effort),
        stop=(params.stop,) if isinstance(params.stop, str) else tuple(params.stop or ()),
        modalities=tuple(params.modalities or ()),
        include_usage=usage,
        extras=extras,
        dialect=wire.NAME,
        **copied,
    )


def _stream_options(options: dict[str, msgspec.Raw] | None) -> tuple[ir.Extras, bool | None]:
    """(the options that are not ours, still as one extra; whether the usage chunk is wanted)."""
    if options is None:
        return {}, None
    others = {name: raw for name, raw in options.items() if name != "include_usage"}
    extras = {"stream_options": msgspec.Raw(msgspec.json.encode(others))} if others else {}
    raw = options.get("include_usage")
    return extras, None if raw is None else wire.decode(_FLAG, raw, "stream_options.include_usage")


def _effort(word: str | None) -> str | None:
    if word is not None and word not in ir.EFFORTS:
        raise wire.unsupported("reasoning_effort", word, ir.EFFORTS)
    return word


def _format(told: wire.ResponseFormat | None) -> ir.Format | None:
    if told is None:
        return None
    match told.type:
        case "text":
            return ir.Format("text")
        case "json_object" if told.schema is None:
            return ir.Format("json_object")
        case "json_object":
            return ir.Format("json_schema", "response", told.schema)
        case "json_schema":
            if told.json_schema is None:
                raise wire.missing("response_format.json_schema")
            shape = told.json_schema
            return ir.Format("json_schema", shape.name, shape.schema, shape.strict, shape.description)
    raise wire.unsupported("response_format.type", told.type, _FORMATS)
