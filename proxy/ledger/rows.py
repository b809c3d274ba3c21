"""The rows of one SQLite file, as they are put in, found and replaced. Whoever calls holds the connection."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
from msgspec.structs import astuple

from proxy.ledger.place import of_call, place
from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.texts import REPEATED, Texts

_ODD_PLACE = "(SELECT min(coalesce(min(id), 0), 0) - 1 FROM usage)"


class Rows:
    """``columns``: those of the values that are put in, in their order; the first five are those of the row."""

    def __init__(self, connection: apsw.Connection, columns: Sequence[str] = COLUMNS) -> None:
        names, marks = ",".join(f'"{name}"' for name in columns), ",".join("?" * len(columns))
        # A statement is looked up by its text, so the usual one is short: the table's columns are the row's.
        into = "usage" if columns is COLUMNS else f"usage (id,{names})"
        self._add = f"INSERT INTO {into} VALUES (?,{marks})"
        self._add_odd = (
            f"INSERT INTO {into} VALUES ({_ODD_PLACE},{marks})"
            " ON CONFLICT (request_id, attempt) WHERE id < 0 DO NOTHING"
        )
        changes = ",".join(f'"{name}" = ?' for name in columns)
        self._change = f"UPDATE usage SET {changes} WHERE id = ?"
        self._repeated = tuple(1 + columns.index(name) for name in REPEATED)
        self._connection = connection
        self._execute = connection.cursor().execute
        self._texts = Texts(connection)

    def put(self, record: UsageRecord) -> bool:
        """Add the row. False: it is there already."""
        return self.put_values(astuple(record))

    def put_values(self, values: Sequence[Any]) -> bool:
        """Add the row of these values. False: it is there already."""
        at = place(values[0], values[3], values[4])
        row = [at, *values]
        self._shorten(row)
        if at is not None:
            try:
                self._execute(self._add, row)
            except apsw.ConstraintError:
                if self._is_at(at, values[0], values[3]):
                    return False
            else:
                return True
        self._execute(self._add_odd, row[1:])
        return bool(self._connection.changes())

    def replace(self, record: UsageRecord) -> bool:
        """Change the row to this. False: there is none."""
        at = self.find(record.request_id, record.attempt)
        if at is None:
            return False
        row = [at, *astuple(record)]
        self._shorten(row)
        self._execute(self._change, (*row[1:], at))
        return True

    def find(self, request_id: str, attempt: int) -> int | None:
        """Where this row is."""
        places = of_call(request_id)
        if places is not None and self._is_at(places[0] + attempt, request_id, attempt):
            return places[0] + attempt
        found: list[Any] = self._execute(
            "SELECT id FROM usage WHERE id < 0 AND request_id = ? AND attempt = ?", (request_id, attempt)
        ).fetchall()
        return found[0][0] if found else None

    def forget(self) -> None:
        """A transaction was undone."""
        self._texts.forget()

    def _shorten(self, row: list[Any]) -> None:
        """Numbers in the place of long texts, in a row that begins with its place."""
        numbers, brief = self._texts.numbers, self._texts.brief
        for at in self._repeated:
            text = row[at]
            if text is not None:
                row[at] = numbers.get(text) or brief(text)

    def _is_at(self, at: int, request_id: str, attempt: int) -> bool:
        found = self._execute("SELECT request_id, attempt FROM usage WHERE id = ?", (at,)).fetchall()
        return found == [(request_id, attempt)]
