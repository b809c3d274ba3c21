"""Long texts that rows repeat (traces, prices) are kept once in their SQLite file, and stand in rows as numbers."""

from __future__ import annotations

import apsw

REPEATED = ("decision_reason", "trace", "price_source", "unit_prices")
"""The columns that hold a text or its number."""
_KNOWN = 2000
"""Texts whose numbers are remembered, about a megabyte."""
_NEW = 500
"""Texts that were seen once: a text gets its number when it comes again, so that one of a kind is stored once, too."""
_SHORT = 16
"""Characters up to which a number would gain nothing."""
_ADD = "INSERT INTO texts (text) VALUES (?) ON CONFLICT (text) DO NOTHING"
_FIND = "SELECT id FROM texts WHERE text = ?"


class Texts:
    """The numbers of one file's texts, for whoever writes to it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.execute
        self.numbers: dict[str, int] = {}
        """Of the texts that came last."""
        self._new: dict[str, None] = {}

    def brief(self, text: str) -> int | str:
        """What stands in the row for a text that ``numbers`` does not have: its number, or the text itself."""
        if len(text) <= _SHORT:
            return text
        if text not in self._new:
            self._new[text] = None
            if len(self._new) > _NEW:
                del self._new[next(iter(self._new))]
            return text
        return self._number(text)

    def forget(self) -> None:
        """A transaction was undone, and with it perhaps a number."""
        self.numbers.clear()

    def _number(self, text: str) -> int:
        self._execute(_ADD, (text,))
        [(number,)] = self._execute(_FIND, (text,))
        del self._new[text]
        self.numbers[text] = number
        if len(self.numbers) > _KNOWN:
            del self.numbers[next(iter(self.numbers))]
        return int(number)


def told(column: str) -> str:
    """The SQL expression for a column of REPEATED as its text."""
    kept = f'(SELECT text FROM texts t WHERE t.id = "{column}")'  # noqa: S608 - our own columns
    return f'CASE typeof("{column}") WHEN \'integer\' THEN {kept} ELSE "{column}" END'
