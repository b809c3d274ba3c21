"""What was thought and answered in a stored response, for whoever may read the store; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

_FIND = "SELECT response FROM turns WHERE call = ?"
_PATIENCE = 2000
"""Milliseconds."""
MOST_THOUGHT = 400
"""Characters that are shown of what was thought."""


def response_of(path: Path, request_id: str) -> dict[str, Any] | None:
    """The response object that this call was answered with; None where none was stored, or it is gone. Raises
    apsw.Error."""
    if not path.exists():
        return None
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(_PATIENCE)
        found = connection.execute(_FIND, (request_id,)).fetchone()
    finally:
        connection.close()
    return None if found is None else msgspec.json.decode(found[0], type=dict[str, Any])


def shared_response_of(url: str, tenant: str, request_id: str) -> dict[str, Any] | None:
    """The same, of the store in Redis. Raises StoreFailed."""
    from proxy.state.remote_store import response_of as found_in

    found = found_in(url, tenant, request_id)
    return None if found is None else msgspec.json.decode(found, type=dict[str, Any])


def told(response: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(``thought`` | ``answer`` | ``called``, text): a preview of what was thought, and the whole of what was said."""
    for item in response.get("output") or ():
        kind = item.get("type")
        if kind == "reasoning":
            text = "".join(part.get("text", "") for part in (item.get("content") or item.get("summary") or ()))
            more = " …" if len(text) > MOST_THOUGHT else ""
            if text:
                yield "thought", text[:MOST_THOUGHT] + more
        elif kind == "message":
            yield "answer", "".join(part.get("text") or part.get("refusal") or "" for part in item.get("content") or ())
        elif kind in ("function_call", "custom_tool_call"):
            yield "called", f"{item.get('name')} {item.get('arguments') or item.get('input') or ''}".rstrip()
