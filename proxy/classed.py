"""Data keeps its class: what a request inherits from what it refers to, and what its answer leaves behind for later.

A request refers to data by a stored turn or item (``recall``), by the tool calls that it answers, and by sealed state
that it brings back. An answer that a client sends again as plain text refers to nothing: nobody can tell whose it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from adapters import ir, states
from adapters.call_ids import legal_id
from policies.data_classes.data_class import RESTRICTED
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.config import Config
from proxy.pump import Opened
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from proxy.house import House

_ID = re.compile(rb'"(?:tool_call_id|call_id|tool_use_id)"\s*:\s*("[^"\\]{1,256}")')
"""A tool call's id where a result names it: chat, Responses, Messages."""
_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{8}")
_text = msgspec.json.Decoder(str)


class Called:
    """Overhears the ids of the tool calls of an answer.

    Some servers count theirs up (``call_0``, ``functions.get_weather:0``), so that the same id says nothing about whose
    data it is; such ids are passed over.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []

    def hear(self, event: ir.Event) -> None:
        """The next event, as its client is told it."""
        if type(event) is not ir.BlockStarted or event.kind not in ir.CALLS:
            return
        id_ = str(event.meta.get("id") or "")
        if _RANDOM.search(id_.replace(str(event.meta.get("name") or "\0"), "")):
            self.ids.append(legal_id(id_))


async def inherit(call: Call, house: House) -> None:
    """Station 3: adds to ``call.inherited`` what the tool calls and the sealed state in its body were marked with.

    Where there are marks, or may be, and they cannot be read now, tool calls count as restricted: the call may still go
    to a local backend."""
    called, sealed = await house.in_turn(
        call.body, lambda: (list(dict.fromkeys(_called(call.body))), states.classes(call.body, call.unseal))
    )
    call.inherited |= sealed
    if not called:
        return
    try:
        call.inherited |= await house.store.marked(call.caller.tenant, called)
    except StoreFailed as error:
        house.telemetry.store_failed(call.id, "read", str(error))
        if house.store.has_marks or (house.store.has_marks is None and _classifies(call.snapshot.config)):
            call.inherited |= {RESTRICTED}


async def mark(call: Call, attempt: Attempt, opened: Opened, house: House) -> None:
    """Station 10: the tool calls of this answer hold data of its classes. Raises StoreFailed."""
    if attempt.called is None:
        return
    for event in opened.whole.events if opened.whole is not None else ():
        attempt.called.hear(event)
    kept = attempt.keeper.kept() if attempt.keeper is not None else {}
    ids = {*attempt.called.ids, *kept}
    if ids:
        await house.store.mark(call.caller.tenant, ids, call.data_class)


def _classifies(config: Config) -> bool:
    """Does this configuration give data a class, or ask for it? A client that names the class does so each time."""
    found = config.data_classes
    if config.guards or found.detect or found.patterns:
        return True
    policies = config.policies.values()
    sets = (rule.set for each in policies for rule in (*each.before, *each.rules, *each.after))
    named = (*(team.data_class for team in config.teams.values()), *(key.data_class for key in config.keys))
    return any(named) or any("data_class" in (changes or ()) for changes in sets)


def _called(body: bytes) -> Iterator[str]:
    if b'call_id"' not in body and b'tool_use_id"' not in body:
        return
    for match in _ID.finditer(body):
        yield legal_id(_text.decode(match[1]))
