"""What OpenAI's Responses endpoint refuses beyond the shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from proxy.demo import families
from proxy.demo import responses_wire as wire
from proxy.demo.base import Ask, Json, RefusedError, encode, sealed
from proxy.demo.openai_rules import check_image, check_name, check_sampling, check_strict, misfit_error
from proxy.demo.shape import MisfitError, fit

SEAL = "openai"

_HOSTED = (
    *("file_search", "computer", "computer_use_preview", "web_search", "web_search_preview", "mcp", "code_interpreter"),
    *("image_generation", "local_shell", "shell", "apply_patch", "tool_search", "programmatic_tool_calling"),
)
_HOSTED_ITEM = re.compile(
    r"(web_search|file_search|code_interpreter|image_generation|computer|mcp|(local_)?shell|apply_patch|tool_search)_call"
    r"(_output)?|tool_search_output|mcp_(list_tools|approval_request|approval_response)|program(_output)?"
    r"|compaction|additional_tools|configuration_update"
)
OwnTool = wire.FunctionTool | wire.CustomTool | wire.Namespace
_OURS: dict[str, Callable[..., OwnTool]] = {
    "function": wire.FunctionTool,
    "custom": wire.CustomTool,
    "namespace": wire.Namespace,
}
_WORDS = ("none", "auto", "required")


def read(ask: Ask) -> tuple[wire.ResponsesRequest, list[OwnTool]]:
    """The request and its function-like tools, checked. Raises RefusedError."""
    try:
        request = fit(_typed(ask.body), wire.ResponsesRequest)
    except MisfitError as misfit:
        raise misfit_error(misfit) from None
    tools = [*_tools(request.tools or [], "tools"), *_brought(ask.body["input"])]
    _check_state(request)
    if not isinstance(request.input, str):
        _check_items(request.input)
    _check_choice(request, tools)
    _check_text(request)
    _check_family(request, ask.model)
    return request, tools


def _typed(body: Json) -> Json:
    items = body.get("input")
    if not isinstance(items, list):
        return body
    return {**body, "input": [_typed_item(item) for item in items]}


def _typed_item(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if _HOSTED_ITEM.fullmatch(str(item.get("type"))):
        return {"type": "hosted_item"}
    return {"type": "message", **item} if "role" in item else item


def _tools(raws: list[Json], path: str) -> Iterator[OwnTool]:
    for index, raw in enumerate(raws):
        yield from _tool(raw, f"{path}[{index}]")


def _brought(items: Any) -> Iterator[OwnTool]:
    """What is put on offer in the middle of the conversation."""
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("type") == "additional_tools":
            yield from _tools(item.get("tools") or [], f"input[{index}].tools")


def _tool(raw: Json, path: str) -> list[OwnTool]:
    kind = raw.get("type")
    if kind in _HOSTED:
        return []
    if kind not in _OURS:
        wanted = ", ".join(f"'{name}'" for name in [*_OURS, *_HOSTED])
        raise RefusedError(f"Invalid value: '{kind}'. Supported values are: {wanted}.", f"{path}.type", "invalid_value")
    try:
        tool = fit(raw, _OURS[kind])
    except MisfitError as misfit:
        misfit.path = f"{path}.{misfit.path}"
        raise misfit_error(misfit) from None
    check_name(tool.name, f"{path}.name")
    if isinstance(tool, wire.FunctionTool) and tool.strict:
        check_strict(tool.parameters, f"function '{tool.name}'", f"{path}.parameters")
    return [tool]


def _check_state(request: wire.ResponsesRequest) -> None:
    if request.previous_response_id is not None:
        raise RefusedError(
            f"Previous response with id '{request.previous_response_id}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )
    if request.conversation is not None:
        ident = request.conversation if isinstance(request.conversation, str) else request.conversation.get("id")
        raise RefusedError(f"Conversation with id '{ident}' not found.", status=404)
    if request.stream_options is not None and not request.stream:
        raise RefusedError("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _check_items(items: list[wire.Item]) -> None:
    for index, item in enumerate(items):
        if isinstance(item, wire.Message):
            _check_message(item, f"input[{index}]")
        elif isinstance(item, wire.Reasoning):
            _check_reasoning(item, items[index + 1 :])
        elif isinstance(item, wire.Reference):
            raise RefusedError(f"Item with id '{item.id}' not found.", "input", status=404)
    _check_calls(items)


def _check_message(item: wire.Message, path: str) -> None:
    if isinstance(item.content, str):
        return
    spoken = item.role == "assistant"
    for place, part in enumerate(item.content):
        where = f"{path}.content[{place}]"
        if isinstance(part, wire.OutputText | wire.Refusal) != spoken:
            wanted = "'output_text' and 'refusal'" if spoken else "'input_text', 'input_image', and 'input_file'"
            kind = str(part.__struct_config__.tag)
            raise RefusedError(
                f"Invalid value: '{kind}'. Supported values are: {wanted}.", f"{where}.type", "invalid_value"
            )
        if isinstance(part, wire.InputImage) and part.image_url is not None:
            check_image(part.image_url, f"{where}.image_url")


def _check_reasoning(item: wire.Reasoning, after: list[wire.Item]) -> None:
    if item.encrypted_content is not None and not sealed(SEAL, item.encrypted_content):
        raise RefusedError(
            f"The encrypted content {item.encrypted_content[:4]}...{item.encrypted_content[-4:]} could not be "
            "verified. Reason: Encrypted content could not be decrypted or parsed.",
            "input",
            "invalid_encrypted_content",
        )
    following = after[0] if after else None
    if isinstance(following, wire.Message) and following.role != "assistant":
        following = None
    if not isinstance(following, wire.Message | wire.FunctionCall | wire.CustomCall | wire.Reasoning | wire.HostedItem):
        raise RefusedError(
            f"Item '{item.id}' of type 'reasoning' was provided without its required following item.", "input"
        )


def _check_calls(items: list[wire.Item]) -> None:
    called: list[str] = []
    for item in items:
        if isinstance(item, wire.FunctionCall | wire.CustomCall):
            called.append(item.call_id)
        elif isinstance(item, wire.FunctionOutput | wire.CustomOutput):
            if item.call_id not in called:
                raise RefusedError(f"No tool call found for function call output with call_id {item.call_id}.", "input")
            called.remove(item.call_id)
    if called:
        raise RefusedError(f"No tool output found for function call {called[0]}.", "input")


def _check_choice(request: wire.ResponsesRequest, tools: list[OwnTool]) -> None:
    choice = request.tool_choice
    if choice is None or choice in _WORDS:
        if choice == "required" and not request.tools:
            raise RefusedError("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
        return
    if not isinstance(choice, dict) or "type" not in choice:
        raise RefusedError(
            f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.",
            "tool_choice",
            "invalid_value",
        )
    if choice["type"] in ("function", "custom") and choice.get("name") not in [tool.name for tool in tools]:
        raise RefusedError(f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.", "tool_choice")


def _check_text(request: wire.ResponsesRequest) -> None:
    wanted = request.text.format if request.text else None
    if isinstance(wanted, wire.FormatSchema):
        check_name(wanted.name, "text.format.name")
        if wanted.strict:
            check_strict(wanted.schema, f"response_format '{wanted.name}'", "text.format.schema")
    if isinstance(wanted, wire.FormatObject) and b"json" not in encode(request.input).lower():
        raise RefusedError(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            "input",
        )


def _check_family(request: wire.ResponsesRequest, model: str) -> None:
    asked = request.reasoning is not None and request.reasoning.effort not in (None, "none")
    if families.openai_reasons(model) or asked:
        check_sampling({"temperature": request.temperature, "top_p": request.top_p})
