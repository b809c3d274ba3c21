"""Overrides for admins over HTTP: the twins of ``turnout override``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live, demo_upstream
from public_door import ask

ADMIN = "sk-of-the-admin"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as url,
        Live(f"""version: 1
server: {{admin_key: {ADMIN}}}
backends:
  local: {{provider: vllm, base_url: "{url}/v1", model: demo-local, local: true}}
  chat:  {{provider: openai_compatible, base_url: "{url}/v1", model: demo-chat, local: false}}
roles: {{cloud: chat}}
aliases: {{auto: {{policy: hybrid}}, direct: {{use: [chat]}}}}
keys: [{{name: filed, secret: sk-filed}}]
""") as running,
    ):
        yield running


def asked(live: Live, method: str, path: str, body: Any = None, key: str | None = ADMIN) -> tuple[int, Any]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return live.call(method, path, None if body is None else msgspec.json.encode(body), headers)


def test_it_is_made_holds_at_once_and_is_cleared(live: Live) -> None:
    code, made = asked(live, "POST", "/admin/overrides", {"drain": "chat", "ttl": "30m", "reason": "a new model"})
    assert (code, made["replaced"]) == (201, [])
    assert made["warnings"] == ["no backend is left for direct: their calls get 503"]
    told = made["override"]
    assert (told["override"], told["by"], told["reason"]) == ("drain chat", "admin key at 127.0.0.1", "a new model")
    assert ask(live, "direct", key="sk-filed").status == 503
    code, found = asked(live, "GET", "/admin/overrides")
    assert (code, found["overrides"], found["store"]) == (200, [told], "ok")
    code, again = asked(live, "POST", "/admin/overrides", {"drain": "chat"})
    assert (code, again["replaced"]) == (201, ["drain chat"])
    assert asked(live, "DELETE", f"/admin/overrides/{told['id']}")[0] == 400
    code, gone = asked(live, "DELETE", f"/admin/overrides/{again['override']['id']}")
    assert (code, [each["override"] for each in gone["cleared"]]) == (200, ["drain chat"])
    assert ask(live, "direct", key="sk-filed").status == 200
    after = asked(live, "GET", "/admin/overrides")[1]
    assert (after["overrides"], after["generation"]) == ([], found["generation"] + 2)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"policy": "atuo=local_only"}, "there is no alias 'atuo': did you mean 'auto'?"),
        ({"policy": "auto=local_onyl"}, "there is no policy 'local_onyl': did you mean 'local_only'?"),
        ({"policy": "auto=claude_only"}, "policy claude_only cannot be used: "),
        ({"policy": "auto"}, "'auto' is not ALIAS=POLICY: write auto=local_only"),
        ({"drain": "chta"}, "there is no backend 'chta': did you mean 'chat'?"),
        ({}, "say what to turn, one of them"),
        ({"drain": "chat", "policy": "auto=local_only"}, "say what to turn, one of them"),
        ({"drain": "chat", "ttl": "soon"}, "ttl: 'soon' is not a duration"),
        ({"drain": "chat", "ttl": "0s"}, "ttl: it would be over at once"),
        ({"drain": "chat", "until": "2020-01-01"}, "until: 2020-01-01 is over"),
        ({"drain": "chat", "until": "tomorrow"}, "until: 'tomorrow' is no time"),
        ({"drain": "chat", "until": "2999-01-01", "ttl": "1h"}, "ttl: until says when it ends"),
        ({"drain": "chat", "reason": "x" * 201}, "reason: write one line of at most 200 characters"),
        ({"drain": "chat", "reason": "a\nb"}, "reason: write one line of at most 200 characters"),
        ({"drain": ["chat"]}, "Expected `str | null`, got `array` - at `$.drain`. Send {"),
        ({"drian": "chat"}, "Object contains unknown field `drian`. Send {"),
        (["drain"], "Expected `object`, got `array`. Send {"),
    ],
)
def test_what_cannot_be_turned_is_told_with_its_mend(live: Live, body: Any, says: str) -> None:
    code, found = asked(live, "POST", "/admin/overrides", body)
    assert code == 400, found
    assert found["error"]["message"].startswith(says)
    assert asked(live, "GET", "/admin/overrides")[1]["overrides"] == []


def test_what_is_not_there_cannot_be_cleared(live: Live) -> None:
    code, found = asked(live, "DELETE", "/admin/overrides/3fa2c1")
    assert (code, found["error"]["message"]) == (400, "there is no override '3fa2c1': nothing is overridden.")


@pytest.mark.parametrize("key", [None, "sk-filed", "sk-no"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin/overrides"), ("POST", "/admin/overrides"), ("DELETE", "/admin/overrides/chat")],
)
def test_nobody_but_the_admin_comes_near(live: Live, key: str | None, method: str, path: str) -> None:
    code, found = asked(live, method, path, {"drain": "chat"} if method == "POST" else None, key)
    assert (code, found["error"]["code"]) == (401, "invalid_api_key")
    assert asked(live, "GET", "/admin/overrides")[1]["overrides"] == []
