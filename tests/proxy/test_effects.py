"""The effect diff: what a dry run predicts of a configuration is what then happens, and what it does not know it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import turnout
from live import Live, demo_upstream
from public_door import Heard, ask, post, responses
from services import postgres_server

SIMPLE, HARD = "What is the capital of France?", "Prove that there are infinitely many primes. Then design a scheduler."


def config(url: str, rules: str, more: str = "", claude: str = "claude-sonnet-5") -> str:
    return f"""version: 1
backends:
  oss: {{provider: vllm, base_url: "{url}/v1", model: demo-local, local: true, capabilities: {{tools: true}}}}
  mini: {{provider: openai_compatible, base_url: "{url}/v1", model: demo-chat, price: {{input: 1, output: 4}}}}
  claude: {{provider: anthropic, base_url: "{url}", model: {claude}, credential: sk-demo-claude}}
aliases:
  auto: {{policy: main}}
  old: {{use: [mini]}}
policies:
  main:
    rules:
{rules}
{more}"""


BEFORE = """
      - {when: {tools: any}, use: [claude]}
      - {when: {max_output: ">=500"}, use: [mini, claude]}
      - {when: {class: simple}, use: [oss]}
      - {use: [claude]}"""
AFTER = """
      - {when: {tools: any}, use: [mini]}
      - {when: {stream: true}, deny: "no streams any more"}
      - {when: {max_output: ">=700"}, use: [claude]}
      - {when: {class: [simple, moderate]}, use: [oss]}
      - {use: [mini]}"""
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def live(upstream: str) -> Iterator[Live]:
    with Live(config(upstream, BEFORE)) as made:
        yield made


def several(live: Live) -> list[Heard]:
    """One call of each kind that the rules tell apart."""
    return [
        ask(live, "auto", SIMPLE),
        ask(live, "auto", HARD),
        ask(live, "auto", SIMPLE, tools=TOOLS),
        ask(live, "auto", SIMPLE, max_tokens=800),
        ask(live, "auto", SIMPLE, stream=True),
        ask(live, "old", SIMPLE),
        ask(live, "backend/oss", HARD),
        ask(live, "nobody", SIMPLE),
        post(live, "/v1/responses", responses("auto", HARD)),
    ]


def dry_run(live: Live, last: int = 1000) -> dict[str, Any]:
    status, told = live.call("POST", f"/admin/config/reload?dry_run=1&last={last}")
    assert status == 200, told
    assert isinstance(told, dict)
    return told


def weigh(live: Live, text: str) -> dict[str, Any]:
    """What this text would change. (A file that is written is in force a moment later.)"""
    status, told = live.call("POST", "/admin/config/diff", text.encode())
    assert (status, told["ok"]) == (200, True), told
    return dict(told)


def place(heard: Heard) -> str:
    return heard.told("backend") or "refused"


def differences(before: list[Heard], after: list[Heard]) -> Counter[tuple[str, str]]:
    return Counter((place(a), place(b)) for a, b in zip(before, after, strict=True) if place(a) != place(b))


def told_moves(effects: dict[str, Any]) -> Counter[tuple[str, str]]:
    told: Counter[tuple[str, str]] = Counter()
    for move in effects["moves"]:
        told[move["from"].partition(":")[0], move["to"].partition(":")[0]] += move["calls"]
    return told


def test_what_is_predicted_is_what_happens(live: Live, upstream: str) -> None:
    before = several(live)
    unclassed = ask(live, "auto", SIMPLE, max_tokens=600)
    assert place(unclassed) == "mini"
    effects = weigh(live, config(upstream, AFTER))["effects"]
    live.write(config(upstream, AFTER))
    assert live.reload()["ok"]
    really = differences(before, several(live))
    assert told_moves(effects) == really
    assert really == {("oss", "refused"): 1, ("claude", "mini"): 3, ("mini", "claude"): 1}
    # Its class was never asked for, so that nobody knows what the new rules would say.
    assert effects["why_unreplayable"] == {"class": 1}
    assert (effects["looked"], effects["moved"], effects["refused"], effects["same"]) == (9, 4, 1, 3)
    assert "refused: no streams any more" in {move["to"] for move in effects["moves"]}


def test_the_same_file_moves_nothing_and_the_cost_is_what_was_booked(live: Live) -> None:
    several(live)
    told = dry_run(live)
    effects = told["effects"]
    booked = sum(row.cost_nano_usd or 0 for row in live.rows())
    assert (told["changes"], told["affected"], told["restart"], effects["moves"]) == ([], {}, [], [])
    assert told["hash"] == told["in_force"]
    assert effects["looked"] == effects["same"] == 8
    assert effects["before_nano_usd"] == effects["after_nano_usd"] == booked > 0
    # The local model has no price: what nobody knows is in neither sum.
    assert effects["unknown_cost"] == 3
    assert live.get("/admin/config")[1]["generation"] == 1


def test_moves_are_priced_by_the_calls_own_tokens(live: Live, upstream: str) -> None:
    heard = [ask(live, "old", SIMPLE) for _ in range(3)]
    usage = heard[0].body["usage"]
    cost = 1_000 * usage["prompt_tokens"] + 4_000 * usage["completion_tokens"]
    effects = weigh(live, config(upstream, BEFORE).replace("{use: [mini]}", "{use: [claude]}"))["effects"]
    [move] = effects["moves"]
    dearer = 2_000 * usage["prompt_tokens"] + 10_000 * usage["completion_tokens"]
    assert (move["from"], move["to"], move["calls"], len(move["examples"])) == ("mini", "claude", 3, 3)
    assert (move["before_nano_usd"], move["after_nano_usd"]) == (3 * cost, 3 * dearer)
    assert effects["difference_nano_usd"] == 3 * (dearer - cost)
    assert effects["difference_per_day_nano_usd"] is None  # they lie within a second
    assert {each.id for each in heard} == set(move["examples"])


def test_another_price_and_another_model_under_the_same_name_are_told(live: Live, upstream: str) -> None:
    ask(live, "old", SIMPLE)
    ask(live, "auto", HARD)
    text = config(upstream, BEFORE, claude="claude-haiku-4-5").replace("input: 1, output: 4", "input: 2, output: 8")
    told = weigh(live, text)
    [move] = told["effects"]["moves"]
    assert (move["from"], move["to"]) == ("claude (anthropic/claude-sonnet-5)", "claude (anthropic/claude-haiku-4-5)")
    paths = {change["path"]: (change["old"], change["new"]) for change in told["changes"]}
    assert paths["backends.claude.model"] == ("claude-sonnet-5", "claude-haiku-4-5")
    assert set(told["affected"]) == {"backends"}
    old = next(row.cost_nano_usd for row in live.rows() if row.alias == "old") or 0
    haiku = told["effects"]["after_nano_usd"] - 2 * old
    assert 0 < haiku < told["effects"]["before_nano_usd"] - old


def test_keys_that_go_and_callers_that_change(upstream: str) -> None:
    keyed = "keys: [{name: ann, secret: sk-ann}, {name: bob, secret: sk-bob}, {name: cid, secret: sk-cid}]\n"
    with Live(config(upstream, BEFORE, keyed)) as live:
        for name in ("ann", "bob", "cid"):
            assert ask(live, "auto", HARD, key=f"sk-{name}").told("backend") == "claude"
        fewer = "keys: [{name: ann, secret: new, data_class: restricted}, {name: bob, secret: sk-bob}]\n"
        told = weigh(live, config(upstream, BEFORE, fewer))
        assert told["affected"] == {"keys": ["ann", "cid"]}
        assert {move["to"]: move["calls"] for move in told["effects"]["moves"]} == {
            "refused: main leaves no backend for this request: claude: restricted data may only meet backends marked "
            "'local: true'": 1,
            "refused: there is no key 'cid'": 1,
        }
        assert "sk-" not in str(told)


def test_what_was_not_kept_is_said_and_not_guessed(live: Live, upstream: str) -> None:
    ask(live, "auto", SIMPLE)
    ask(live, "auto", SIMPLE, tools=TOOLS)
    ask(live, "old", SIMPLE)
    for rule, fact, count in (
        ("{when: {headers: {x-team: blue}}, use: [mini]}", "headers", 2),
        ("{when: {language: fr}, use: [mini]}", "language", 2),
        ("{when: {tools: look_up}, use: [mini]}", "tools", 1),
        ("{when: {load: {oss: '>80%'}}, use: [mini]}", "load", 2),
    ):
        effects = weigh(live, config(upstream, f"\n      - {rule}{BEFORE}"))["effects"]
        assert effects["why_unreplayable"] == {fact: count}
        assert effects["same"] == 3 - count
    # Rules that have not changed decide as before, whatever they read.
    read = config(upstream, f"\n      - {{when: {{headers: {{x-team: blue}}}}, use: [mini]}}{BEFORE}")
    live.write(read)
    live.until(lambda: live.reload()["ok"], "followed")
    effects = weigh(live, read + "server: {drain: 7s}\n")["effects"]
    assert (effects["same"], effects["unreplayable"]) == (3, 0)


def test_a_bad_file_says_what_is_wrong_and_where(live: Live) -> None:
    bad = b"version: 1\nbackends:\n  bad: {provider: vllm, modle: m}\n"
    status, told = live.call("POST", "/admin/config/diff", bad)
    assert (status, told["ok"]) == (422, False)
    assert told["problems"][0]["line"] == 3
    assert "proxy.yaml:3: " in told["error"]
    assert live.get("/admin/config")[1]["last_reload"] is None
    live.config.write_bytes(bad)
    status, told = live.call("POST", "/admin/config/reload?dry_run=1")
    assert (status, told["problems"][0]["line"]) == (422, 3)


def test_a_text_too_large_or_none_is_refused_at_the_door(live: Live) -> None:
    assert live.call("POST", "/admin/config/diff", b"#" * (2**20 + 1))[0] == 413
    assert live.call("POST", "/admin/config/diff", b"\xff\xfe")[0] == 400
    # As large as it may be, and as wide as it can get on its way to the supervisor.
    assert live.call("POST", "/admin/config/diff", b"\x01" * 2**20)[0] == 422
    assert live.ready()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/admin/config/reload?dryrun=1", 400, "there is dry_run, last"),
        ("/admin/config/reload?dry_run=yes", 400, "send 1 or 0"),
        ("/admin/config/reload?dry_run=1&last=0", 400, "from 1 to 10000"),
        ("/admin/config/reload?dry_run=1&last=99999", 400, "from 1 to 10000"),
        ("/admin/config/diff", 400, "Send a configuration's text"),
        ("/admin/config/diff?entry=x", 400, "send a number"),
        ("/admin/config/diff?entry=99", 404, "there is no entry 99"),
        ("/admin/config/rollback", 400, "send a number"),
        ("/admin/config/rollback?entry=99", 404, "there is no entry 99"),
    ],
)
def test_wrong_wishes_are_told_with_their_mend(live: Live, path: str, status: int, words: str) -> None:
    found = live.call("POST", path)
    assert found[0] == status
    assert words in str(found[1])
    assert live.get("/admin/config")[1]["generation"] == 1


def test_check_against_speaks_to_people_and_to_machines(live: Live, upstream: str, tmp_path: Path) -> None:
    several(live)
    file = tmp_path / "new.yaml"
    file.write_text(config(upstream, AFTER, "server: {workers: 2}\n"))
    told = turnout("check", file, "--against", live.url)
    assert told.exit_code == 0, told.output
    for words in (
        "policies.main.rules[0].use",
        "takes a restart: server.workers",
        "affected policies: main",
        "of the last 8 decisions",
        "would go elsewhere",
        "would be refused",
        "refused: no streams any more",
        "predicted cost $",
        "calls have no known cost",
    ):
        assert words in told.output
    plain = turnout("check", file, "--against", f"{live.url}/v1", "--last", "3", "--json")
    found = msgspec.json.decode(plain.stdout)
    assert (plain.exit_code, found["effects"]["looked"]) == (0, 3)
    with Live(config(upstream, BEFORE)) as other:
        both = turnout("check", file, "--against", f"{live.url},{other.url}", "--json")
        assert set(msgspec.json.decode(both.stdout)) == {live.url, other.url}
        other.write(config(upstream, BEFORE, "server: {drain: 7s}\n"))
        other.until(lambda: other.reload()["ok"], "followed")
        told = turnout("check", file, "--against", f"{live.url},{other.url}")
        assert "no decision is in the ledger yet" in told.output
        assert "these do not have the same configuration in force" in told.output


def test_check_against_is_judged_by_the_variables_of_the_server(live: Live, upstream: str, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(config(upstream, BEFORE, 'server: {secret: "${ONLY_HERE}"}\n'))
    there = turnout("check", file, "--against", live.url)
    assert there.exit_code == 1
    assert "ONLY_HERE" in there.output


def test_check_against_nobody_says_so(tmp_path: Path, upstream: str) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(config(upstream, BEFORE))
    nobody = turnout("check", file, "--against", "http://127.0.0.1:9")
    assert nobody.exit_code == 1
    assert "does not answer" in nobody.output
    assert turnout("check", file, "--against", " , ").exit_code == 2
    assert turnout("check", file, "--against", "ftp://x").exit_code == 2


def test_dry_runs_and_histories_are_for_admins(upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = config(upstream, BEFORE, "server: {admin_key: sk-admin-1}\n")
    with Live(text) as live:
        for method, path in (
            ("POST", "/admin/config/reload?dry_run=1"),
            ("POST", "/admin/config/diff"),
            ("GET", "/admin/config/history"),
            ("GET", "/admin/config/history/1"),
            ("POST", "/admin/config/rollback?entry=1"),
        ):
            assert live.call(method, path, b"version: 1")[0] == 401, path
        file = tmp_path / "new.yaml"
        file.write_text(text.replace("sk-admin-1", "sk-admin-2"))
        assert "TURNOUT_ADMIN_KEY" in turnout("check", file, "--against", live.url).output
        monkeypatch.setenv("TURNOUT_ADMIN_KEY", "sk-admin-1")
        told = turnout("check", file, "--against", live.url)
        assert told.exit_code == 0
        assert "server.admin_key  ***       *** (another)" in told.output.replace(f"{file}", "x")
        assert "sk-admin" not in told.output


def test_the_book_may_be_in_postgresql_and_rows_may_still_wait(upstream: str, tmp_path: Path) -> None:
    with postgres_server() as server:
        home = f'ledger: {{url: "{server.url}"}}\nserver: {{secret: seal-of-all}}\n'
        with Live(config(upstream, BEFORE, home), folder=tmp_path, workers=2) as live:
            before = several(live)
            # The answers are recorded when they end; whether their rows are in the spool or drained is all the same.
            effects = weigh(live, config(upstream, AFTER, home))["effects"]
            assert effects["looked"] == 8
            live.write(config(upstream, AFTER, home))
            live.until(lambda: live.reload()["ok"], "followed")
            assert told_moves(effects) == differences(before, several(live))
            server.end()
            told = weigh(live, config(upstream, BEFORE, home))
            assert told["effects"] is None
            assert any("the ledger cannot be read" in note for note in told["notes"])
            assert told["changes"]


def test_while_decisions_are_made_anew_calls_go_on(live: Live, upstream: str) -> None:
    """Beside the loop, in a process of its own: an answer takes no longer than else."""
    several(live)
    with ThreadPoolExecutor(2) as pool:
        weighing = [pool.submit(weigh, live, config(upstream, AFTER)) for _ in range(2)]
        answered = 0
        while not all(each.done() for each in weighing):
            assert ask(live, "old", SIMPLE).told("backend") == "mini"
            answered += 1
    assert answered >= 2
    assert {each.result()["effects"]["looked"] > 7 for each in weighing} == {True}
