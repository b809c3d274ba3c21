"""An upstream that quotes what it was sent: nobody reads our credential, and a caller's own is refused when it is none."""

from collections.abc import Iterator

import msgspec
import pytest
from live import Live
from public_door import CHAT, ask, chat
from scripted import Asked, Upstream, scripted, whole

CREDENTIAL = "no-key-shape-at-all-0a1b2c3d"


def quoting(asked: Asked) -> object:
    return whole(
        {"error": {"message": f"bad: {asked.headers['authorization']}", "type": "x", "code": None}},
        int(asked.body["user"]),
    )


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with scripted() as upstream:
        upstream.reply = quoting  # type: ignore[assignment]
        with Live(config(upstream)) as made:
            yield made


def config(upstream: Upstream) -> str:
    entry = f'provider: openai, base_url: "{upstream.url}/v1", model: m'
    return f"""version: 1
retries: {{attempts: 1}}
telemetry: {{capture_content: true}}
backends:
  first: {{{entry}, credential: {CREDENTIAL}}}
  second: {{{entry}, credential: {CREDENTIAL}}}
  theirs: {{{entry}, credential: from_client}}
aliases: {{both: {{use: [first, second]}}}}
"""


@pytest.mark.parametrize("model", ["backend/first", "both"])
@pytest.mark.parametrize("status", ["400", "404", "429", "500"])
def test_a_quoted_credential_is_masked_wherever_it_is_kept(live: Live, model: str, status: str) -> None:
    heard = ask(live, model, user=status)
    assert heard.status >= 400
    assert CREDENTIAL.encode() not in heard.raw
    rows = live.rows_of(heard.id)
    assert all("[key]" in (row.error_message or "") for row in rows)
    assert CREDENTIAL not in str(rows)
    assert CREDENTIAL not in live.log()


def test_a_bearer_that_no_header_can_carry_is_no_key(live: Live) -> None:
    asked = msgspec.json.encode(chat("backend/theirs", user="500"))
    status, body = live.call("POST", CHAT, asked, {"authorization": "Bearer cl\u00e9"})
    assert (status, body["error"]["code"]) == (401, "missing_api_key")
