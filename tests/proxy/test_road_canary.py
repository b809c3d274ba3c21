"""C13 and C14: every kind of call with marked secrets and prompts, and then a look at all that is written and told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from callers import BASES
from collector import Collector, collector
from command_line import turnout
from live import Live, free_port
from public_door import Heard
from scripted import Asked, Upstream, scripted, stream, whole

from proxy.apis import APIS
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.control import Load
from proxy.snapshot import build_text
from proxy.upstream.seam import Cargo, Outgoing
from proxy.write import begin, write

CLIENT = httpx2.Client(timeout=30, trust_env=False)
"""One for all calls of this file: they are many, and each new one reads the CAs."""
KEY, ADMIN, SECRET = "sk-canary-client-zq7k", "sk-canary-admin-zq7k", "canary-seal-secret-zq7k"
THEIRS = "sk-canary-of-the-caller-zq7k"
CREDENTIALS = {name: f"no-shape-canary-{name}-zq7k" for name in ("chat", "responses", "claude", "gemini", "vllm")}
HEADER, HOOK = "canary-operators-header-zq7k", "canary-hook-header-zq7k"
SECRETS = (KEY, ADMIN, SECRET, THEIRS, HEADER, HOOK, *CREDENTIALS.values())
PROMPT, TOOL, USER, ANSWER = "canary-prompt-zq7k", "canary_tool_zq7k", "canary-user-zq7k", "canary-answer-zq7k"
CONTENT = (PROMPT, TOOL, USER, ANSWER)
MARK = "zq7k"
"""Stands in all of them: nothing that is written holds it."""
ACTS = ("good", "400", "401", "403", "404", "429", "500", "503", "html", "garbage", "cut", "midway", "odd")


def post(live: Live, path: str, asked: Any, key: str, **headers: str) -> Heard:
    raw = asked if isinstance(asked, bytes) else msgspec.json.encode(asked)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = CLIENT.post(live.url + path, content=raw, headers={"authorization": f"Bearer {key}", **named})
    return Heard(answer.status_code, answer.headers, answer.content)


def get(live: Live, path: str, key: str = KEY) -> Heard:
    answer = CLIENT.get(live.url + path, headers={"authorization": f"Bearer {key}"})
    return Heard(answer.status_code, answer.headers, answer.content)


def quoting(asked: Asked) -> Any:
    """Misbehaves as ``user`` says, and quotes all that it was sent: in bodies, in headers, in the middle of a stream."""
    if asked.path == "/class":
        return whole({"oops": str(asked.headers)}, 500)
    act = next((act for act in ACTS if f"act-{act}" in asked.raw.decode()), "good")
    quoted = f"bad: {asked.headers} {asked.raw.decode()}"
    error = {"error": {"message": quoted, "type": quoted[:200], "code": quoted[:200], "param": quoted[:200]}}
    name = asked.headers.get("authorization", asked.headers.get("x-api-key", asked.headers.get("x-goog-api-key", "")))
    if act.isdigit():
        return whole(error, int(act), x_request_id=name.removeprefix("Bearer "), retry_after="1")
    if act == "html":
        return whole(f"<html>{quoted}</html>".encode(), 200, content_type="text/html")
    if act == "garbage":
        return whole(f"{{{quoted}".encode())
    if act == "odd":
        return whole({"id": quoted, "model": quoted, "usage": quoted, "choices": quoted, "type": quoted})
    if act == "midway":
        return stream(
            b"data: " + msgspec.json.encode(_chunk(ANSWER)) + b"\n\n", b"data: " + msgspec.json.encode(error) + b"\n\n"
        )
    if act == "cut":
        return stream(b"data: " + msgspec.json.encode(_chunk(ANSWER)) + b"\n\n", f"data: {quoted}\n\n".encode())
    return whole({**_chunk(""), "object": "chat.completion", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}]})  # fmt: skip


def _chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def config(url: str, otlp: str, more: str = "") -> str:
    lines = []
    for name, entry in {
        "chat": f"provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-5.6",
        "responses": f"provider: openai, dialect: openai_responses, base_url: '{url}/v1', model: gpt-5.6",
        "claude": f"provider: anthropic, base_url: '{url}', model: claude-sonnet-5",
        "gemini": f"provider: google, base_url: '{url}/v1beta', model: gemini-3.1-pro",
        "vllm": f"provider: vllm, base_url: '{url}/v1', model: m, local: true",
    }.items():
        lines += [
            f"  {name}-{act}: {{{entry}, credential: {CREDENTIALS[name]}, headers: {{x-own: {HEADER}}}}}"
            for act in ACTS
        ]
    return f"""version: 1
retries: {{attempts: 1}}
server: {{admin_key: {ADMIN}, secret: {SECRET}}}
keys: [{{name: me, secret: {KEY}}}]
classifier: {{hook: {{url: '{url}/class', timeout: 1s, headers: {{x-hook: {HOOK}}}}}}}
telemetry: {{otlp: '{otlp}'}}
backends:
{chr(10).join(lines)}
  down: {{provider: vllm, base_url: 'http://127.0.0.1:{free_port()}/v1', model: m, credential: {CREDENTIALS["vllm"]}}}
  theirs: {{provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-5.6, credential: from_client}}
roles: {{local: vllm-good, cloud: chat-good, claude: claude-good}}
aliases: {{auto: {{policy: hybrid}}, moves: {{use: [down, chat-500, vllm-good]}}}}
{more}"""


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with scripted() as made:
        made.reply = quoting
        yield made


@pytest.fixture(scope="module")
def live(upstream: Upstream, spans: Collector) -> Iterator[Live]:
    with Live(config(upstream.url, spans.url)) as made:
        yield made


def body(path: str, backend: str, **more: Any) -> dict[str, Any]:
    """A question with marks in all that is not taken over by its row: ``act-…`` tells the upstream how to fail."""
    raw = msgspec.json.encode(BASES[path]).replace(b"Hi!", f"{PROMPT} act-{backend.partition('-')[2]}".encode())
    tools = [{"type": "function", "name": TOOL, "input_schema": {"type": "object"}, "parameters": {"type": "object"},
              "function": {"name": TOOL, "parameters": {"type": "object"}}}]  # fmt: skip
    return {**msgspec.json.decode(raw), "model": f"backend/{backend}", "user": USER, "tools": tools, **more}


def every_call(live: Live) -> list[Heard]:
    heard = []
    for path in BASES:
        for name in CREDENTIALS:
            for act in ACTS:
                heard.append(post(live, path, body(path, f"{name}-{act}"), KEY))
                if path in ("/v1/chat/completions", "/v1/responses", "/v1/messages"):
                    heard.append(post(live, path, body(path, f"{name}-{act}", stream=True), KEY))
    chat = "/v1/chat/completions"
    heard += [
        post(live, chat, {**body(chat, "chat-good"), "model": "auto"}, KEY),
        post(live, chat, {**body(chat, "chat-500"), "model": "moves"}, KEY),
        post(live, chat, body(chat, "theirs-good"), THEIRS, x_turnout_key=KEY),
        post(live, chat, body(chat, "theirs-401"), THEIRS, x_turnout_key=KEY),
        post(live, chat, body(chat, "theirs-good"), THEIRS),
        post(live, chat, body(chat, "chat-good"), f"{KEY}-wrong"),
        post(live, chat, {**body(chat, "chat-good"), "reasoning_effort": PROMPT}, KEY),
        post(live, chat, {**body(chat, "claude-good"), "messages": [{"role": PROMPT, "content": PROMPT}]}, KEY),
        post(live, chat, {**body(chat, "claude-good"), "tool_choice": PROMPT, "verbosity": PROMPT}, KEY),
        post(live, chat, {**body(chat, "chat-good"), "response_format": {"type": PROMPT}}, KEY),
        post(live, chat, {**body(chat, "chat-good"), "n": PROMPT}, KEY),
        post(live, chat, {**body(chat, "chat-good"), "api_key": SECRET}, KEY),
        post(live, chat, msgspec.json.encode(body(chat, "chat-good"))[:-9], KEY),
        post(live, chat, b'{"model":"auto","messages":"' + PROMPT.encode() + b'"}', KEY),
    ]
    return heard


def admins_calls(live: Live, upstream: Upstream, spans: Collector) -> list[Heard]:
    """Every admin route, and reloads that fail on lines with a secret in them."""
    good = live.config.read_text()
    heard = [get(live, path, ADMIN) for path in ("/admin/config", "/admin/keys", "/admin/usage", "/admin/usage?rows=1")]
    heard += [get(live, path, KEY) for path in ("/admin/config", "/v1/models", "/v1/usage/x", "/v1/responses/x")]
    heard += [post(live, "/admin/explain", {"request": body("/v1/chat/completions", "chat-good")}, ADMIN)]
    heard += [post(live, "/admin/keys", {"name": "made", "secret": SECRET}, ADMIN)]
    for broken in (
        good.replace(f"credential: {CREDENTIALS['chat']}", f"credentials: {CREDENTIALS['chat']}", 1),
        good.replace(f"admin_key: {ADMIN}", f"admin_key: [{ADMIN}]"),
        good.replace(f"secret: {KEY}", f"sha256: {KEY}"),
        good + f"state: {{redis: '{SECRET}'}}\n",
        good + f"ledger: {{url: 'postgres:/u:{SECRET}@h/n'}}\n",
        good.replace(f"'{upstream.url}/class'", f"'http://u:{SECRET}@127.0.0.1/class'"),
        good.replace(f"base_url: '{upstream.url}/v1'", f"base_url: 'http://u:{SECRET}@h/v1'", 1),
        good.replace(f"'{spans.url}'", f"'http://u:{SECRET}@h'"),
        good + f"  {SECRET}: [\n",
    ):
        live.write(broken)
        heard.append(post(live, "/admin/config/reload", {}, ADMIN))
        assert heard[-1].status == 422, heard[-1].raw
    live.write(good)
    heard.append(post(live, "/admin/config/reload", {}, ADMIN))
    assert heard[-1].status == 200, heard[-1].raw
    return heard


def marked(raw: bytes, marks: tuple[str, ...] = SECRETS) -> list[str]:
    return [mark for mark in marks if mark.encode() in raw]


def test_c13_c14_no_secret_and_no_prompt_is_anywhere_but_where_it_belongs(
    live: Live, upstream: Upstream, spans: Collector
) -> None:
    heard = every_call(live)
    assert {200, 400, 401, 404, 429, 502, 503} <= {each.status for each in heard}
    told = [each for each in SECRETS if each != THEIRS]  # whose words its owner may hear again
    for each in heard:
        assert marked(each.raw, tuple(told)) == [], each.raw
        assert MARK not in repr(each.headers), each.headers
    for each in admins_calls(live, upstream, spans):
        own = b'"targets"' in each.raw  # explain shows the asker its own request as it would be sent
        assert marked(each.raw, SECRETS if own else (*SECRETS, *CONTENT)) == [], each.raw
    live.until(lambda: len(spans.spans) > len(heard) // 2, "spans at the collector")
    assert MARK not in repr(spans.spans)
    for path in ("/metrics", "/health/ready", "/health/live"):
        assert MARK.encode() not in get(live, path).raw
    assert MARK not in live.log()
    assert "call.done" in live.log()
    own = [live.config, live.config.with_name("proxy.yaml.new")]
    for file in live.folder.rglob("*"):
        if file.is_file() and file not in own and file.parent.name != "config-history":  # the file as it was written
            held = file.read_bytes()
            assert marked(held) == [], file
            assert file.name.startswith("state.db") or MARK.encode() not in held, file
    assert len(live.rows()) > len(heard) // 2


COMMANDS = (
    ("check",), ("check", "--json"), ("config", "show"), ("doctor",), ("doctor", "--json"), ("usage",),
    ("usage", "--rows", "--json"), ("usage", "show", "x"), ("keys", "list"), ("keys", "list", "--json"),
    ("budget", "list"), ("policy", "list"), ("explain", "--request", "asked.json"), ("explain", "asked.json"),
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_c13_no_command_tells_a_secret(
    live: Live, upstream: Upstream, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(live.config.read_text())
    asked = msgspec.json.encode(body("/v1/chat/completions", "chat-good"))
    (tmp_path / "asked.json").write_bytes(asked)
    told = turnout(*words, "--config", "proxy.yaml")
    assert marked(told.output.encode()) == []
    for broken in (f"credential: [{CREDENTIALS['chat']}]", f"credentials: {CREDENTIALS['chat']}"):
        text = live.config.read_text().replace(f"credential: {CREDENTIALS['chat']}", broken, 1)
        (tmp_path / "proxy.yaml").write_text(text)
        told = turnout(*words, "--config", "proxy.yaml")
        assert told.exit_code != 0
        assert marked(told.output.encode()) == []


@pytest.mark.parametrize(
    "more",
    [
        "state: {{redis: 'redis://user:{pw}@127.0.0.1:{port}/0'}}",
        "state: {{redis: 'rediss://:{pw}@127.0.0.1:{port}/0'}}",
        "state: {{redis: 'redis+sentinel://user:{pw}@127.0.0.1:{port}/main'}}",
        "state: {{redis: 'redis+cluster://user:{pw}@127.0.0.1:{port}'}}",
        "ledger: {{url: 'postgresql://user:{pw}@127.0.0.1:{port}/usage?password={pw}'}}",
    ],
)
def test_c13_a_password_in_a_url_is_told_to_nobody(upstream: Upstream, tmp_path: Path, more: str) -> None:
    """Nobody answers there, so that everything that can be said of it is said."""
    password = "canary-password-zq7k"
    text = config(upstream.url, "http://127.0.0.1:9", more.format(pw=password, port=free_port()))
    (tmp_path / "proxy.yaml").write_text(text)
    for words in (("check",), ("config", "show"), ("usage",), ("keys", "list")):
        assert password not in turnout(*words, "--config", tmp_path / "proxy.yaml").output
    with contextlib.suppress(AssertionError), Live(text, folder=tmp_path, await_ready=False) as live:
        live.until(lambda: live.get("/health/live")[0] == 200, "alive")
        for path in ("/admin/config", "/admin/keys", "/admin/usage", "/health/ready", "/metrics"):
            assert password.encode() not in get(live, path, ADMIN).raw
        post(live, "/v1/chat/completions", body("/v1/chat/completions", "vllm-good"), KEY)
        post(live, "/admin/keys", {"name": "made"}, ADMIN)
        live.stop()
    assert password not in (tmp_path / "log").read_text()


def test_c13_nothing_that_holds_a_secret_shows_it() -> None:
    """``repr``, ``str`` and ``format``: of what a log line, a failed assertion or a debugger may show."""
    redis, ledger = f"redis://:{SECRET}@h:1/0", f"postgresql://u:{SECRET}@h/n"
    more = f"state: {{redis: '{redis}'}}\nledger: {{url: '{ledger}'}}"
    text = config("http://127.0.0.1:9", "http://127.0.0.1:9", more)
    snapshot = build_text(text, file="proxy.yaml", generation=1, env={})
    call = Call(
        id="0" * 36,
        api=APIS["/v1/chat/completions"],
        headers={"authorization": f"Bearer {KEY}", "x-turnout-key": KEY},
        peer=None,
        snapshot=snapshot,
        started=0.0,
        started_at=0,
        body=msgspec.json.encode(body("/v1/chat/completions", "chat-good")),
    )
    call.read_head()
    attempt: Attempt = begin(call, snapshot.backends["chat-good"].target, 0.0)
    outgoing = write(call, attempt)
    assert CREDENTIALS["chat"] in str(outgoing.headers)
    held = (
        snapshot, snapshot.config, snapshot.config.server, snapshot.config.state, snapshot.config.ledger,
        snapshot.config.keys, snapshot.config.classifier, snapshot.config.backends, dict(snapshot.backends),
        dict(snapshot.callers), call, attempt, outgoing, Load(1, text, "proxy.yaml"), snapshot.masked(),
        Outgoing("http://h", [("x", SECRET)], SECRET.encode(), 1.0, Cargo("x", local=True, restricted=False)),
    )  # fmt: skip
    for each in held:
        for told in (repr(each), str(each), f"{each}"):
            assert marked(told.encode(), (*SECRETS, PROMPT)) == [], type(each)
