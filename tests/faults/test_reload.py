"""Live reload: every way to ask for one, and a bad file that changes nothing and says why."""

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import Chaos
from live import Live
from talk import ask, until


def config(url: str, name: str, more: str = "") -> str:
    """One backend, whose name tells which file is in force."""
    return f"""version: 1
backends:
  {name}: {{provider: vllm, local: true, base_url: "{url}/v1", model: ok}}
aliases: {{any: {{use: [{name}]}}}}
{more}"""


BROKEN = "version: 1\nbackends:\n  bad: {provider: vllm, modle: m}\n"


@pytest.fixture
def live(room: Chaos) -> Iterator[Live]:
    with Live(config(room.url, "first")) as made:
        yield made


def answers(live: Live) -> str | None:
    return ask(live.url, "chat", "any").backend


def in_place(live: Live, text: str) -> None:
    live.config.write_text(text)


def renamed(live: Live, text: str) -> None:
    live.write(text)


def by_signal(live: Live, text: str) -> None:
    live.write(text)
    live.signal(signal.SIGHUP)


def by_admin(live: Live, text: str) -> None:
    live.write(text)
    live.reload()


@pytest.mark.parametrize("how", [in_place, renamed, by_signal, by_admin])
def test_every_way_to_reload(live: Live, room: Chaos, how: Callable[[Live, str], None]) -> None:
    assert answers(live) == "first"
    how(live, config(room.url, "second"))
    live.until(lambda: answers(live) == "second", "followed")
    _, shown = live.get("/admin/config")
    assert shown["generation"] >= 2
    assert shown["last_reload"]["ok"] is True
    assert shown["last_reload"]["generation"] == shown["generation"]
    assert ask(live.url, "chat", "any").headers["x-turnout-generation"] == str(shown["generation"])
    assert list(shown["config"]["backends"]) == ["second"]


@pytest.mark.parametrize("how", [in_place, renamed, by_signal, by_admin])
def test_a_bad_file_changes_nothing_and_says_why(live: Live, room: Chaos, how: Callable[[Live, str], None]) -> None:
    how(live, BROKEN)
    live.until(lambda: live.get("/admin/config")[1]["last_reload"] is not None, "told")
    _, shown = live.get("/admin/config")
    outcome = shown["last_reload"]
    assert (outcome["ok"], outcome["generation"], shown["generation"]) == (False, 1, 1)
    assert re.fullmatch(r"\S*proxy\.yaml:3: .*did you mean.*", outcome["error"]), outcome
    assert outcome["error"] in live.log()
    assert answers(live) == "first"
    live.write(config(room.url, "mended"))
    live.until(lambda: answers(live) == "mended", "mended")


def test_the_admin_reload_answers_after_the_swap(live: Live, room: Chaos) -> None:
    live.write(config(room.url, "second"))
    outcome = live.reload()
    assert (outcome["ok"], outcome["generation"], outcome["why"]) == (True, 2, "admin")
    assert answers(live) == "second"
    live.write(BROKEN)
    status, outcome = live.call("POST", "/admin/config/reload")
    assert (status, outcome["ok"], outcome["generation"]) == (422, False, 2)
    assert "proxy.yaml:3: " in outcome["error"]
    live.until(lambda: live.get("/admin/config")[1]["last_reload"]["ok"] is False, "told")
    assert 'turnout_config_reload_total{outcome="failed"} 1\n' in live.get("/metrics")[1]


def test_a_file_that_is_gone_changes_nothing(live: Live) -> None:
    live.config.unlink()
    outcome = live.reload()
    assert outcome["ok"] is False
    assert "proxy.yaml" in outcome["error"]
    assert answers(live) == "first"


def test_a_config_maps_symlink_swap_is_seen(room: Chaos, tmp_path: Path) -> None:
    """Kubernetes swaps the link ``..data``; the file's own link never changes."""
    mount = tmp_path / "mount"
    for version, name in (("..v1", "first"), ("..v2", "second")):
        (mount / version).mkdir(parents=True)
        (mount / version / "proxy.yaml").write_text(config(room.url, name))
    (mount / "..data").symlink_to("..v1")
    (mount / "proxy.yaml").symlink_to("..data/proxy.yaml")
    with Live(None, folder=tmp_path, args=("--config", str(mount / "proxy.yaml"))) as live:
        assert answers(live) == "first"
        (mount / "..data_tmp").symlink_to("..v2")
        (mount / "..data_tmp").replace(mount / "..data")
        live.until(lambda: answers(live) == "second", "followed")


def test_a_call_in_flight_keeps_its_generation(live: Live, room: Chaos) -> None:
    live.write(config(room.url, "slow").replace("model: ok", "model: slower, price: {input: 1, output: 1}"))
    assert live.reload()["ok"]
    with ThreadPoolExecutor(1) as pool:
        before = len(room.of("slower"))
        call = pool.submit(ask, live.url, "chat", "any", stream=True)
        until(lambda: len(room.of("slower")) > before, "under way")
        live.write(config(room.url, "quick"))
        assert live.reload()["generation"] == 3
        assert answers(live) == "quick"
        heard = call.result(20)
    assert (heard.backend, heard.failed, heard.headers["x-turnout-generation"]) == ("slow", None, "2")
    [row] = live.rows_of(heard.id)
    assert (row.backend, row.generation, row.price_source) == ("slow", 2, "operator")


def test_secrets_are_masked_and_the_admin_key_is_required(room: Chaos) -> None:
    more = "server: {admin_key: sk-admin-1}\nkeys: [{name: ci, secret: sk-client-1}]\n"
    text = config(room.url, "first", more).replace("model: ok", "model: ok, credential: sk-upstream-1")
    with Live(text) as live:
        for headers in ({}, {"authorization": "Bearer sk-client-1"}, {"authorization": "Bearer sk-admin-2"}):
            for method, path in (("GET", "/admin/config"), ("POST", "/admin/config/reload")):
                assert live.call(method, path, headers=headers)[0] == 401
        status, shown = live.get("/admin/config", {"authorization": "Bearer sk-admin-1"})
        assert status == 200
        for secret in ("sk-admin-1", "sk-client-1", "sk-upstream-1"):
            assert secret not in str(shown)
            assert secret not in live.log()
        status, outcome = live.call("POST", "/admin/config/reload", headers={"authorization": "Bearer sk-admin-1"})
        assert (status, outcome["ok"]) == (200, True)


def test_what_only_a_restart_changes_is_named(live: Live, room: Chaos) -> None:
    live.write(config(room.url, "second", "server: {workers: 2}\nledger: {url: sqlite:///other.db}\n"))
    outcome = live.reload()
    assert outcome["ok"] is True
    told = " ".join(outcome["warnings"])
    assert "server.workers" in told
    assert "ledger.url" in told
    assert answers(live) == "second"


def test_what_takes_a_restart_is_named_for_as_long_as_the_file_differs(live: Live, room: Chaos) -> None:
    moved = config(room.url, "first", "server: {drain: 7s}\n")
    for text, named in ((moved.replace("drain: 7s", "workers: 3"), True), (moved, False)):
        live.write(text)
        outcome = live.reload()
        assert any("server.workers takes a restart" in warning for warning in outcome["warnings"]) is named
