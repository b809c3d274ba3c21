"""Who asks: keys as soon as there are any, loopback trust only when every condition of D22 holds."""

from typing import Any

import pytest

from policies.verdict import Caller
from proxy.keys import LOCAL, Refusal, authenticate, digest, given

ANN = Caller(key_id="ann", name="ann", team="ops")
CALLERS = {digest("sk-ann"): ANN}
HOME = {"host": "127.0.0.1:4000"}
TRUSTED: dict[str, Any] = {"peer_host": "127.0.0.1", "bound_loopback": True, "find": None, "admin_configured": False}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:4000"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_d22_this_machine_is_trusted_without_keys(host: str, peer: str) -> None:
    assert authenticate({"host": host}, **TRUSTED | {"peer_host": peer}) is LOCAL


def test_d22_any_bearer_is_welcome_while_there_are_no_keys() -> None:
    assert authenticate(HOME | {"authorization": "Bearer anything"}, **TRUSTED) is LOCAL


@pytest.mark.parametrize(
    ("headers", "changed", "named"),
    [
        (HOME, {"bound_loopback": False}, "bound"),
        (HOME, {"admin_configured": True}, "admin"),
        (HOME, {"peer_host": "10.0.0.2"}, "another"),
        (HOME, {"peer_host": None}, "another"),
        ({}, {}, "Host"),
        ({"host": "evil.example"}, {}, "Host"),
        ({"host": "localhost.evil.example"}, {}, "Host"),
        ({"host": "127.0.0.1.evil.example"}, {}, "Host"),
        ({"host": "localhost:80@evil"}, {}, "Host"),
        ({"host": "10.0.0.1:4000"}, {}, "Host"),
        ({"host": "[::1"}, {}, "Host"),
        (HOME | {"origin": "http://localhost:3000"}, {}, "origin"),
        (HOME | {"forwarded": "for=1.2.3.4"}, {}, "forwarded"),
        (HOME | {"x-forwarded-for": "1.2.3.4"}, {}, "x-forwarded-for"),
        (HOME | {"x-forwarded-proto": "https"}, {}, "x-forwarded-proto"),
        (HOME | {"via": "1.1 nginx"}, {}, "via"),
    ],
)
def test_d22_one_condition_missing_is_401_with_the_mend(
    headers: dict[str, str], changed: dict[str, Any], named: str
) -> None:
    found = authenticate(headers, **TRUSTED | changed)
    assert isinstance(found, Refusal)
    assert found.failure.status == 401
    assert named in found.failure.message
    assert "keys:" in found.failure.message


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        (None, "didn't provide"),
        ("Basic YTpi", "didn't provide"),
        ("Bearer ", "didn't provide"),
        ("Bearer sk-no", "Incorrect"),
    ],
)
def test_as_soon_as_a_key_exists_a_key_is_required(authorization: str | None, says: str) -> None:
    headers = HOME if authorization is None else HOME | {"authorization": authorization}
    found = authenticate(headers, **TRUSTED | {"find": CALLERS.get})
    assert isinstance(found, Refusal)
    assert (found.failure.status, found.failure.code) == (401, "invalid_api_key")
    assert says in found.failure.message
    assert "sk-no" not in found.failure.message


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_names_its_caller_from_anywhere(scheme: str) -> None:
    away = {"peer_host": "8.8.8.8", "bound_loopback": False, "find": CALLERS.get, "admin_configured": True}
    assert authenticate({"authorization": f"{scheme} sk-ann"}, **away) is ANN


def test_an_open_server_without_keys_serves_everyone() -> None:
    away = TRUSTED | {"peer_host": "8.8.8.8", "bound_loopback": False}
    assert authenticate({"host": "proxy.example"}, **away, open_server=True) is LOCAL
    assert isinstance(authenticate(HOME, **away | {"find": CALLERS.get}, open_server=True), Refusal)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "sk-ann"},
        {"x-api-key": " sk-ann "},
        {"x-api-key": "sk-ann", "authorization": "Bearer of-another-service"},
        {"x-api-key": "of-another-service", "authorization": "Bearer sk-ann"},
        {"x-api-key": "of-another-service", "x-turnout-key": "sk-ann"},
    ],
)
def test_anthropics_header_names_a_caller_too(headers: dict[str, str]) -> None:
    assert authenticate(HOME | headers, **TRUSTED | {"find": CALLERS.get}) is ANN


@pytest.mark.parametrize("headers", [{"x-api-key": "sk-no"}, {"x-api-key": "sk-ann", "x-turnout-key": "sk-no"}])
def test_a_wrong_key_is_wrong_in_any_header(headers: dict[str, str]) -> None:
    found = authenticate(HOME | headers, **TRUSTED | {"find": CALLERS.get})
    assert isinstance(found, Refusal)
    assert "Incorrect" in found.failure.message


def test_a_credential_is_found_in_either_header() -> None:
    assert given({"authorization": "Bearer a", "x-api-key": "b"}) == "a"
    assert given({"x-api-key": "b"}) == "b"
    assert given({"authorization": "Basic a", "x-api-key": ""}) is None
