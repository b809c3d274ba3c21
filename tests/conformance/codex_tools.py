"""What Codex CLI offers the model: its instructions, its tools, and the grammar of its patches."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

INSTRUCTIONS = "You are a coding agent running in the Codex CLI. " + (
    "Keep going until the task is done. Use apply_patch to edit files; never run `git commit`.\n" * 150
)
_LARK = """start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change+
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change: ("+" | "-" | " ") /(.*)/ LF
%import common.LF
"""
PATCH = r"""*** Begin Patch
*** Update File: src/größe.py
-    return "a\tb" + 'c'
+    return "a\\tb\u00e9" + 'c' + "{\"input\": \"日本語 🙂\"}"
*** End Patch
"""


def _function(name: str, properties: Json, required: list[str]) -> Json:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": "function", "name": name, "description": f"{name} does it.", "strict": False, "parameters": schema}


def _namespace(name: str, tools: list[Json]) -> Json:
    return {"type": "namespace", "name": name, "description": f"Tools of {name}.", "tools": tools}


_TEXT = {"type": "string"}
_STEP: Json = {
    "type": "object",
    "properties": {"step": _TEXT, "status": {"type": "string", "description": "pending, in_progress or completed"}},
    "required": ["step", "status"],
    "additionalProperties": False,
}
TOOLS: list[Json] = [
    _function("exec_command", {"cmd": _TEXT, "workdir": _TEXT, "yield_time_ms": {"type": "number"}}, ["cmd"]),
    _function("update_plan", {"explanation": _TEXT, "plan": {"type": "array", "items": _STEP}}, ["plan"]),
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files. This is a FREEFORM tool, so do not wrap the patch in JSON.",
        "format": {"type": "grammar", "syntax": "lark", "definition": _LARK},
    },
    _function("view_image", {"path": _TEXT}, ["path"]),
    _namespace("mcp__docs", [_function("search", {"query": _TEXT}, ["query"]), _function("fetch", {}, [])]),
]
LATER: Json = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [
        _namespace("mcp__tracker", [_function("search", {"project": _TEXT}, ["project"])]),
        {"type": "custom", "name": "take_note", "description": "Keeps a note.", "format": {"type": "text"}},
    ],
}
"""Found while at work; one of them has the name of a tool in another namespace."""
