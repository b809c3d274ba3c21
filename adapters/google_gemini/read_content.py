"""Contents and parts of a Gemini request -> the hub's messages and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.google_gemini.wire import INVENTED, fields, items, raw, take

_OPAQUE = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
ROLES: dict[str, ir.Role] = {"user": "user", "model": "assistant", "function": "user"}

Call = tuple[str, str]
"""A call's id and its function's name."""


class Contents:
    """Reads contents in order, and remembers the calls that wait for an answer: Gemini may leave ids out."""

    def __init__(self) -> None:
        self._waiting: list[Call] = []
        self._invented = 0

    def read(self, entry: Raw, path: str) -> ir.Message:
        """One content -> one message. Raises ir.Invalid that names the field."""
        top = fields(entry, path)
        role = take(top, "role", str, f"{path}.role") or "user"
        if role not in ROLES:
            raise ir.Invalid(f"Unknown role '{role}'. Use 'user' or 'model'.", f"{path}.role", "invalid_value")
        found = items(top, "parts", f"{path}.parts")
        blocks = tuple(self._part(part, f"{path}.parts[{at}]") for at, part in enumerate(found))
        results = bool(blocks) and all(isinstance(block, ir.ToolResult) for block in blocks)
        return ir.Message("tool" if results else ROLES[role], blocks, extras=top)

    def _part(self, entry: Raw, path: str) -> ir.Block:
        top = fields(entry, path)
        signature = take(top, "thoughtSignature", str, f"{path}.thoughtSignature")
        state = ir.VendorState("google", "thought_signature", signature) if signature else None
        if "text" in top:
            return _text(top, state, path)
        if "functionCall" in top:
            return self._call(top, state, path)
        if "functionResponse" in top:
            return self._result(top, path)
        if "inlineData" in top or "fileData" in top:
            return _media(top, path)
        wire_type = next((name for name in _OPAQUE if name in top), None)
        if wire_type is None:
            raise ir.Invalid(f"'{path}' holds no kind of part that is known here.", path, "invalid_value")
        return ir.Opaque("google", wire_type, Raw(bytes(entry)))

    def _call(self, top: ir.Extras, state: ir.VendorState | None, path: str) -> ir.ToolCall:
        inner = fields(top.pop("functionCall"), f"{path}.functionCall")
        name = take(inner, "name", str, f"{path}.functionCall.name") or ""
        given = take(inner, "id", str, f"{path}.functionCall.id") or self._invent()
        args = inner.pop("args", Raw(b"{}"))
        fields(args, f"{path}.functionCall.args")
        self._waiting.append((given, name))
        if inner:
            top["functionCall"] = raw(inner)
        return ir.ToolCall(given, name, bytes(args).decode(), state=state, extras=top)

    def _invent(self) -> str:
        self._invented += 1
        return f"{INVENTED}{self._invented}"

    def _result(self, top: ir.Extras, path: str) -> ir.ToolResult:
        whole = top.pop("functionResponse")
        inner = fields(whole, f"{path}.functionResponse")
        name = take(inner, "name", str, f"{path}.functionResponse.name") or ""
        given = take(inner, "id", str, f"{path}.functionResponse.id")
        answered = self._answered(given, name)
        content, failed = _output(inner.pop("response", Raw(b"{}")), f"{path}.functionResponse.response")
        media = [_media(fields(part, path), path) for part in items(inner, "parts", f"{path}.functionResponse.parts")]
        top["functionResponse"] = Raw(bytes(whole))
        return ir.ToolResult(answered, (content, *media), name, failed, extras=top)

    def _answered(self, given: str | None, name: str) -> str:
        """The id of the call that is answered: by its id, else the first one waiting of that name."""
        for waiting in self._waiting:
            if waiting[0] == given or (given is None and waiting[1] == name):
                self._waiting.remove(waiting)
                return waiting[0]
        return given or self._invent()


def _text(top: ir.Extras, state: ir.VendorState | None, path: str) -> ir.Text | ir.Reasoning:
    words = take(top, "text", str, f"{path}.text") or ""
    if take(top, "thought", bool, f"{path}.thought"):
        return ir.Reasoning(summary=(words,), state=state, extras=top)
    return ir.Text(words, state=state, extras=top)


def _media(top: ir.Extras, path: str) -> ir.Media:
    where = "inlineData" if "inlineData" in top else "fileData"
    if where not in top:
        raise ir.Invalid(f"'{path}' must hold inlineData or fileData.", path)
    inner = fields(top.pop(where), f"{path}.{where}")
    media_type = take(inner, "mimeType", str, f"{path}.{where}.mimeType")
    data = take(inner, "data", str, f"{path}.{where}.data")
    url = take(inner, "fileUri", str, f"{path}.{where}.fileUri")
    name = take(inner, "displayName", str, f"{path}.{where}.displayName")
    if not (data or url):
        raise ir.Invalid(f"'{path}.{where}' is empty. Send data or a file URI.", path)
    if inner:
        top[where] = raw(inner)
    return ir.Media(_kind(media_type), url, data, media_type=media_type, name=name, extras=top)


def _kind(media_type: str | None) -> Literal["image", "file", "audio"]:
    main = (media_type or "").partition("/")[0]
    return "image" if main == "image" else "audio" if main == "audio" else "file"


def _output(response: Raw, path: str) -> tuple[ir.Text, bool]:
    """What a tool answered, as text, and whether that is an error. Google asks for ``output`` or ``error``."""
    top: dict[str, Raw] = fields(response, path)
    for key in ("output", "error"):
        if list(top) == [key]:
            return ir.Text(_words(top[key])), key == "error"
    return ir.Text(bytes(response).decode()), False


def _words(told: Raw) -> str:
    text = bytes(told)
    return msgspec.json.decode(text, type=str) if text[:1] == b'"' else text.decode()


def system(entry: Raw | None) -> Sequence[ir.Text]:
    """``systemInstruction`` -> its texts. Raises ir.Invalid."""
    if entry is None:
        return ()
    top = fields(entry, "systemInstruction")
    texts: list[ir.Text] = []
    for at, part in enumerate(items(top, "parts", "systemInstruction.parts")):
        inner = fields(part, f"systemInstruction.parts[{at}]")
        words = take(inner, "text", str, f"systemInstruction.parts[{at}].text")
        if words is None:
            raise ir.Invalid("A system instruction holds text only.", f"systemInstruction.parts[{at}]")
        texts.append(ir.Text(words, extras=inner))
    return texts
