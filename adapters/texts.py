"""What an answer says, kept to be counted: each block apart, raw reasoning apart from the rest, up to a bound."""

from __future__ import annotations

from adapters import ir


class Texts:
    """The texts of one answer, at most ``most`` characters of them: of a longer one nothing is left, for the count of
    a part would be no count of it."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._thoughts: dict[int, list[str]] = {}
        self._others: dict[int, list[str]] = {}

    def add(self, event: ir.Delta, *, thought: bool) -> None:
        """A piece of a block; ``thought``: of a block of reasoning. A summary of it is no measure of what was thought,
        and state is not said at all."""
        self._left -= len(event.data)
        if self._left < 0:
            self._thoughts, self._others = {}, {}
        elif thought and event.channel == "text":
            self._thoughts.setdefault(event.block, []).append(event.data)
        elif not thought and event.channel != "state":
            self._others.setdefault(event.block, []).append(event.data)

    def add_whole(self, reply: ir.Reply) -> None:
        """All that a whole answer says."""
        for number, block in enumerate(reply.blocks):
            self.add(ir.Delta(number, "text", block.text), thought=block.kind == "reasoning")

    @property
    def whole(self) -> bool:
        """Is everything kept?"""
        return self._left >= 0

    def thoughts(self) -> list[str]:
        """Raw reasoning, a text for each block; empty where there is none, or none was kept."""
        return _joined(self._thoughts)

    def others(self) -> list[str]:
        """Answers, refusals and arguments of calls, likewise."""
        return _joined(self._others)


def _joined(blocks: dict[int, list[str]]) -> list[str]:
    return [text for text in map("".join, blocks.values()) if text]
