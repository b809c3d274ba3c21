"""Every recording is read or listed with its reason, and few of those in scope are listed (decision D30)."""

from __future__ import annotations

import pytest
from cassettes import in_scope, interactions
from excluded import listed
from playing import ANSWERS, ERRORS
from recordings import FOUR, SHARED, files, recordings

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
OUT = set(listed("out_of_scope"))
IN = set(listed("torn")) | set(listed("answers")) | set(listed("requests"))
"""In scope, and yet judged otherwise than the rest."""
MOST = 0.15


def test_every_file_and_interaction_is_read_or_listed() -> None:
    played = {f"{recording.folder}/{recording.file}" for recording in recordings()}
    read = played | {found.name for found in in_scope()}
    every = {f"{path.parent.name}/{path.name}" for path in files()} | {found.name for found in interactions()}
    assert every - read == OUT
    assert read.isdisjoint(OUT)
    assert every >= IN


def test_every_answer_in_scope_is_told_by_some_test() -> None:
    scope = {recording.name for recording in recordings()} | {found.name for found in in_scope()}
    told = {found.name for found in (*ANSWERS, *ERRORS)} | {found.name for found in in_scope() if found.counts}
    assert scope - told == set(listed("torn")) | set(listed("answers"))


def test_few_of_those_in_scope_are_listed() -> None:
    scope = {recording.name for recording in recordings()} | {found.name for found in in_scope()}
    assert scope >= IN
    assert len(IN) <= MOST * len(scope)
    four = {recording.name for recording in recordings() if recording.folder in FOUR}
    assert len(IN & four) <= MOST * len(four)


@pytest.mark.parametrize("part", ["torn", "answers", "requests", "out_of_scope"])
def test_whatever_is_listed_has_a_reason(part: str) -> None:
    assert all(len(reason) > 20 for reason in listed(part).values())
