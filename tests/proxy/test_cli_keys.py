"""``turnout keys``, while no Turnout runs: made, shown once, listed, replaced, revoked."""

from __future__ import annotations

import stat
from pathlib import Path

import apsw
import pytest
from command_line import said, turnout

from proxy.minting import is_ours

CONFIG = """\
version: 1
server: {port: 4321}
backends:
  oss: {provider: vllm, model: gpt-oss, base_url: "http://127.0.0.1:9/v1", local: true}
aliases:
  auto: {use: [oss]}
  "gpt-*": {use: [oss]}
teams:
  interns: {tags: [intern]}
keys:
  - {name: in-file, team: interns, secret: sk-intern-nobody-may-see-this, limits: {tpm: 4000}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)
    return tmp_path


def made(*words: str) -> str:
    result = turnout("keys", "create", *words, "--quiet")
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_new_key_is_told_with_all_that_it_may_and_a_call_to_try(folder: Path) -> None:
    words = ("--owner", "ann@x.org", "--alias", "gpt-5", "--alias", "auto", "--rpm", "60", "--parallel", "2")
    more = (
        "--budget",
        "5.25",
        "--window",
        "30d",
        "--expires",
        "2999-01-01",
        "--tag",
        "batch",
        "--tag",
        "cost_center=42",
    )
    lines = turnout("keys", "create", "ann", *words, *more).stdout.splitlines()
    told = {line[:10].strip(): line[10:] for line in lines}
    assert is_ours(told["secret"])
    assert (told["key"], told["owner"], told["aliases"], told["state"]) == ("ann", "ann@x.org", "gpt-5, auto", "active")
    assert (told["limits"], told["budget"]) == ("60 requests/min, 2 at a time", "$5.25 / 30d")
    assert (told["expires"], told["tags"], told["stored"]) == (
        "2999-01-01",
        "batch, cost_center=42",
        f"{folder}/state.db",
    )
    assert told["try it"].startswith("curl http://127.0.0.1:4321/v1/chat/completions ")
    assert told["secret"] in told["try it"]
    assert '"model":"auto"' in told["try it"]
    assert "note" not in told


def test_only_its_hash_is_kept_and_for_our_eyes_only(folder: Path) -> None:
    secret = made("ann")
    files = [path for path in folder.iterdir() if path.name.startswith("state.db")]
    assert files
    assert all(secret.encode() not in path.read_bytes() for path in files)
    assert stat.S_IMODE((folder / "state.db").stat().st_mode) == 0o600
    for words in (("list", "--all"), ("list", "--json"), ("show", "ann"), ("show", "ann", "--json")):
        told = turnout("keys", *words).output
        assert secret not in told
        assert "sk-" not in told
        assert not any(len(word) == 64 for word in told.replace('"', " ").split())


def test_quiet_is_the_secret_alone_and_json_has_both() -> None:
    assert is_ours(made("ann"))
    found = said(turnout("keys", "create", "bob", "--team", "interns", "--expires", "90d", "--json"))
    assert is_ours(found["secret"])
    assert (found["key"]["team"], found["key"]["from"], found["key"]["aliases"]) == ("interns", "store", None)
    assert found["key"]["expires"].endswith("Z")


def test_the_list_has_the_files_keys_and_the_stores() -> None:
    made("zoe", "--alias", "auto")
    made("ann", "--team", "interns")
    lines = [line.split() for line in turnout("keys", "list").stdout.splitlines()]
    assert lines[0] == ["name", "state", "team", "owner", "aliases", "limits", "budget", "expires", "from"]
    assert [(line[0], line[-1]) for line in lines[1:]] == [("in-file", "file"), ("ann", "store"), ("zoe", "store")]
    found = said(turnout("keys", "list", "--json"))
    assert found[0]["limits"] == {"tpm": 4000}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("in-file",), 1, "name: a key named 'in-file' stands in the configuration: choose another"),
        (("ann",), 1, "name: a key named 'ann' exists: choose another, or replace its secret (turnout keys rotate ann)"),
        (("gone",), 1, "name: 'gone' was revoked on "),
        (("local",), 1, "name: 'local' is what calls without keys are known by"),
        (("a b",), 1, "name: write 1 to 64 letters"),
        (("",), 1, "name: write 1 to 64 letters"),
        (("x" * 65,), 1, "name: write 1 to 64 letters"),
        (("interns",), 1, "name: a team is named 'interns', too"),
        (("bob", "--owner", "interns"), 1, "owner: a team is named 'interns', too"),
        (("bob", "--owner", "ann"), 1, "owner: a key is named 'ann', too"),
        (("bob", "--team", "intern"), 1, "team: no team 'intern': did you mean 'interns'?"),
        (("bob", "--expires", "soon"), 1, "expires: 'soon' is no day: write 90d, 2027-01-01"),
        (("bob", "--expires", "2020-01-01"), 1, "expires: 2020-01-01 is over"),
        (("bob", "--expires", "90"), 1, "expires: '90' is no day"),
        (("bob", "--rpm", "0"), 1, "limits.rpm: expected int >= 1"),
        (("bob", "--budget", "much"), 1, "budget.usd: 'much' is not an amount of US dollars"),
        (("bob", "--budget", "5", "--window", "year"), 1, "budget.window: "),
        (("bob", "--budget", "5", "--timezone", "Berlin"), 1, "budget.timezone: no time zone 'Berlin': did you mean"),
        (("bob", "--window", "30d"), 2, "--window is of a budget: add --budget USD"),
        (("bob", "--on-exhausted", "deny"), 2, "--on-exhausted is of a budget"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_mend(words: tuple[str, ...], status: int, says: str) -> None:
    made("ann")
    made("gone")
    assert turnout("keys", "revoke", "gone").exit_code == 0
    before = said(turnout("keys", "list", "--all", "--json"))
    result = turnout("keys", "create", *words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(f"turnout keys create: {says}")
    assert said(turnout("keys", "list", "--all", "--json")) == before


def test_an_alias_that_nothing_answers_to_is_noted() -> None:
    told = turnout(
        "keys", "create", "ann", "--alias", "atuo", "--alias", "gpt-5", "--alias", "gp*", "--alias", "backend/os"
    ).stdout
    assert "nothing in proxy.yaml answers to 'atuo': did you mean 'auto'?" in told
    assert "nothing in proxy.yaml answers to 'backend/os': did you mean 'backend/oss'?" in told
    assert told.count("answers to") == 2


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_of_the_file_is_changed_there(verb: str) -> None:
    result = turnout("keys", verb, "in-file")
    assert result.exit_code == 1
    assert result.stderr == f"turnout keys {verb}: 'in-file' stands in proxy.yaml:11: change it there\n"
    assert "from      proxy.yaml:11" in turnout("keys", "show", "in-file").stdout


@pytest.mark.parametrize("verb", ["rotate", "revoke", "show"])
def test_a_key_that_is_not_there_is_told(verb: str) -> None:
    result = turnout("keys", verb, "nobody")
    assert result.exit_code == 1
    assert f"turnout keys {verb}: there is no key 'nobody'" in result.stderr


def test_rotating_keeps_all_but_the_secret() -> None:
    first = made("ann", "--rpm", "5", "--owner", "ann@x.org")
    before = said(turnout("keys", "show", "ann", "--json"))
    found = said(turnout("keys", "rotate", "ann", "--grace", "24h", "--json"))
    assert is_ours(found["secret"])
    assert found["secret"] != first
    assert found["key"]["replaced_until"]
    assert {**found["key"], "replaced_until": None} == before


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--grace", "soon"), "grace: 'soon' is not a duration"), (("--grace", "never"), "grace: an old secret must end")],
)
def test_a_grace_must_end(words: tuple[str, ...], says: str) -> None:
    made("ann")
    assert turnout("keys", "rotate", "ann", *words).stderr.startswith(f"turnout keys rotate: {says}")


def test_a_revoked_key_is_not_rotated_and_is_listed_only_when_asked_for() -> None:
    made("ann")
    assert turnout("keys", "revoke", "ann").stdout.startswith("ann is revoked (")
    first = said(turnout("keys", "revoke", "ann", "--json"))
    assert (first["state"], first["revoked"] is not None) == ("revoked", True)
    assert turnout("keys", "rotate", "ann").stderr.startswith("turnout keys rotate: 'ann' was revoked on ")
    assert [each["name"] for each in said(turnout("keys", "list", "--json"))] == ["in-file"]
    assert [each["name"] for each in said(turnout("keys", "list", "--all", "--json"))] == ["in-file", "ann"]


def test_without_any_key_the_list_says_where_it_looked(folder: Path) -> None:
    (folder / "proxy.yaml").write_text(CONFIG.partition("keys:")[0])
    assert turnout("keys", "list").stdout == f"no keys: none stands in proxy.yaml, and none in {folder}/state.db\n"
    assert not (folder / "state.db").exists()


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    (folder / "proxy.yaml").write_text(f"{CONFIG}ledger: {{url: 'sqlite:///nowhere/turnout.db'}}\n")
    result = turnout("keys", "create", "ann")
    assert result.exit_code == 1
    assert result.stderr.startswith("turnout keys create: the keys cannot be reached: nowhere/state.db: ")


def test_a_key_that_a_newer_turnout_made_is_left_alone(folder: Path) -> None:
    made("ann")
    with apsw.Connection(str(folder / "state.db")) as db:
        entry = str(db.execute("SELECT entry FROM keys").get)
        changed = entry.replace('"name":"ann"', '"name":"new","moods":["kind"]')
        db.execute("INSERT INTO keys VALUES ('new', 2, ?)", (changed,))
        db.execute("UPDATE changed SET version = 2")
    result = turnout("keys", "list", "--json")
    assert result.exit_code == 0
    assert "'new' was made by a newer Turnout" in result.stderr
    assert "'new'" not in result.stdout
    assert "was made by a newer Turnout: use that one" in turnout("keys", "revoke", "new").stderr
    assert turnout("keys", "create", "new").exit_code == 1


class TestCheck:
    def test_a_name_in_both_is_an_error_at_its_line(self, folder: Path) -> None:
        made("ann")
        (folder / "proxy.yaml").write_text(f"{CONFIG}  - {{name: ann, secret: sk-another}}\n")
        result = turnout("check", "proxy.yaml")
        assert result.exit_code == 1
        says = "keys[1].name: the store has a key named 'ann', too: name one otherwise, or revoke that one"
        assert result.stdout == f"proxy.yaml:12: {says}\n"
        listed = [(each["name"], each["from"], each["state"]) for each in said(turnout("keys", "list", "--json"))]
        assert listed[1:] == [("ann", "file", "active"), ("ann", "store", "shadowed")]
        assert "'ann' stands in proxy.yaml:12: change it there" in turnout("keys", "rotate", "ann").stderr
        turnout("keys", "revoke", "ann")
        assert turnout("check", "proxy.yaml").exit_code == 0

    def test_a_key_whose_team_is_gone_is_a_warning(self, folder: Path) -> None:
        made("bob", "--team", "interns")
        (folder / "proxy.yaml").write_text(CONFIG.replace("interns", "others"))
        told = turnout("check", "proxy.yaml").stdout
        assert "key 'bob' of the store is refused: there is no team 'interns' any more" in told
        assert said(turnout("keys", "show", "bob", "--json"))["state"] == "no team"

    def test_a_bind_beyond_this_machine_needs_a_key_in_either_place(self, folder: Path) -> None:
        text = CONFIG.partition("keys:")[0].replace("{port: 4321}", "{host: 0.0.0.0}")
        (folder / "proxy.yaml").write_text(text)
        result = turnout("check", "proxy.yaml")
        assert result.exit_code == 1
        assert "proxy.yaml:2: server.host: '0.0.0.0' is reachable from other machines" in result.stdout
        assert "turnout keys create" in result.stdout
        made("ann")
        assert turnout("check", "proxy.yaml").exit_code == 0

    def test_an_alias_of_a_key_that_nothing_answers_to_is_a_warning(self, folder: Path) -> None:
        text = f"{CONFIG}  - {{name: ann, secret: sk-another, aliases: [atuo, auto, 'gpt-5*']}}\n"
        (folder / "proxy.yaml").write_text(text)
        [warning] = said(turnout("check", "proxy.yaml", "--json"))["warnings"]
        assert warning == "keys[1].aliases[0] 'atuo' names nothing that is here: did you mean 'auto'?"

    def test_a_redis_that_is_away_is_a_warning(self, folder: Path) -> None:
        more = 'state: {redis: "redis://127.0.0.1:9/0"}\n'
        (folder / "proxy.yaml").write_text(CONFIG.replace("{port: 4321}", "{port: 4321, secret: s}") + more)
        found = said(turnout("check", "proxy.yaml", "--json"))
        assert any(each.startswith("the keys of the store could not be looked at: Redis") for each in found["warnings"])
        result = turnout("keys", "list")
        assert result.exit_code == 1
        assert "the keys cannot be reached: Redis" in result.stderr


class TestExplain:
    def test_a_key_of_the_store_can_be_asked_as(self) -> None:
        made("ann", "--alias", "auto")
        found = said(turnout("explain", "--model", "auto", "--key", "ann", "--json", "Hi"))
        assert found["backend"] == "oss"
        denied = said_anyway("explain", "--model", "gpt-5", "--key", "ann", "--json", "Hi")
        assert (denied["policy"], denied["rule"], denied["denied"]["code"]) == ("key", "aliases", "model_not_allowed")

    def test_a_revoked_one_cannot(self) -> None:
        made("ann")
        turnout("keys", "revoke", "ann")
        result = turnout("explain", "--key", "ann", "Hi")
        assert result.exit_code == 2
        assert "there is no key 'ann' (there are: in-file)" in result.stderr


def said_anyway(*words: str) -> dict[str, dict[str, str]]:
    import msgspec

    found: dict[str, dict[str, str]] = msgspec.json.decode(turnout(*words).stdout)
    return found
