"""What a chat endpoint refuses beyond the shape: OpenAI's rules, and the fewer ones of a vLLM-like server."""

from __future__ import annotations

from proxy.demo import chat_wire as wire
from proxy.demo import families
from proxy.demo.base import Ask, Json, RefusedError, encode
from proxy.demo.openai_rules import check_image, check_name, check_sampling, check_strict, misfit_error
from proxy.demo.shape import MisfitError, fit, fit_loosely


def read(ask: Ask) -> wire.ChatRequest:
    """The request, checked as the model's server would check it. Raises RefusedError."""
    if not families.openai_flavour(ask.model):
        return _read_local(ask)
    try:
        request = fit(ask.body, wire.ChatRequest)
    except MisfitError as misfit:
        raise misfit_error(misfit) from None
    for rule in (_check_messages, _check_calls, _check_tools, _check_choice, _check_numbers, _check_formats):
        rule(request)
    _check_family(request, ask.model)
    return request


def local_error_body(error: RefusedError) -> Json:
    """The error envelope of a vLLM-like server: the code is the status."""
    kind = {400: "BadRequestError", 404: "NotFoundError", 401: "Unauthorized"}.get(error.status, "InternalServerError")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.status}}


def _read_local(ask: Ask) -> wire.ChatRequest:
    try:
        request = fit_loosely(ask.body, wire.ChatRequest)
    except MisfitError as misfit:
        raise RefusedError(f"1 validation error: {misfit.path}: {misfit.text}", misfit.path or None) from None
    if not request.messages:
        raise RefusedError("list object has no element 0")
    if isinstance(request.tool_choice, wire.ChooseFunction) and request.tool_choice.function.name not in names(request):
        raise RefusedError("The tool specified in `tool_choice` does not match any of the specified `tools`")
    return request


def names(request: wire.ChatRequest) -> list[str]:
    """The names of the tools on offer."""
    tools = request.tools or []
    return [tool.function.name if isinstance(tool, wire.FunctionTool) else tool.custom.name for tool in tools]


def _check_messages(request: wire.ChatRequest) -> None:
    if not request.messages:
        raise RefusedError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "messages",
            "empty_array",
        )
    for index, message in enumerate(request.messages):
        _check_message(message, f"messages.[{index}]")


def _check_message(message: wire.Message, path: str) -> None:
    if isinstance(message, wire.Assistant):
        if message.reasoning is not None or message.reasoning_content is not None:
            field = f"{path}.{'reasoning' if message.reasoning is not None else 'reasoning_content'}"
            raise RefusedError(f"Unknown parameter: '{field}'.", field, "unknown_parameter")
        if message.content is None and not message.tool_calls and not message.function_call and not message.refusal:
            raise RefusedError("Invalid value for 'content': expected a string, got null.", f"{path}.content")
    elif isinstance(message, wire.User) and not isinstance(message.content, str):
        for place, part in enumerate(message.content):
            if isinstance(part, wire.ImagePart):
                check_image(part.image_url.url, f"{path}.content.[{place}].image_url.url")


def _check_calls(request: wire.ChatRequest) -> None:
    waiting: list[str] = []
    for index, message in enumerate(request.messages):
        if isinstance(message, wire.ToolMessage):
            if message.tool_call_id not in waiting:
                raise RefusedError(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    f"messages.[{index}].role",
                )
            waiting.remove(message.tool_call_id)
            continue
        _check_answered(waiting, index)
        waiting = [call.id for call in message.tool_calls or ()] if isinstance(message, wire.Assistant) else []
        if len(set(waiting)) != len(waiting):
            raise RefusedError("Duplicate tool_call ids.", f"messages.[{index}].tool_calls")
    _check_answered(waiting, len(request.messages))


def _check_answered(waiting: list[str], index: int) -> None:
    if waiting:
        raise RefusedError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
            f"messages.[{index}].role",
        )


def _check_tools(request: wire.ChatRequest) -> None:
    for index, tool in enumerate(request.tools or ()):
        if isinstance(tool, wire.CustomTool):
            check_name(tool.custom.name, f"tools[{index}].custom.name")
            continue
        function = tool.function
        check_name(function.name, f"tools[{index}].function.name")
        if function.strict:
            check_strict(function.parameters, f"function '{function.name}'", f"tools[{index}].function.parameters")
    if request.tools == []:
        raise RefusedError("[] is too short - 'tools'", "tools")


def _check_choice(request: wire.ChatRequest) -> None:
    for field in ("tool_choice", "parallel_tool_calls"):
        if getattr(request, field) is not None and not request.tools:
            raise RefusedError(f"'{field}' is only allowed when 'tools' are specified.", field)
    choice = request.tool_choice
    if isinstance(choice, wire.ChooseFunction) and choice.function.name not in names(request):
        raise RefusedError(
            f"Invalid value: tool '{choice.function.name}' was not found in the 'tools' parameter.", "tool_choice"
        )


def _check_numbers(request: wire.ChatRequest) -> None:
    if isinstance(request.stop, list) and len(request.stop) > 4:
        raise RefusedError(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length "
            f"{len(request.stop)} instead.",
            "stop",
            "array_above_max_length",
        )
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise RefusedError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    if request.top_logprobs is not None and not request.logprobs:
        raise RefusedError("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if request.stream_options is not None and not request.stream:
        raise RefusedError("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _check_formats(request: wire.ChatRequest) -> None:
    wanted = request.response_format
    if isinstance(wanted, wire.FormatSchema):
        check_name(wanted.json_schema.name, "response_format.json_schema.name")
        if wanted.json_schema.strict:
            owner = f"response_format '{wanted.json_schema.name}'"
            check_strict(wanted.json_schema.schema, owner, "response_format")
    if isinstance(wanted, wire.FormatObject) and b"json" not in encode(request.messages).lower():
        raise RefusedError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )


def _check_family(request: wire.ChatRequest, model: str) -> None:
    effort = request.reasoning_effort
    if families.openai_splits_tools(model) and names(request) and effort not in (None, "none"):
        raise RefusedError(
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
            "Please use /v1/responses instead, or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )
    if not families.openai_reasons(model):
        return
    if request.max_tokens is not None:
        raise RefusedError(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if request.temperature not in (None, 1):
        raise RefusedError(
            f"Unsupported value: 'temperature' does not support {request.temperature:g} with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    refused = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "logit_bias", "stop")
    check_sampling({name: getattr(request, name) or None for name in refused if getattr(request, name) != 1})
