"""Whether the client asked for the usage chunk, however its JSON is laid out."""

import pytest

from adapters import ir, strict
from adapters.stream_options import asks_usage, with_usage


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ('{"include_usage": true}', True),
        ('{"include_usage"\n\t:\ttrue\n}', True),
        ('{"include_\\u0075sage":true}', True),
        ('{"include_usage": false, "include_obfuscation": true}', False),
        ('{"note": "\\"include_usage\\":true"}', False),
        ("{}", False),
        ("null", False),
    ],
)
def test_the_usage_chunk_is_asked_for(options: str, asked: bool) -> None:
    fields = strict.fields(f'{{"stream_options": {options}}}'.encode())
    assert asks_usage(fields) is asked
    assert asks_usage({"stream_options": with_usage(fields)})


def test_options_that_are_no_object_are_refused() -> None:
    with pytest.raises(ir.Invalid, match="stream_options"):
        asks_usage(strict.fields(b'{"stream_options": true}'))
    assert not asks_usage({})
