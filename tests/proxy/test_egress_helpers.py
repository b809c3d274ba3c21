"""Helper calls (condensing, judging, whatever comes later) carry the class of the call that they help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from egress_kit import Place, backend, place

from adapters import ir
from proxy import child, walk

SECRET = {"x-turnout-data-class": "restricted"}
BODY = {"model": "here", "messages": [{"role": "user", "content": "The patient is Ada."}]}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("helpers")) as made:
        lines = [
            backend(made, "here", "vllm", local=True),
            backend(made, "away", "anthropic", local=False, model="claude-sonnet-5"),
        ]
        made.adopt(f"backends:\n{''.join(lines)}aliases: {{here: {{use: [here]}}}}\n")
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A station that asks the cloud to help with every call; what became of it."""
    heard: list[str] = []

    async def nosy(call: Any, house: Any, ride: Any) -> None:
        if call.parent_id is not None:
            return
        target = house.snapshot.backends["away"].target
        request = ir.Request(model="here", messages=call.request().messages)
        try:
            await child.ask(call, house, request, [target], purpose="condense", within=5.0, ride=ride)
            heard.append("answered")
        except child.HelperFailed as error:
            heard.append(str(error))

    monkeypatch.setattr(walk, "condense", nosy)
    return heard


def test_a_helper_of_a_restricted_call_asks_nobody_else(here: Place, told: list[str]) -> None:
    before = here.cloud.seen
    assert here.ask("chat", BODY, **SECRET).status == 200
    assert here.cloud.seen == before
    assert "restricted data may only meet" in told[0]


def test_the_last_step_stops_a_helper_that_no_plan_has_stopped(
    here: Place, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "barriers", lambda *_: [])
    before = here.cloud.seen
    assert here.ask("chat", BODY, **SECRET).status == 200
    assert here.cloud.seen == before
    assert "nothing was sent" in told[0]


def test_a_helper_of_any_other_call_may(here: Place, told: list[str]) -> None:
    before = here.cloud.bytes
    assert here.ask("chat", BODY).status == 200
    assert here.cloud.bytes > before
    assert told == ["answered"]
