"""What is looked at of a body that passes on unread: that it has turns, and that their roles exist."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import Struct

from adapters import ir


class _Turn(Struct):
    role: str | None = None


_TURNS = msgspec.json.Decoder(list[_Turn])
_TURNS_OR_TEXT = msgspec.json.Decoder(str | list[_Turn])


def turns(
    fields: ir.Extras, name: str, roles: Collection[str], *, text: bool = False, named: bool = True, some: bool = True
) -> None:
    """Raise ir.Invalid unless ``fields[name]`` is a list of objects whose roles are among ``roles``.

    ``text``: a string will do, too. ``named``: each turn must have a role. ``some``: there must be at least one.
    """
    if name not in fields:
        raise ir.Invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    try:
        told = (_TURNS_OR_TEXT if text else _TURNS).decode(fields[name])
    except msgspec.ValidationError as error:
        raise ir.Invalid(f"Invalid type for '{name}': {error}.", name, "invalid_type") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ir.Invalid(f"'{name}' is not valid JSON: {error}.", name) from None
    if isinstance(told, str):
        return
    if some and not told:
        raise ir.Invalid(f"Invalid '{name}': empty array. Expected at least one entry.", name, "empty_array")
    for index, turn in enumerate(told):
        if turn.role not in roles and (named or turn.role is not None):
            raise _wrong_role(f"{name}[{index}].role", turn.role, roles)


def _wrong_role(field: str, role: str | None, roles: Collection[str]) -> ir.Invalid:
    if role is None:
        return ir.Invalid(f"Missing required parameter: '{field}'.", field, "missing_required_parameter")
    options = ", ".join(f"'{one}'" for one in roles)
    return ir.Invalid(
        f"Invalid value for '{field}': '{role}'. Supported values are: {options}.", field, "invalid_value"
    )
