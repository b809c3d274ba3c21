"""The one file that knows every dialect."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import anthropic_messages, google_gemini, openai_chat, openai_responses
from adapters.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        openai_chat.DIALECT,
        openai_responses.DIALECT,
        anthropic_messages.DIALECT,
        google_gemini.DIALECT,
    )
}
