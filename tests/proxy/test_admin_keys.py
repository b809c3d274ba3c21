"""Keys for admins over HTTP: the twins of ``turnout keys``, and what they never tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from keys_kit import keys, status, told
from live import Live, demo_upstream
from public_door import Heard, get, post

from proxy.minting import is_ours

ADMIN = "sk-of-the-admin"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as url,
        Live(f"""version: 1
server: {{admin_key: {ADMIN}}}
backends: {{local: {{provider: vllm, base_url: "{url}/v1", model: demo-local}}}}
aliases: {{local: {{use: [local]}}}}
teams: {{interns: {{}}}}
keys: [{{name: filed, secret: sk-filed, team: interns, limits: {{rpm: 10000}}}}]
""") as running,
    ):
        yield running


def asked(live: Live, method: str, path: str, body: Any = None, key: str | None = ADMIN) -> tuple[int, Any]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return live.call(method, path, None if body is None else msgspec.json.encode(body), headers)


def create(live: Live, **words: Any) -> dict[str, Any]:
    code, found = asked(live, "POST", "/admin/keys", words)
    assert code == 201, found
    return dict(found)


def test_a_key_is_made_shown_once_and_works_at_once(live: Live) -> None:
    found = create(live, name="ann", team="interns", aliases=["local"], limits={"rpm": 100}, expires="90d",
                   budget={"usd": 5, "window": "30d", "counts": "cloud"})  # fmt: skip
    assert is_ours(found["secret"])
    assert (found["key"]["state"], found["key"]["limits"], found["key"]["budget"]["usd"]) == (
        "active",
        {"rpm": 100},
        5.0,
    )
    assert status(live, found["secret"]) == 200
    code, listed = asked(live, "GET", "/admin/keys")
    assert (code, listed["store"]) == (200, "ok")
    assert [(each["name"], each["from"]) for each in listed["keys"]] == [("filed", "file"), ("ann", "store")]
    shown = repr(listed)
    assert found["secret"] not in shown
    assert "sk-" not in shown
    assert "sha256" not in shown
    assert {each["name"] for each in told(live, "list")} == {"filed", "ann"}


def test_the_answer_with_a_secret_is_kept_by_nobody(live: Live) -> None:
    heard = post(live, "/admin/keys", {"name": "uncached"}, ADMIN)
    assert (heard.status, heard.headers["cache-control"]) == (201, "no-store")
    assert "x-request-id" in heard.headers
    assert heard.body["secret"] not in live.log()


def test_a_key_is_replaced_and_revoked(live: Live) -> None:
    first = create(live, name="bob")["secret"]
    code, found = asked(live, "POST", "/admin/keys/bob/rotate", {"grace": "1h"})
    assert (code, found["key"]["replaced_until"] is not None) == (200, True)
    assert {status(live, first), status(live, found["secret"])} == {200}
    code, found = asked(live, "POST", "/admin/keys/bob/rotate")
    assert code == 200
    code, gone = asked(live, "DELETE", "/admin/keys/bob")
    assert (code, gone["state"]) == (200, "revoked")
    assert status(live, found["secret"]) == 401
    assert keys(live, "show", "bob").stdout.splitlines()[1] == "state     revoked"


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/admin/keys", {"name": "filed"}, "name: a key named 'filed' stands in the configuration"),
        ("POST", "/admin/keys", {"name": "x", "team": "intern"}, "team: no team 'intern': did you mean 'interns'?"),
        ("POST", "/admin/keys", {"name": "x", "budgte": 3}, "budgte: unknown key 'budgte': did you mean 'budget'?"),
        ("POST", "/admin/keys", {"name": "x", "expires": 90}, "expires: expected str | null, got int"),
        ("POST", "/admin/keys", {"name": "x", "secret": "sk-mine"}, "secret: a key that is made here gets a secret"),
        ("POST", "/admin/keys", {"name": "x", "sha256": "0" * 64}, "sha256: a key that is made here gets a secret"),
        ("POST", "/admin/keys", {}, "name: write 1 to 64 letters"),
        ("POST", "/admin/keys", {"name": ["x"]}, "name: write 1 to 64 letters"),
        ("POST", "/admin/keys", ["x"], "Expected `object`, got `array`. Send"),
        ("POST", "/admin/keys/nobody/rotate", {}, "there is no key 'nobody'"),
        ("POST", "/admin/keys/filed/rotate", {}, "'filed' stands in the configuration: change it there"),
        ("POST", "/admin/keys/filed/rotate", {"gracious": 1}, "Object contains unknown field `gracious`. Send"),
        ("DELETE", "/admin/keys/filed", None, "'filed' stands in the configuration: change it there"),
        ("DELETE", "/admin/keys/nobody", None, "there is no key 'nobody'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_its_mend(live: Live, method: str, path: str, body: Any, says: str) -> None:
    code, found = asked(live, method, path, body)
    assert code == 400, found
    assert found["error"]["message"].startswith(says)
    assert "sk-mine" not in found["error"]["message"]


@pytest.mark.parametrize("key", [None, "sk-filed", "sk-no"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/keys"),
        ("POST", "/admin/keys"),
        ("POST", "/admin/keys/ann/rotate"),
        ("DELETE", "/admin/keys/ann"),
    ],
)
def test_nobody_but_the_admin_comes_near(live: Live, key: str | None, method: str, path: str) -> None:
    code, found = asked(live, method, path, {"name": "thief"} if method == "POST" else None, key)
    assert (code, found["error"]["code"]) == (401, "invalid_api_key")
    assert not any(each["name"] == "thief" for each in asked(live, "GET", "/admin/keys")[1]["keys"])


def test_an_explanation_can_be_asked_as_a_key_of_the_store(live: Live) -> None:
    create(live, name="narrow", aliases=["nothing-*"])
    request = {"request": {"model": "local", "messages": [{"role": "user", "content": "Hi"}]}, "key": "narrow"}
    found: Heard = post(live, "/admin/explain", request, ADMIN)
    assert (found.status, found.body["denied"]["code"]) == (200, "model_not_allowed")
    unknown = post(live, "/admin/explain", {**request, "key": "nobody"}, ADMIN)
    assert (unknown.status, unknown.error["code"]) == (400, "unknown_key")


def test_without_an_admin_key_this_machine_makes_keys() -> None:
    with demo_upstream() as url, Live(f"""version: 1
backends: {{local: {{provider: vllm, base_url: "{url}/v1", model: demo-local}}}}
aliases: {{local: {{use: [local]}}}}
""") as live:  # fmt: skip
        secret = create_here(live)
        assert get(live, "/v1/models", secret).status == 200
        assert get(live, "/v1/models").status == 401
        assert asked(live, "GET", "/admin/keys", key=None)[0] == 200


def create_here(live: Live) -> str:
    code, found = asked(live, "POST", "/admin/keys", {"name": "ann"}, None)
    assert code == 201
    return str(found["secret"])
