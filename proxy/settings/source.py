"""YAML text -> plain values and the line of every key: bounded, without tags, a duplicate key is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path: TypeAlias = tuple[str | int, ...]
Mistake: TypeAlias = tuple[Path, str]
"""Where in the document, and what is wrong with its mend."""

MAX_TEXT = 1024 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 32


class Problem(Struct, frozen=True, order=True):
    """What is wrong, where, and how to mend it. ``line`` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` has every reason found, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Source(Struct):
    """A document as plain values (dict, list, str, int, float, bool, None) and where each of them stands."""

    file: str
    value: dict[str, Any]
    lines: dict[Path, int]
    origins: dict[Path, str] = {}
    """Values that came from elsewhere than the file: path -> the environment variable."""

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, message: str) -> Problem:
        """``message`` with the path before it, at its line."""
        where = dotted(path)
        origin = self.origins.get(path)
        from_ = f" (from {origin})" if origin else ""
        return Problem(self.file, self.line(path), f"{where}{from_}: {message}" if where else message)


def dotted(path: Path) -> str:
    """``("backends", "oss", "pools", 0)`` -> ``backends.oss.pools[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def parse(text: str, file: str, *, listed: str | None = None) -> Source:
    """Raises ConfigError: not YAML, a duplicate key, a tag, too large, too deep, not a mapping. ``listed``: a file that
    is a list stands for a mapping with that list under this key."""
    if len(text) > MAX_TEXT:
        raise ConfigError([Problem(file, 1, f"the file is larger than {MAX_TEXT} characters: split it or shorten it")])
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        what = " ".join((error.problem or error.context or "it cannot be read").split())
        raise ConfigError([Problem(file, line, f"not valid YAML: {what}")]) from None
    except YAMLError as error:
        raise ConfigError([Problem(file, 1, f"not valid YAML: {str(error).splitlines()[0]}")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 1, f"nested deeper than {MAX_DEPTH}: flatten it")]) from None
    return _Reader(file).read(node, listed)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []
        self._count = 0

    def read(self, root: Node | None, listed: str | None) -> Source:
        if isinstance(root, SequenceNode) and listed is not None:
            return self._source({listed: self._value(root, (listed,))})
        if root is not None and not isinstance(root, MappingNode):
            raise self._stop(root, "the file must be a mapping: 'backends:' and the other sections")
        return self._source({} if root is None else self._mapping(root, ()))

    def _source(self, value: dict[str, Any]) -> Source:
        if self._problems:
            raise ConfigError(self._problems)
        return Source(self._file, value, self._lines)

    def _value(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._stop(node, f"more than {MAX_VALUES} values once its aliases are expanded: shorten it")
        if len(path) > MAX_DEPTH:
            raise self._stop(node, f"nested deeper than {MAX_DEPTH}: flatten it")
        self._lines.setdefault(path, _line(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                merged.extend(self._merges(value_node))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if not isinstance(key_node, ScalarNode):
                self._add(key_node, "a key must be plain text")
            elif key in result:
                self._add(key_node, f"{dotted(here)}: the key stands here a second time: remove one")
            else:
                self._lines[here] = _line(key_node)
                result[key] = self._value(value_node, here)
        for extra in merged:
            for key, value in self._mapping(extra, path).items():
                result.setdefault(key, value)
        return result

    def _merges(self, node: Node) -> list[MappingNode]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        if not all(isinstance(item, MappingNode) for item in nodes):
            raise self._stop(node, "'<<' takes a mapping or a list of mappings")
        self._count += len(nodes)
        return list(nodes)

    def _scalar(self, node: Node) -> Any:
        kind = str(node.tag).rpartition(":")[2]
        text: str = node.value
        if kind in {"str", "timestamp"} or not str(node.tag).startswith("tag:yaml.org,2002:"):
            if kind not in {"str", "timestamp"}:
                self._add(node, f"the tag '{node.tag}' is not taken: write a plain value")
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        return self._number(node, kind, text.replace("_", ""))

    def _number(self, node: Node, kind: str, text: str) -> Any:
        try:
            return int(text, 0) if kind == "int" else float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            try:
                return int(text)
            except ValueError:
                self._add(node, f"the tag '!!{kind}' is not taken: write a plain value")
                return text

    def _add(self, node: Node, message: str) -> None:
        self._problems.append(Problem(self._file, _line(node), message))

    def _stop(self, node: Node, message: str) -> ConfigError:
        return ConfigError([*self._problems, Problem(self._file, _line(node), message)])


def _line(node: Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def merged(value: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with the entries of ``under`` that it lacks, section by section."""
    result = dict(value)
    for key, other in under.items():
        mine = result.get(key)
        if mine is None:
            result[key] = other
        elif isinstance(mine, dict) and isinstance(other, dict):
            result[key] = {**other, **mine}
    return result
