"""What a caller names reaches headers and rows bounded and printable."""

from live import Live, demo_config, demo_upstream
from public_door import ask


def test_names_of_unknown_fields_are_bounded_and_printable() -> None:
    with demo_upstream() as url, Live(demo_config(url)) as live:
        heard = ask(live, "to-claude", **{"line\nbreak": 1, "x" * 5000: 2, "last": 3})
        assert heard.status == 200
        dropped = heard.told("dropped") or ""
        assert dropped.startswith("line?break, xxx")
        assert len(dropped) == 1000
        assert [row.dropped for row in live.rows_of(heard.id)] == [dropped]
