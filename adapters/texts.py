"""What an answer says, kept to be counted: each block apart, raw reasoning apart from the rest, up to a bound."""

from __future__ import annotations

from io import StringIO

from adapters import ir


class Texts:
    """The texts of one answer, at most ``most`` characters of them: of a longer one nothing is left, for the count of
    a part would be no count of it."""

    def __init__(self, most: int, *, raw: frozenset[ir.Channel] = frozenset({"text"})) -> None:
        """``raw``: the channels of reasoning on which all that was thought is told, and no summary of it."""
        self._left = most
        self._raw = raw
        self._thoughts: dict[int, StringIO] = {}
        self._others: dict[int, StringIO] = {}

    def add(self, event: ir.Delta, *, thought: bool) -> None:
        """A piece of a block; ``thought``: of a block of reasoning. A summary is no measure of what was thought, and
        state is not said at all."""
        if thought and event.channel in self._raw:
            blocks = self._thoughts
        elif not thought and event.channel != "state":
            blocks = self._others
        else:
            return
        self._left -= len(event.data)
        if self._left < 0:
            self._thoughts, self._others = {}, {}
            return
        text = blocks.get(event.block)
        if text is None:
            text = blocks[event.block] = StringIO()
        text.write(event.data)

    def add_whole(self, reply: ir.Reply) -> None:
        """All that a whole answer says."""
        for number, block in enumerate(reply.blocks):
            thought = block.kind == "reasoning"
            self.add(ir.Delta(number, "text", block.text), thought=thought)
            for part in block.summary:
                self.add(ir.Delta(number, "summary", part), thought=thought)

    @property
    def whole(self) -> bool:
        """Is everything kept?"""
        return self._left >= 0

    def thoughts(self) -> list[str]:
        """Raw reasoning, a text for each block; empty where there is none, or none was kept."""
        return _said(self._thoughts)

    def others(self) -> list[str]:
        """Answers, refusals and arguments of calls, likewise."""
        return _said(self._others)


def _said(blocks: dict[int, StringIO]) -> list[str]:
    return [text for block in blocks.values() if (text := block.getvalue())]
