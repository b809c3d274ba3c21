"""What stops a start says so in one line with its mend; what does not, serves."""

import re
import socket
import time
from pathlib import Path

import pytest
from live import Live, demo_config

BACKEND = "backends: {local: {provider: vllm, base_url: 'http://127.0.0.1:9/v1', model: m, local: true}}\n"


def refused(text: str, *args: str, folder: Path) -> str:
    """What a start that fails with status 1 says."""
    live = Live(text, folder=folder, args=args, await_ready=False)
    with live:
        assert live.wait() == 1
    return live.log()


@pytest.mark.parametrize("how", ["file", "option", "environment"])
def test_binding_elsewhere_without_a_key_refuses_to_start(tmp_path: Path, how: str) -> None:
    text = "version: 1\n" + ("server: {host: 0.0.0.0}\n" if how == "file" else "") + BACKEND
    args = ("--host", "0.0.0.0") if how == "option" else ()
    env = {"TURNOUT_SERVER__HOST": "0.0.0.0"} if how == "environment" else {}
    live = Live(text, folder=tmp_path, args=args, env=env, await_ready=False)
    with live:
        assert live.wait() == 1
    said = live.log()
    assert "0.0.0.0" in said
    assert "keys" in said
    assert "server.open: true" in said
    assert len(said.strip().splitlines()) == 1
    if how == "file":
        assert "proxy.yaml:2: " in said


def test_a_log_that_takes_no_line_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with Live(None, folder=tmp_path) as live:
        body = b'{"model": "auto", "messages": [{"role": "user", "content": "Hi!"}]}'
        assert live.call("POST", "/v1/chat/completions", body)[0] == 200
        assert [row.outcome for row in live.rows()] == ["ok"]


@pytest.mark.parametrize("mend", ["keys: [{name: a, secret: sk-abcdefgh}]", "server: {open: true}"])
def test_binding_elsewhere_with_the_mend_starts(tmp_path: Path, mend: str) -> None:
    with Live(f"version: 1\n{BACKEND}{mend}\n", folder=tmp_path, args=("--host", "0.0.0.0")) as live:
        status, error = live.call("POST", "/v1/chat/completions", b"{}", {"host": "evil.example"})
        assert status == (401 if "keys" in mend else 400), error


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    live = Live("version: 1\n" + BACKEND, folder=tmp_path, await_ready=False)
    with socket.create_server(("127.0.0.1", live.port)), live:
        assert live.wait() == 1
    said = live.log()
    assert f"127.0.0.1:{live.port}" in said
    assert "--port" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\nbackends:\n  a: {provider: vllm, modle: m}\n", 3, "did you mean"),
        ("version: 1\nbackends:\n  a: {provider: vllm\n", 4, ""),
        ("version: 1\nserver: {workers: four}\n", 2, "workers"),
        ("version: 1\n" + BACKEND + "aliases: {auto: {use: [nobody]}}\n", 3, "nobody"),
        ("version: 1\n" + BACKEND + "server: {secret: '${NOT_SET:?make one}'}\n", 3, "make one"),
    ],
    ids=["unknown key", "no YAML", "wrong type", "unknown backend", "unset variable"],
)
def test_a_broken_file_stops_the_start_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    said = refused(text, folder=tmp_path)
    assert re.search(rf"proxy\.yaml:{line}: ", said), said
    assert words in said
    assert "Traceback" not in said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    live = Live(None, folder=tmp_path, args=("--config", str(tmp_path / "none.yaml")), await_ready=False)
    with live:
        assert live.wait() != 0
    assert "none.yaml" in live.log()
    assert "Traceback" not in live.log()


def test_a_ledger_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    said = refused(f"version: 1\n{BACKEND}ledger: {{url: sqlite:///nowhere/book.db}}\n", folder=tmp_path)
    assert "nowhere/book.db" in said
    assert "ledger.url" in said
    assert "Traceback" not in said


def test_two_turnouts_on_one_ledger(tmp_path: Path) -> None:
    text = "version: 1\n" + BACKEND
    with Live(text, folder=tmp_path):
        second = Live(text, folder=tmp_path, await_ready=False)
        with second:
            assert second.wait() == 1
        assert "another Turnout writes it" in second.log()


def test_no_backend_means_not_ready_and_says_why(tmp_path: Path) -> None:
    """D23: with a file of one's own the demo stays out; the process serves, and its readiness tells."""
    text = (
        "version: 1\nbackends: {claude: {provider: anthropic, model: claude-sonnet-5, credential: '${ABSENT_KEY}'}}\n"
    )
    live = Live(text, folder=tmp_path, await_ready=False)
    with live:
        live.until(lambda: live.get("/health/live")[0] == 200, "alive")
        status, state = live.get("/health/ready")
        assert (status, state["ready"]) == (503, False)
        assert state["backends"]["claude"].startswith("no credential")


def test_the_embedded_defaults_answer_by_the_demo_and_say_so(tmp_path: Path) -> None:
    with Live(None, folder=tmp_path) as live:
        for path, asked in (
            ("/v1/chat/completions", b'{"model":"auto","messages":[{"role":"user","content":"Hi!"}]}'),
            ("/v1/responses", b'{"model":"auto","input":"Hi!"}'),
        ):
            status, _ = live.call("POST", path, asked)
            assert status == 200
        _, models = live.get("/v1/models")
        assert {model["owned_by"] for model in models["data"]} == {"turnout-demo"}
        assert all((row.backend or "").startswith("demo-") for row in live.rows())
        assert '"event":"demo"' in live.log()


def test_the_first_healthy_answer_comes_soon(tmp_path: Path, demo: str) -> None:
    """Under 1.5 s on a quiet machine; the allowance is for a busy one."""
    began = time.monotonic()
    with Live(demo_config(demo), folder=tmp_path) as live:
        assert live.get("/health/live")[0] == 200
        assert time.monotonic() - began < 6.0


def test_idle_it_is_small(tmp_path: Path) -> None:
    """Under 90 MiB for all processes together, with the embedded defaults, the demo included."""
    with Live(None, folder=tmp_path) as live:
        assert sum(resident(pid) for pid in (live.pid, *live.workers())) < 90 * 2**20


def resident(pid: int) -> int:
    """Bytes of memory that the process has in RAM."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024
