"""The configurations that were kept: what is listed, what is shown, and the way back."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from command_line import turnout
from live import Live, demo_upstream
from public_door import ask

from proxy.history import FOLDER, KEPT, LINES, Entry, History


def config(url: str, name: str, more: str = "") -> str:
    return f"""version: 1
backends:
  {name}: {{provider: vllm, base_url: "{url}/v1", model: demo-local, local: true}}
aliases: {{any: {{use: [{name}]}}}}
{more}"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def live(upstream: str) -> Iterator[Live]:
    with Live(config(upstream, "first", "server: {admin_key: '${ADMIN}'}\n"), env={"ADMIN": "sk-admin-1"}) as made:
        yield made


ADMIN = {"authorization": "Bearer sk-admin-1"}


def reload(live: Live, text: str) -> bool:
    live.write(text)
    return bool(live.call("POST", "/admin/config/reload", headers=ADMIN)[1]["ok"])


def listed(live: Live) -> list[dict[str, object]]:
    status, told = live.get("/admin/config/history", ADMIN)
    assert status == 200
    return list(told["data"])


# --- the folder ----------------------------------------------------------------------------------------------------


def entry(*, ok: bool = True) -> Entry:
    return Entry(number=0, at="2026-12-01T00:00:00Z", why="file", ok=ok, generation=1)


def test_numbers_rise_and_texts_are_private(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert history.entries() == []
    found = [history.add(entry(), f"text {n}") for n in range(3)]
    assert [each.number for each in found] == [1, 2, 3]
    assert [each.number for each in History(tmp_path).entries()] == [1, 2, 3]
    assert history.text(found[1]) == "text 1"
    for file in (tmp_path / FOLDER).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_same_text_is_kept_once(tmp_path: Path) -> None:
    history = History(tmp_path)
    found = [history.add(entry(), text) for text in ("a", "a", "b", "a")]
    assert [each.text_of for each in found] == [1, 1, 3, 4]
    assert len(list((tmp_path / FOLDER).glob("*.yaml"))) == 3
    assert history.text(found[1]) == "a"


def test_what_is_too_old_is_forgotten_and_no_number_comes_twice(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(KEPT + 5):
        history.add(entry(), f"text {number}")
    for _ in range(LINES + 5):
        history.add(entry(ok=False), None)
    entries = history.entries()
    assert sum(each.ok for each in entries) == KEPT
    assert sum(not each.ok for each in entries) == LINES
    assert entries[-1].number == KEPT + 5 + LINES + 5
    assert len(list((tmp_path / FOLDER).iterdir())) == 2 * KEPT + LINES


def test_what_is_none_of_ours_is_passed_over_and_never_replaced(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(entry(), "a")
    (tmp_path / FOLDER / "2.json").write_text("half of a lin")
    (tmp_path / FOLDER / "notes.json").write_text("{}")
    assert history.add(entry(), "b").number == 3
    assert (tmp_path / FOLDER / "2.json").read_text() == "half of a lin"


# --- what is kept --------------------------------------------------------------------------------------------------


def test_every_start_and_reload_is_kept_with_why_and_by_whom(live: Live, upstream: str) -> None:
    first = live.config.read_text()
    assert reload(live, first.replace("first", "second"))
    assert not reload(live, "version: 1\nbackends: {bad: {provider: vllm, modle: m}}\n")
    found = [each for each in listed(live) if each["why"] in {"start", "admin"}]
    start, *_ = found
    good, bad = (next(each for each in found if each["why"] == "admin" and each["ok"] is ok) for ok in (True, False))
    assert (start["number"], start["generation"], start["ok"], start["kept"]) == (1, 1, True, True)
    assert (good["who"], good["kept"]) == ("127.0.0.1", True)
    assert (bad["kept"], bad["hash"]) == (False, None)
    assert "did you mean 'model'" in str(bad["error"])
    told = turnout("config", "history", "--ledger", live.folder / "turnout.db")
    assert told.exit_code == 0, told.output
    assert "did you mean 'model'" in told.output
    assert (
        len(msgspec.json.decode(turnout("config", "history", "--ledger", live.folder / "turnout.db", "--json").stdout))
        >= 3
    )


def test_numbers_go_on_after_a_restart(live: Live, upstream: str) -> None:
    assert reload(live, live.config.read_text().replace("first", "second"))
    last = listed(live)[-1]["number"]
    assert live.stop() == 0
    with live:
        again = listed(live)[-1]
        assert isinstance(last, int)
        assert (again["number"], again["why"], again["generation"]) == (last + 1, "start", 1)
        # What is kept already is not kept twice: many restarts do not push out what was before.
        assert again["text_of"] == last


def test_a_text_is_shown_as_it_was_written_without_its_secrets(live: Live, upstream: str) -> None:
    text = config(upstream, "second", "server: {admin_key: '${ADMIN}', secret: literal-seal}\n# a remark\n")
    assert reload(live, text)
    number = str(listed(live)[-1]["number"])
    ledger = live.folder / "turnout.db"
    shown = turnout("config", "show", number, "--ledger", ledger)
    assert shown.output == text.replace("literal-seal", "***")
    assert turnout("config", "show", number, "--ledger", ledger, "--raw").output == text
    assert live.get(f"/admin/config/history/{number}", ADMIN)[1]["text"] == shown.output
    missing = turnout("config", "show", "99", "--ledger", ledger)
    assert missing.exit_code == 1
    assert "turnout config history" in missing.output
    assert live.get("/admin/config/history/99", ADMIN)[0] == 404


def test_a_folder_that_cannot_be_written_costs_the_history_and_no_reload(upstream: str, tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder would be")
    with Live(config(upstream, "first"), folder=tmp_path) as live:
        live.write(config(upstream, "second"))
        live.until(lambda: ask(live, "any").told("backend") == "second", "followed")
        assert "config.not_kept" in live.log()
        status, told = live.get("/admin/config/history")
        assert (status, told["ok"]) == (409, False)


# --- the way back --------------------------------------------------------------------------------------------------


def test_a_rollback_is_the_file_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    first = live.config.read_text()
    second = first.replace("first", "second")
    live.config.chmod(0o640)
    assert reload(live, second)
    assert ask(live, "any", key="sk-admin-1").told("backend") in {"second", None}
    monkeypatch.setenv("TURNOUT_ADMIN_KEY", "sk-admin-1")
    dry = turnout("config", "rollback", "1", "--url", live.url, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "backends.first" in dry.output
    assert live.config.read_text() == second
    live.config.chmod(0o640)
    done = turnout("config", "rollback", "1", "--url", live.url)
    assert done.exit_code == 0, done.output
    assert "entry 1 is in force again, as generation" in done.output
    assert live.config.read_text() == first
    assert stat.S_IMODE(live.config.stat().st_mode) == 0o640
    assert (live.folder / "proxy.yaml.before-rollback").read_text() == second
    _, shown = live.get("/admin/config", ADMIN)
    assert list(shown["config"]["backends"]) == ["first"]
    last = listed(live)[-1]
    assert (last["why"], last["who"], last["generation"]) == ("rollback", "127.0.0.1", shown["generation"])
    # What the file says now is what is in force: nothing reloads it another time.
    assert shown["generation"] == live.get("/admin/config", ADMIN)[1]["generation"]


def test_what_cannot_be_rolled_back_to_changes_nothing(upstream: str, tmp_path: Path) -> None:
    """A variable is gone that the old text needs."""
    needy = config(upstream, "first", "server: {secret: '${SEAL}'}\n")
    with Live(needy, folder=tmp_path, env={"SEAL": "seal"}) as live:
        live.write(config(upstream, "second"))
        live.until(lambda: ask(live, "any").told("backend") == "second", "followed")
    with Live(config(upstream, "third"), folder=tmp_path) as live:
        status, told = live.call("POST", "/admin/config/rollback?entry=1")
        assert (status, told["ok"]) == (422, False)
        assert "SEAL" in told["error"]
        assert live.config.read_text() == config(upstream, "third")
        assert not (tmp_path / "proxy.yaml.before-rollback").exists()
        assert ask(live, "any").told("backend") == "third"


def test_a_file_that_cannot_be_replaced_is_left_alone(upstream: str, tmp_path: Path) -> None:
    """As a ConfigMap is read-only; here something stands in the way."""
    with Live(config(upstream, "first"), folder=tmp_path) as live:
        live.write(config(upstream, "second"))
        live.until(lambda: ask(live, "any").told("backend") == "second", "followed")
        (tmp_path / ".proxy.yaml.rollback").mkdir()
        status, told = live.call("POST", "/admin/config/rollback?entry=1")
        assert (status, told["ok"]) == (409, False)
        assert "cannot be written" in told["error"]
        assert "turnout config show 1 --raw" in told["error"]
        assert live.config.read_text() == config(upstream, "second")
        assert ask(live, "any").told("backend") == "second"


def test_without_a_file_there_is_no_way_back() -> None:
    with Live(None) as live:
        status, told = live.call("POST", "/admin/config/rollback?entry=1")
        assert status == 409
        assert "embedded defaults" in told["error"]


def test_the_command_says_where_it_looks_when_the_file_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text("version: 1\nbackend: {}\n")
    History(tmp_path).add(entry(), "version: 1\n")
    told = turnout("config", "history")
    assert told.exit_code == 0
    assert "beside the usual ledger" in told.output
    assert turnout("config", "show", "1").stdout == "version: 1\n"
    back = turnout("config", "rollback", "1")
    assert back.exit_code == 2
    assert "--url" in back.output
