"""P8: whatever becomes of the file, the old configuration goes on, and one clear line says why; the next good file is
taken."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import Chaos
from live import Live
from talk import ask, until

LINE = re.compile(r"\S*proxy\.yaml:(\d+): .+")


def config(url: str, name: str, more: str = "") -> str:
    return f"""version: 1
backends:
  {name}: {{provider: vllm, local: true, base_url: "{url}/v1", model: ok}}
aliases: {{any: {{use: [{name}]}}}}
{more}"""


@pytest.fixture
def live(room: Chaos) -> Iterator[Live]:
    with Live(config(room.url, "first")) as made:
        yield made


def refused(live: Live, words: str, line: int | None = None) -> None:
    """The file on the disk is refused: it is told everywhere, and nothing else has changed."""
    live.until(lambda: (live.get("/admin/config")[1]["last_reload"] or {"ok": True})["ok"] is False, "refused")
    shown = live.get("/admin/config")[1]
    error = shown["last_reload"]["error"]
    found = LINE.fullmatch(error)
    assert found, error
    assert words in error
    assert line is None or int(found[1]) == line, error
    assert len(error) < 600
    assert any(error in each for each in live.log().replace('\\"', '"').splitlines()), live.log()
    assert list(shown["config"]["backends"]) == ["first"]
    status, ready = live.get("/health/ready")
    assert (status, ready["ready"], ready["generation"]) == (200, True, shown["generation"])
    assert ready["reload"].startswith("refused at 2")
    assert error not in str(ready)  # anybody may ask for readiness
    metrics = live.get("/metrics")[1]
    assert "turnout_config_last_reload_ok 0\n" in metrics
    assert f"turnout_config_generation {shown['generation']}\n" in metrics
    assert [each["error"] for each in live.get("/admin/config/history")[1]["data"]][-1] == error
    assert ask(live.url, "chat", "any").backend == "first"


def mended(live: Live, room: Chaos) -> None:
    live.write(config(room.url, "mended"))
    live.until(lambda: ask(live.url, "chat", "any").backend == "mended", "followed")
    live.until(lambda: live.get("/admin/config")[1]["last_reload"]["ok"] is True, "told")
    assert live.get("/health/ready")[1]["reload"] == "ok"
    metrics = live.get("/metrics")[1]
    assert "turnout_config_last_reload_ok 1\n" in metrics
    stamp = re.search(r"^turnout_config_last_reload_timestamp_seconds ([0-9.e+]+)$", metrics, re.MULTILINE)
    assert stamp is not None
    assert float(stamp[1]) > 1.7e9


def half(text: str) -> str:
    """Cut within a flow mapping, as an editor that writes in pieces may leave it for a moment."""
    return text[: text.index("base_url") + 4]


def a_bomb(text: str) -> str:
    """Nine aliases of nine each: 387 million values, in 600 bytes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return text + "\n".join(lines) + "\n"


def large(text: str) -> str:
    """A little more than a mebibyte."""
    return text + "# " + "x" * (1024 * 1024) + "\n"


CASES: dict[str, tuple[Callable[[str], str], str, int | None]] = {
    "half written": (half, "not valid YAML", 3),
    "empty": (lambda _: "", "is it still being written?", 1),
    "remarks alone": (lambda _: "# proxy.yaml\n", "is it still being written?", 1),
    "invalid": (lambda text: text.replace("model: ok", "modle: ok"), "did you mean 'model'", 3),
    "missing variable": (lambda text: text + 'server: {secret: "${NOT_SET}"}\n', "NOT_SET", 5),
    "removed upstream in use": (lambda text: text.replace("use: [first]", "use: [gone]"), "gone", 4),
    "1 MB": (large, "larger than", 1),
    "YAML bomb": (a_bomb, "values once its aliases are expanded", None),
    "deep": (lambda text: text + "x: " + "[" * 3000 + "\n", "nested deeper", None),
    "a duplicate key": (lambda text: text + "version: 1\n", "a second time", 5),
    "a tag": (lambda text: text + "server: {host: !!python/name:os.system x}\n", "tag", 5),
}


@pytest.mark.parametrize("case", CASES)
def test_p8_a_bad_file_leaves_the_old_one_in_force(live: Live, room: Chaos, case: str) -> None:
    spoilt, words, line = CASES[case]
    live.write(spoilt(config(room.url, "first")))
    refused(live, words, line)
    mended(live, room)


def test_p8_bytes_that_are_no_text(live: Live, room: Chaos) -> None:
    live.config.write_bytes(b"version: 1\n\xff\xfe\n")
    refused(live, "not UTF-8", 2)
    mended(live, room)


def test_p8_a_file_that_is_written_in_pieces_is_taken_when_it_is_whole(live: Live, room: Chaos) -> None:
    text = config(room.url, "mended")
    with live.config.open("w") as file:
        file.write(half(text))
        file.flush()
        live.until(lambda: live.get("/admin/config")[1]["last_reload"] is not None, "refused")
        assert ask(live.url, "chat", "any").backend == "first"
        file.write(text[len(half(text)) :])
    live.until(lambda: ask(live.url, "chat", "any").backend == "mended", "followed")


def test_p8_an_upstream_that_is_removed_in_use_answers_to_its_end(live: Live, room: Chaos) -> None:
    text = config(room.url, "first").replace("model: ok", "model: slower")
    live.write(text)
    live.until(lambda: live.reload()["ok"], "followed")
    with ThreadPoolExecutor(1) as pool:
        before = len(room.of("slower"))
        call = pool.submit(ask, live.url, "chat", "any", stream=True)
        until(lambda: len(room.of("slower")) > before, "under way")
        mended(live, room)
        heard = call.result(20)
    assert (heard.backend, heard.failed) == ("first", None)


def test_p8_a_link_that_is_swapped_to_a_bad_version_and_on_to_a_good_one(room: Chaos, tmp_path: Path) -> None:
    """As a ConfigMap is: ``..data`` is swapped, the file's own link never changes."""
    mount = tmp_path / "mount"
    texts = {
        "..v1": config(room.url, "first"),
        "..v2": config(room.url, "first").replace("model: ok", "modle: ok"),
        "..v3": config(room.url, "third"),
    }
    for version, text in texts.items():
        (mount / version).mkdir(parents=True)
        (mount / version / "proxy.yaml").write_text(text)
    (mount / "..data").symlink_to("..v1")
    (mount / "proxy.yaml").symlink_to("..data/proxy.yaml")

    def swap(version: str) -> None:
        (mount / "..data_tmp").symlink_to(version)
        (mount / "..data_tmp").replace(mount / "..data")

    with Live(None, folder=tmp_path, args=("--config", str(mount / "proxy.yaml"))) as live:
        swap("..v2")
        refused(live, "did you mean 'model'", 3)
        swap("..v3")
        live.until(lambda: ask(live.url, "chat", "any").backend == "third", "followed")


def test_p8_a_worker_that_comes_later_knows_of_the_refusal(room: Chaos) -> None:
    with Live(config(room.url, "first"), workers=2) as live:
        live.write(config(room.url, "first").replace("model: ok", "modle: ok"))
        live.until(lambda: not live.reload()["ok"], "refused")
        before = live.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        live.until(lambda: len(live.workers()) == 2 and not set(live.workers()) & set(before), "started again")
        live.until(live.ready, "ready")
        live.until(lambda: str(live.get("/health/ready")[1]["reload"]).startswith("refused"), "told")
        assert "turnout_config_last_reload_ok 0\n" in live.get("/metrics")[1]
