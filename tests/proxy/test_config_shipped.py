"""The shipped proxy.yaml and the JSON Schema: whole, true, and in step with the grammar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from proxy.config import wants_embedded
from proxy.schema import schema
from proxy.settings.grammar import Document
from proxy.snapshot import build_text

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "proxy.yaml").read_text("utf-8")
SCHEMA = Path(__file__).with_name("config_schema.json")
NOT_SHOWN = {"condense", "escalate", "sticky", "hedge", "cache"}
"""Words of the rule language that change nothing yet."""


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs(field.type)
    for arm in get_args(kind):
        yield from structs(arm)


def uncommented() -> str:
    """The file with its examples in use: what follows a "#" at the margin and is not prose."""
    return re.sub(r"^#(?=\w|\"|  +[\w\"]+.*:|  +- )", "", SHIPPED, flags=re.MULTILINE)


def test_it_runs_as_shipped() -> None:
    found = build_text(SHIPPED, file="proxy.yaml", generation=1, env={})
    assert found.demo
    assert found.warnings == ()
    assert found.route("auto") is not None
    assert wants_embedded(SHIPPED, file="proxy.yaml", env={})


def test_what_it_shows_are_the_defaults() -> None:
    found = build_text(SHIPPED, file="proxy.yaml", generation=1, env={}).config
    default = Document()
    for section in ("server", "timeouts", "retries", "state", "ledger", "telemetry"):
        assert getattr(found, section) == getattr(default, section)


def test_every_key_is_shown() -> None:
    names = {field.encode_name for kind in structs(Document) for field in msgspec.structs.fields(kind)}
    missing = {name for name in names - NOT_SHOWN if not re.search(rf"(?<![\w]){name}:", SHIPPED)}
    assert missing == set()


def test_its_examples_are_good() -> None:
    env = {"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_API_KEY": "k", "TURNOUT_SEAL": "s"}
    found = build_text(uncommented(), file="proxy.yaml", generation=1, env=env)
    assert list(found.backends) == ["oss", "box", "claude", "gemini", "gpt", "codex"]
    assert len(found.callers) == 3
    assert [limit.amount for limit in found.backends["claude"].quotas] == [1000, 400_000]
    assert (found.backends["oss"].queue, found.backends["oss"].queue_seconds) == (64, 2.0)


def test_the_schema_is_the_one_that_was_published() -> None:
    written = msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SCHEMA.write_bytes(written)
    assert written.decode() == SCHEMA.read_text("utf-8"), "the grammar changed: run again with UPDATE_SNAPSHOTS=1"


@pytest.mark.parametrize("name", ["Document", "BackendEntry", "Policy", "Guard", "Rule"])
def test_the_schema_knows_every_key(name: str) -> None:
    kind = next(kind for kind in structs(Document) if kind.__name__ == name)
    entry = schema()["$defs"][name]
    assert set(entry["properties"]) == {field.encode_name for field in msgspec.structs.fields(kind)}
    assert entry["additionalProperties"] is False
