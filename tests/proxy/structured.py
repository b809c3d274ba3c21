"""The road of structured output: backends that do not enforce it, one for each way in which it is asked for instead."""

from __future__ import annotations

from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer", "minimum": -90}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
GOOD = {"city": "Lyon", "degrees": 21}
"""What the demo makes of SCHEMA and the question."""
TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NEITHER = "json_schema: false, json_object: false"
KINDS = {
    "tool": "provider: anthropic, base_url: '{url}', model: 'claude-3-5-sonnet{fault}', credential: sk-demo",
    "object": "provider: openai_compatible, base_url: '{url}/v1', model: 'demo-chat{fault}',"
    " capabilities: {{json_schema: false}}",
    "words": "provider: transformers, base_url: '{url}/v1', model: 'demo-local{fault}'",
    "gemini": "provider: google, base_url: '{url}/v1beta', model: 'gemini-2.5-flash{fault}', credential: sk-demo,"
    f" capabilities: {{{{{NEITHER}}}}}",
    "replies": "provider: openai, dialect: openai_responses, base_url: '{url}/v1', model: 'demo-openai{fault}',"
    f" credential: sk-demo, capabilities: {{{{{NEITHER}, forced_tools: false}}}}",
}
"""Every way in which a format is asked for, in every dialect."""
FAULTS = ("good", "json-broken", "json-prose", "json-mended")


def config(url: str, more: str = "", server: str = "") -> str:
    """A proxy.yaml with a backend and an alias ``KIND-FAULT`` for every pair. ``more``: further aliases."""
    rows, aliases = [], []
    for kind, row in KINDS.items():
        for fault in FAULTS:
            name = f"{kind}-{fault}"
            rows.append(f"  {name}: {{{row.format(url=url, fault='' if fault == 'good' else f'-fault-{fault}')}}}")
            aliases.append(f"  {name}: {{use: [{name}]}}")
    return "\n".join(["version: 1", server, "retries: {base: 1ms}", "backends:", *rows, "aliases:", *aliases, more, ""])


def asked(api: str, model: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    """A question for an answer in ``schema``; None: any JSON object. ``text`` replaces its words."""
    shape: dict[str, Any] = {"type": "json_object"}
    if schema is not None:
        named = {"name": "weather", "schema": schema, "strict": True}
        shape = {"type": "json_schema", **(named if api == "responses" else {"json_schema": named})}
    said = more.pop("said", "How is the weather in Lyon? It was 21 degrees.")
    if api == "responses":
        return {"model": model, "input": said, "text": {"format": shape}, **more}
    return {"model": model, "messages": [{"role": "user", "content": said}], "response_format": shape, **more}


def tool(api: str) -> dict[str, Any]:
    """A tool of the client's own."""
    named = {"name": "get_weather", "description": "The weather", "parameters": WEATHER}
    return (
        {"type": "function", **named, "strict": False}
        if api == "responses"
        else {"type": "function", "function": named}
    )
