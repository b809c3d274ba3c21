"""``ledger.url``: what it names, what is wrong with it, and how it is told to eyes."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.ledger.address import folder_of, is_postgres, problem, shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://turnout:s3cret@db:5432/book", "postgresql://db:5432/book"),
        ("postgres://u:s%40cret@db/book?sslpassword=s3cret", "postgres://db/book"),
        ("postgresql://u:s@cret@db/book", "postgresql://db/book"),
        ("postgresql://db/book", "postgresql://db/book"),
        ("postgresql:///book?host=/run/postgresql&password=s3cret", "postgresql:///book"),
        ("redis+sentinel://u:s3cret@a:26379,b:26379/mymaster/0", "redis+sentinel://a:26379,b:26379/mymaster/0"),
        ("sqlite:///folder@home/turnout.db", "sqlite:///folder@home/turnout.db"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_c13_eyes_see_no_password(url: str, told: str) -> None:
    assert shown(url) == told


@pytest.mark.parametrize(
    "url",
    ["sqlite:///turnout.db", "sqlite:////var/lib/t.db", "postgresql://u:p%40ss@host:5432/book", "postgres:///book?host=/run/pg"],
)  # fmt: skip
def test_a_good_url_has_no_problem(url: str) -> None:
    assert problem(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:s3cret@host/book", "write 'sqlite:///turnout.db' or"),
        ("sqlite:///", "write 'sqlite:///turnout.db' or"),
        ("postgresql://u:s3@cret@host/book", "percent-encode"),
        ("postgresql://u:s3/cret@host/book", "percent-encode"),
        ("postgresql://u:s3?cret@host/book", "percent-encode"),
        ("postgresql://u:p@host:s3cret/book", "percent-encode"),
        ("postgresql://u:s3cret@host", "names no database"),
        ("postgresql://u:s3cret@host/?sslmode=require", "names no database"),
    ],
)
def test_a_bad_url_is_told_with_its_mend_and_without_any_part_of_it(url: str, words: str) -> None:
    told = problem(url) or ""
    assert words in told
    assert "s3" not in told


def test_the_folder_is_that_of_the_file_or_where_turnout_was_started() -> None:
    assert folder_of("sqlite:////var/lib/turnout/t.db") == Path("/var/lib/turnout")
    assert folder_of("sqlite:///turnout.db") == folder_of("postgresql://host/book") == Path()
    assert is_postgres("postgres://host/book")
    assert not is_postgres("sqlite:///turnout.db")
