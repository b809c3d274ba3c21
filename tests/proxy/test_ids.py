"""Ids: ours sort by time, the client's are kept when they are fit to be kept."""

import time
import uuid

import pytest

from proxy.ids import client_request_id, uuid7


def test_uuid7_is_version_7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    found = uuid.UUID(uuid7())
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert before <= found.int >> 80 <= time.time_ns() // 1_000_000


def test_uuid7_is_unique_and_never_runs_backwards() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert len(set(ids)) == len(ids)
    assert [i[:18] for i in ids] == sorted(i[:18] for i in ids)


@pytest.mark.parametrize("value", ["abc", "a b", "x" * 512, "~!{}"])
def test_fit_ids_are_kept(value: str) -> None:
    assert client_request_id({"x-client-request-id": value}) == value


@pytest.mark.parametrize("value", ["", " ", "x" * 513, "a\nb", "a\r\nset-cookie: x", "é", "a\x00", "a "])
def test_c07_unfit_ids_are_dropped(value: str) -> None:
    assert client_request_id({"x-request-id": value}) is None


def test_the_first_fit_header_wins() -> None:
    assert client_request_id({"x-request-id": "one", "x-client-request-id": "two"}) == "one"
    assert client_request_id({"x-request-id": "\n", "x-client-request-id": "two"}) == "two"
    assert client_request_id({}) is None
