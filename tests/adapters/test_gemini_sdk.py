"""google-genai as the judge: it sends what we write, and reads what we answer."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gemini_recordings as recordings
import msgspec
import pytest
from google import genai
from google.genai import errors, types

from adapters import ir
from adapters.google_gemini import DIALECT

OFF = types.AutomaticFunctionCallingConfig(disable=True)
ECHO = ir.Echo("ab12", 1_700_000_000, "gemini-x")
EVENTS: tuple[ir.Event, ...] = (
    ir.Started("r1", "up"),
    ir.BlockStarted(0, "reasoning", 0),
    ir.Delta(0, "summary", "hm"),
    ir.BlockEnded(0),
    ir.BlockStarted(1, "text", 1),
    ir.Delta(1, "text", "naïve "),
    ir.Delta(1, "text", "東京"),
    ir.BlockEnded(1),
    ir.BlockStarted(2, "tool_call", 2, meta={"id": "c1", "name": "f"}),
    ir.Delta(2, "arguments", '{"city":"Oslo"}'),
    ir.BlockEnded(2),
    ir.UsageReported(ir.Usage(input=3, output=9, reasoning=4)),
    ir.Finished(0, "tool_calls"),
    ir.Ended(),
)


class Upstream:
    """A loopback server that keeps what it was sent and answers with our own writers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, Any]] = []
        self.failure: ir.Failure | None = None
        seen = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                seen.seen.append((self.path, self.headers[DIALECT.auth_header], msgspec.json.decode(body)))
                status, kind, answer = seen.answer(stream="alt=sse" in self.path)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, *, stream: bool) -> tuple[int, str, bytes]:
        if self.failure is not None:
            return self.failure.status, "application/json", DIALECT.write_error(self.failure)
        if not stream:
            return 200, "application/json", DIALECT.write_response(ir.collect(EVENTS), ECHO)
        writer = DIALECT.writer(ECHO)
        return 200, "text/event-stream", b"".join(frame for event in EVENTS for frame in writer.write(event))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def client(upstream: Upstream) -> Iterator[genai.Client]:
    upstream.failure = None
    url = f"http://127.0.0.1:{upstream.server.server_port}"
    with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, api_version="v1beta")) as made:
        yield made


LEVELS = ir.Capabilities(thinking="level", efforts=("low", "high"), files=True, audio=True, service_tiers=True)
SCHEMA = {"type": "object", "properties": {"max_len": {"type": "integer", "maximum": 9}}, "additionalProperties": False}


def ours(capabilities: ir.Capabilities = LEVELS, **fields: Any) -> tuple[str, Any]:
    target = ir.Upstream(
        provider="google", dialect="google_gemini", model="gemini-x", family="google", capabilities=capabilities
    )
    request = ir.Request(**{"model": "a", "messages": (ir.Message("user", (ir.Text("Hi"),)),), **fields})
    sent = DIALECT.write_request(request, target, ir.Context("ab", 1))
    return sent.path, msgspec.json.decode(sent.body)


def theirs(upstream: Upstream, client: genai.Client, contents: Any = "Hi", **config: Any) -> tuple[str, Any]:
    told = types.GenerateContentConfig(automatic_function_calling=OFF, **config) if config else None
    client.models.generate_content(model="gemini-x", contents=contents, config=told)
    path, key, body = upstream.seen[-1]
    assert key == "k"
    return path.removeprefix("/v1beta"), recordings.spelt_alike(body)


def test_a_plain_question(upstream: Upstream, client: genai.Client) -> None:
    assert ours() == theirs(upstream, client)


def test_every_parameter(upstream: Upstream, client: genai.Client) -> None:
    same: dict[str, Any] = {
        "temperature": 0.2,
        "top_p": 0.9,
        "top_k": 4,
        "max_output_tokens": 5,
        "seed": 1,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }
    assert ours(
        **same,
        system=(ir.Text("sys"),),
        stop=("a",),
        n=2,
        logprobs=True,
        top_logprobs=3,
        service_tier="flex",
        effort="low",
        reasoning_summary="auto",
        format=ir.Format("json_schema", "x", SCHEMA),
    ) == theirs(
        upstream,
        client,
        **same,
        system_instruction="sys",
        stop_sequences=["a"],
        candidate_count=2,
        response_logprobs=True,
        logprobs=3,
        service_tier=types.ServiceTier.FLEX,
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
        response_mime_type="application/json",
        response_json_schema=SCHEMA,
    )


def test_a_thinking_budget(upstream: Upstream, client: genai.Client) -> None:
    budget = ir.Capabilities(thinking="budget", budgets={"low": 1024})
    assert ours(budget, effort="low", reasoning_summary="auto") == theirs(
        upstream, client, thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    )


def test_a_tool_loop(upstream: Upstream, client: genai.Client) -> None:
    state = ir.VendorState("google", "thought_signature", "c2lnbmVk")
    messages = (
        ir.Message("user", (ir.Text("Hi"), ir.Media("image", data="YWJj", media_type="image/png"))),
        ir.Message("assistant", (ir.ToolCall("1", "f", '{"a":1}', state=state), ir.ToolCall("2", "g", "{}"))),
        ir.Message("tool", (ir.ToolResult("2", (ir.Text("y"),)),)),
        ir.Message("tool", (ir.ToolResult("1", (ir.Text("x"),)),)),
    )
    tools = (ir.Tool("f", description="d", parameters=SCHEMA), ir.Tool("g"))
    contents = [
        types.Content(
            role="user", parts=[types.Part(text="Hi"), types.Part.from_bytes(data=b"abc", mime_type="image/png")]
        ),
        types.Content(
            role="model",
            parts=[
                types.Part(
                    function_call=types.FunctionCall(id="1", name="f", args={"a": 1}), thought_signature=b"signed"
                ),
                types.Part(function_call=types.FunctionCall(id="2", name="g", args={})),
            ],
        ),
        types.Content(
            role="user",
            parts=[
                types.Part(function_response=types.FunctionResponse(id="1", name="f", response={"output": "x"})),
                types.Part(function_response=types.FunctionResponse(id="2", name="g", response={"output": "y"})),
            ],
        ),
    ]
    declared = [
        types.FunctionDeclaration(name="f", description="d", parameters_json_schema=SCHEMA),
        types.FunctionDeclaration(name="g"),
    ]
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["f"])
    assert ours(messages=messages, tools=tools, tool_choice=ir.ToolChoice("named", ("f",))) == theirs(
        upstream,
        client,
        contents,
        tools=[types.Tool(function_declarations=declared)],
        tool_config=types.ToolConfig(function_calling_config=calling),
    )


def test_g28_the_skip_value_is_what_the_sdk_writes_for_it(upstream: Upstream, client: genai.Client) -> None:
    call = types.Part(
        function_call=types.FunctionCall(id="1", name="f", args={}),
        thought_signature=b"skip_thought_signature_validator",
    )
    messages = (ir.Message("user", (ir.Text("Hi"),)), ir.Message("assistant", (ir.ToolCall("1", "f", "{}"),)))
    contents = [types.Content(role="user", parts=[types.Part(text="Hi")]), types.Content(role="model", parts=[call])]
    assert ours(messages=messages) == theirs(upstream, client, contents)


def test_the_sdk_reads_our_whole_answer(client: genai.Client) -> None:
    told = client.models.generate_content(model="gemini-x", contents="Hi")
    assert told.text == "naïve 東京"
    assert told.function_calls
    assert told.function_calls[0].args == {"city": "Oslo"}
    assert told.candidates
    assert told.candidates[0].finish_reason == types.FinishReason.STOP
    assert told.usage_metadata
    assert (told.usage_metadata.candidates_token_count, told.usage_metadata.thoughts_token_count) == (5, 4)
    assert told.model_version == "gemini-x"


def test_the_sdk_reads_our_stream(upstream: Upstream, client: genai.Client) -> None:
    told = list(client.models.generate_content_stream(model="gemini-x", contents="Hi"))
    assert upstream.seen[-1][0] == "/v1beta" + ours(stream=True)[0]
    parts = [part for chunk in told for part in (chunk.parts or ())]
    assert "".join(part.text or "" for part in parts if not part.thought) == "naïve 東京"
    assert "".join(part.text or "" for part in parts if part.thought) == "hm"
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.id, call.name, call.args) for call in calls] == [("c1", "f", {"city": "Oslo"})]
    assert told[-1].usage_metadata
    assert told[-1].usage_metadata.total_token_count == 12


def test_the_sdk_raises_our_errors(upstream: Upstream, client: genai.Client) -> None:
    upstream.failure = ir.Failure("not_found", 404, "No model 'x'.")
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-x", contents="Hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (404, "NOT_FOUND", "No model 'x'.")
