"""Drives ``turnout`` inside the test's process: what it printed where, and its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner, Result

from proxy.cli import app

CONFIG = """\
version: 1
backends:
  oss: {provider: vllm, model: gpt-oss, base_url: "http://127.0.0.1:9/v1", local: true}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-ant-nobody-may-see-this}
  gemini: {provider: google, model: gemini-3.1-pro, credential: "${GEMINI_API_KEY}"}
aliases:
  auto: {policy: hybrid}
  night: {policy: night}
  direct: {use: [oss]}
policies:
  night:
    extends: hybrid
    before:
      - {when: {data_class: restricted}, deny: "restricted data stays here"}
      - {when: {caller: interns}, use: [oss], reason: "interns"}
keys:
  - {name: intern-ci, team: interns, secret: sk-intern-nobody-may-see-this}
teams: {interns: {}}
"""


def turnout(*words: str | Path, given: str | None = None) -> Result:
    """Run the command; a traceback fails the test at once."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def said(result: Result) -> Any:
    """Its JSON, of a command that went well."""
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout)
