"""What stands for stored content moves the call to another target; it is never left out."""

import msgspec
import pytest

from adapters import ir
from adapters.catalog import DIALECTS

USER = ir.Message("user", (ir.Text("x"),))
REFERENCE = ir.Message("assistant", (ir.Opaque("openai", "item_reference", msgspec.Raw(b"{}")),))
ELSEWHERE = ("openai_chat", "anthropic_messages", "google_gemini")


def named(dialect: str, *messages: ir.Message, **extras: msgspec.Raw) -> dict[str, ir.Named]:
    request = ir.Request(model="m", messages=messages, dialect="openai_responses", extras=extras)
    found = DIALECTS[dialect]
    upstream = ir.Upstream(provider="p", dialect=dialect, model="u", family=found.family)
    return {one.name: one for one in found.refuses(request, upstream)}


@pytest.mark.parametrize("dialect", ELSEWHERE)
@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt"])
def test_a_stored_conversation_is_not_left_out(dialect: str, field: str) -> None:
    found = named(dialect, USER, **{field: msgspec.Raw(b'"resp_1"'), "background": msgspec.Raw(b"true")})
    assert (found[field].kind, found["background"].kind) == ("contract", "unknown")
    assert "send the whole input" in found[field].why


@pytest.mark.parametrize("dialect", ELSEWHERE)
def test_a_reference_to_a_stored_item_says_the_mend(dialect: str) -> None:
    [found] = named(dialect, USER, REFERENCE, USER).values()
    assert found.kind == "contract"
    assert '"store": false' in found.why
