"""Text documents where no file is taken, and what could only be lost, by name."""

from __future__ import annotations

import base64

import msgspec
import pytest

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.fitting import media

WORDS = "für\nalle"
TEXT = ir.Media("file", data=base64.b64encode(WORDS.encode()).decode(), media_type="text/markdown", name="a.md")
PDF = ir.Media("file", data="JVBERi0=", media_type="application/pdf")


def ask(
    *blocks: ir.Block, role: ir.Role = "user", family: ir.Family = "anthropic", dialect: str | None = None
) -> ir.Request:
    return ir.Request(model="m", messages=(ir.Message(role, blocks),), family=family, dialect=dialect)


def to(dialect: str, *, files: bool, family: ir.Family = "openai") -> ir.Upstream:
    able = ir.Capabilities(files=files)
    return ir.Upstream(provider="p", dialect=dialect, model="m", family=family, capabilities=able)


CHAT, RESPONSES = to("openai_chat", files=True), to("openai_responses", files=True)
LOCAL = to("openai_chat", files=False)


@pytest.mark.parametrize("upstream", [CHAT, LOCAL, to("openai_responses", files=False)])
def test_a_text_document_is_told_as_text(upstream: ir.Upstream) -> None:
    fitted = media.fit(ask(TEXT, PDF, ir.ToolResult("t", (TEXT,))), upstream)
    text = ir.Text(f"a.md:\n\n{WORDS}")
    assert fitted.request.messages[0].blocks == (text, PDF, ir.ToolResult("t", (text,)))
    assert fitted.named == ()


@pytest.mark.parametrize("upstream", [RESPONSES, to("google_gemini", files=True, family="google")])
def test_where_files_are_taken_it_stays_one(upstream: ir.Upstream) -> None:
    request = ask(TEXT)
    assert media.fit(request, upstream).request is request


def test_chats_own_file_for_chat_stays_one() -> None:
    request = ask(TEXT, family="openai", dialect="openai_chat")
    assert media.fit(request, CHAT).request is request


def test_a_document_without_a_name_or_that_is_no_text_after_all() -> None:
    bare = msgspec.structs.replace(
        TEXT, name=None, extras={"cache_control": msgspec.Raw(b"{}"), "source": msgspec.Raw(b"1")}
    )
    binary = msgspec.structs.replace(TEXT, data="/w==")
    told = media.fit(ask(bare, binary), LOCAL).request.messages[0].blocks
    assert told == (ir.Text(f"Document:\n\n{WORDS}", extras={"cache_control": msgspec.Raw(b"{}")}), binary)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_hold_text_only_but_for_responses(role: ir.Role) -> None:
    request = ask(ir.Media("image", data="QQ=="), role=role, family="openai")
    for upstream in (CHAT, to("anthropic_messages", files=True, family="anthropic")):
        ((name, _, kind, *_),) = map(msgspec.structs.astuple, media.fit(request, upstream).named)
        assert (name, kind) == ("messages[0].content[0]", "contract")
    assert media.fit(request, RESPONSES).named == ()


def read(source: object) -> ir.Request:
    block = {"type": "document", "title": "T", "source": source}
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    return DIALECTS["anthropic_messages"].read_request(msgspec.json.encode(asked))


@pytest.mark.parametrize(
    "source",
    [
        {"type": "content", "content": "one\n\ntwo"},
        {"type": "content", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"type": "text", "media_type": "text/plain", "data": "one\n\ntwo"},
    ],
)
def test_every_text_source_of_anthropics_is_told_elsewhere_and_comes_back_as_it_was(source: object) -> None:
    request = read(source)
    assert media.fit(request, LOCAL).request.messages[0].blocks == (ir.Text("T:\n\none\n\ntwo"),)
    claude = to("anthropic_messages", files=True, family="anthropic")
    body = DIALECTS["anthropic_messages"].write_request(request, claude, ir.Context("00", 0)).body
    assert msgspec.json.decode(body)["messages"][0]["content"] == [{"type": "document", "title": "T", "source": source}]


def test_a_tools_result_with_a_foreign_block_is_refused_by_name() -> None:
    found = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [found]}
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [result]}]}
    request = DIALECTS["anthropic_messages"].read_request(msgspec.json.encode(asked))
    (named,) = media.fit(request, RESPONSES).named
    assert (named.name, named.kind) == ("messages[0].content[0]", "contract")
    assert media.fit(request, to("anthropic_messages", files=True, family="anthropic")).named == ()
