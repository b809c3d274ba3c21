"""Questions for Gemini, and what is written of them: every body is checked against google-genai's types."""

from typing import Any

import msgspec
from vendor_types import assert_google_request

from adapters import ir
from adapters.google_gemini import DIALECT

CONTEXT = ir.Context("ab12", 1_700_000_000)
BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
OLD = ir.Capabilities(thinking="budget", budgets=BUDGETS, image_urls=False, files=True, audio=True, service_tiers=True)
NEW = ir.Capabilities(
    thinking="level",
    efforts=("minimal", "low", "medium", "high"),
    can_disable_thinking=False,
    image_urls=False,
    files=True,
    audio=True,
)
CALL_A = ir.ToolCall("a1", "weather", '{"city":"Oslo"}')
CALL_B = ir.ToolCall("b2", "time", "{}")
PNG = ir.Media("image", data="iVBORw0KGgo=", media_type="image/png")
WEATHER = ir.Tool("weather", description="d", parameters={"type": "object"})


def upstream(capabilities: ir.Capabilities = OLD, **changes: Any) -> ir.Upstream:
    return ir.Upstream(
        provider="google",
        dialect="google_gemini",
        model="gemini-2.5-flash",
        family="google",
        capabilities=capabilities,
        **changes,
    )


def user(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(block) if isinstance(block, str) else block for block in blocks))


def ask(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request(model="alias", messages=messages or (user("Hi"),), **fields)


def written(request: ir.Request, target: ir.Upstream | None = None, context: ir.Context = CONTEXT) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_request(request, target or upstream(), context).body)
    assert_google_request(body)
    return body


def generation(request: ir.Request, target: ir.Upstream | None = None) -> dict[str, Any]:
    config: dict[str, Any] = written(request, target).get("generationConfig", {})
    return config


def loop(*results: ir.Block, calls: tuple[ir.ToolCall, ...] = (CALL_A, CALL_B)) -> tuple[ir.Message, ...]:
    """A question, the model's calls, and what came back, one message each as chat clients send it."""
    return (user("Hi"), ir.Message("assistant", calls), *(ir.Message("tool", (result,)) for result in results))


def result(call_id: str, text: str = "ok", **fields: Any) -> ir.ToolResult:
    return ir.ToolResult(call_id, (ir.Text(text),), **fields)
