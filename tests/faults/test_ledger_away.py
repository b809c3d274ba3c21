"""The database is held by another: answers flow, their rows wait in the spool, readiness says so, and all come home."""

from pathlib import Path

import apsw
from chaos import Chaos
from live import Live
from talk import APIS, ask


def test_p5_a_locked_ledger_costs_no_answer_and_no_row(room: Chaos, tmp_path: Path) -> None:
    text = f"""version: 1
backends: {{ok: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}}}
"""
    with Live(text, folder=tmp_path) as live:
        other = apsw.Connection(str(tmp_path / "turnout.db"))
        other.execute("BEGIN EXCLUSIVE")
        ids = [ask(live.url, api, "backend/ok", stream=stream).id for api in APIS for stream in (False, True)]
        assert {row.request_id for row in live.rows()} == set(ids)
        assert stored(tmp_path) == set()
        assert live.get("/health/ready")[1]["ledger"] != "ok"
        assert live.get("/health/ready")[0] == 200
        other.execute("ROLLBACK")
        other.close()
        live.until(lambda: stored(tmp_path) == set(ids), "replayed")
        live.until(lambda: live.get("/health/ready")[1]["ledger"] == "ok", "well again")
        assert sorted(row.request_id for row in live.rows()) == sorted(ids)


def stored(folder: Path) -> set[str]:
    """What stands in the database itself."""
    connection = apsw.Connection(str(folder / "turnout.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {request_id for (request_id,) in connection.execute("SELECT request_id FROM usage")}
    finally:
        connection.close()
