"""The last step before a socket: one place, that everything that goes out must pass, and that knows what it carries."""

from __future__ import annotations

import ast
import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from adapters import ir
from policies.data_classes.data_class import RESTRICTED
from policies.prompt import PromptView
from policies.verdict import Decision
from proxy.call import Call
from proxy.outside import Hook
from proxy.settings.grammar import ClassHook
from proxy.upstream.guard import Forbidden, Guard
from proxy.upstream.seam import OURS, Cargo, Outgoing, UpstreamFailed
from proxy.upstream.stock import StockEngine

OWN_LINES = {
    "proxy/commands/admin.py": "a command that asks a Turnout, not a part of one",
    "proxy/origin.py": "looks for local servers before any call is taken in",
    "proxy/supervisor.py": "talks to its workers",
    "proxy/worker.py": "talks to its supervisor",
}
ROOT = Path(__file__).resolve().parents[2]
PROXY = "http://127.0.0.1:9"


def sent(cargo: Cargo, proxy: str | None = None) -> tuple[str | None, int]:
    """Status and code of the failure, and how many connections were made to the listener that it went to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def run() -> str | None:
            engine = StockEngine()
            outgoing = Outgoing(url, [], b"{}", connect_timeout=1.0, cargo=cargo, proxy=proxy)
            try:
                async with asyncio.timeout(0.3):
                    await engine.send(outgoing)
            except UpstreamFailed as error:
                return f"{error.failure.status} {error.failure.code}"
            except TimeoutError:
                return None  # it listens and never answers
            finally:
                await engine.close()
            return None

        code = asyncio.run(run())
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return code, 0
        return code, 1


def test_restricted_data_meets_local_backends_only() -> None:
    assert sent(Cargo("claude", local=False, restricted=True)) == ("403 egress_denied", 0)
    assert sent(Cargo("claude", local=False, restricted=False)) == (None, 1)
    assert sent(Cargo("oss", local=True, restricted=True)) == (None, 1)
    assert sent(OURS) == (None, 1)


def test_nor_does_it_take_a_proxy_on_its_way() -> None:
    assert sent(Cargo("oss", local=True, restricted=True), proxy=PROXY) == ("403 egress_denied", 0)


def test_nothing_goes_out_that_does_not_say_what_it_carries() -> None:
    fields: dict[str, Any] = {"url": "http://x", "headers": [], "body": b"", "connect_timeout": 1.0}
    with pytest.raises(TypeError, match="cargo"):
        Outgoing(**fields)


def test_a_call_that_nobody_has_decided_may_go_nowhere_else() -> None:
    call = Call.__new__(Call)
    call.inherited, call.decision = frozenset(), None
    assert call.restricted
    call.decision = Decision(policy="p", data_class=frozenset({"internal"}))
    assert not call.restricted
    call.inherited = frozenset({RESTRICTED})
    assert call.restricted


@pytest.mark.parametrize("host", ["pictures.example", "10.0.0.7"])
def test_a_guard_of_restricted_links_looks_up_no_name(host: str) -> None:
    asked: list[str] = []

    async def resolve(name: str, _port: int) -> list[str]:
        asked.append(name)
        return ["93.184.216.34"]

    guard = Guard(frozenset({"files.internal"}), resolve, restricted=True)
    with pytest.raises(Forbidden, match=r"media\.allow"):
        asyncio.run(guard.connect_tcp(host, 443, 1.0))
    assert asked == []


class Ear:
    """An engine that takes down what it is to send, and cannot be reached."""

    def __init__(self) -> None:
        self.cargo: list[Cargo] = []

    async def send(self, outgoing: Outgoing) -> Any:
        self.cargo.append(outgoing.cargo)
        raise UpstreamFailed(ir.Failure("unreachable", 502, "nobody is there"))

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("url", "local"), [("http://127.0.0.1:9000/class", True), ("https://class.example.com/", False)]
)
def test_the_hook_is_asked_as_if_all_were_restricted(url: str, local: bool) -> None:
    """Nobody has decided yet: a public address is an error in proxy.yaml, and would be stopped here, too."""
    ear = Ear()
    asyncio.run(Hook(lambda _: None).ask(PromptView(text="The patient is Ada."), ClassHook(url=url), ear))
    assert ear.cargo == [Cargo("classifier.hook", local=local, restricted=True)]


def test_only_one_folder_can_open_a_connection() -> None:
    """Whoever wants to send must go through the seam: no other module has the means."""
    means = {"httpx2", "httpcore2", "httpx", "requests", "aiohttp", "urllib3", "http.client"}
    calls = {"open_connection", "create_connection", "open_unix_connection", "urlopen", "sock_connect"}
    wrong = []
    for path in [each for floor in ("proxy", "policies", "adapters") for each in (ROOT / floor).rglob("*.py")]:
        if path.parent == ROOT / "proxy" / "upstream" or str(path.relative_to(ROOT)) in OWN_LINES:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if means & {name if name == "http.client" else name.split(".")[0] for name in names}:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports")
            if isinstance(node, ast.Attribute) and node.attr in calls:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.attr}")
    assert not wrong


def test_everybody_who_sends_says_whose_data_it_is() -> None:
    """``OURS`` is for questions of our own: only what knows no call may use it."""
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "proxy").rglob("*.py")
        if "cargo=OURS" in path.read_text("utf-8")
    }
    assert users == {"proxy/upstream/probe.py", "proxy/probing/asking.py"}
