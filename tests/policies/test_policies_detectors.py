"""What the detectors find and what they do not, that they end in time on hostile text, and the operator's own patterns."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.data_classes.detectors import DETECTORS, luhn, mod_97
from policies.data_classes.findings import ENCODED, Pattern, compiled, problems, texts

TRUE = {
    "card": [
        "my card: 4111 1111 1111 1111 12/27", "4111111111111111", "5555-5555-5555-4444", "3782 822463 10005",
        "378282246310005", "6011000990139424", "card4111111111111111.", "30569309025904", "3530111333300000",
    ],
    "iban": [
        "DE89 3704 0044 0532 0130 00 please", "GB29NWBK60161331926819", "NO93 8601 1117 947", "(BE68 5390 0754 7034)",
        "MT84MALT011000012345MTLCAST001S", "FR14 2004 1010 0505 0001 3M02 606",
    ],
    "ssn": ["my SSN is 123-45-6789.", "078 05 1120"],
    "email": ["write to ada.l@mail.example.co.uk, ok?", "<x+y@example.com>"],
    "phone": ["+1 (415) 555-2671", "call +49 30 901820 now", "+442071838750"],
    "secret": [
        "sk-ant-api03-abcdefghijklmnopqrst", "AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1" * 18, "-----BEGIN RSA PRIVATE KEY-----",
        "token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN",
    ],
}  # fmt: skip
FALSE = {
    "card": ["4111 1111 1111 1112", "0.4111111111111111", "1234567812345678", "41111111111111111111", "1760000000000"],
    "iban": ["GB29NWBK60161331926818", "DE89 3704 0044", "XX89 3704 0044 0532 0130 00", "ABCDE8937040044053201300"],
    "ssn": ["000-45-6789", "666-45-6789", "923-45-6789", "123-00-6789", "123-45-0000", "2123-45-6789", "123-45 6789"],
    "email": ["@pytest.fixture", "user@localhost", "a @ b.com", "@media screen"],
    "phone": ["1+1=2", "+5", "a+12345678901", "C++ 12345678901"],
    "secret": ["task-123456789012345678901234", "sk-short", "BEGIN PUBLIC KEY", "eyJ.eyJ.x"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, found in TRUE.items() for text in found])
def test_it_finds(kind: str, text: str) -> None:
    assert DETECTORS[kind](text)
    assert DETECTORS[kind](f"some words before\n{text}\nand some after")


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, found in FALSE.items() for text in found])
def test_it_leaves_alone(kind: str, text: str) -> None:
    assert not DETECTORS[kind](text)


def test_every_detector_has_examples() -> None:
    assert set(TRUE) == set(FALSE) == set(DETECTORS)


@given(st.integers(10**14, 10**15 - 1))
def test_luhn_has_one_right_digit(number: int) -> None:
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1


@given(st.text("0123456789", min_size=18, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_mod_97_sees_a_wrong_digit(account: str, at: int, by: int) -> None:
    check = 98 - int(f"{account}131400") % 97
    right = f"DE{check:02d}{account}"
    assert mod_97(right)
    wrong = f"{account[:at]}{(int(account[at]) + by) % 10}{account[at + 1 :]}"
    assert not mod_97(f"DE{check:02d}{wrong}")


MEGA = 1_000_000
HOSTILE = [
    "a", "4", "4 ", "4-", "4111111111111112 ", "4111-1111-1111-11 ", "3782 822463 1", "GB00 ", "GB00 AAAA AAAA AAAA AAAA ",
    "GB00AAAAAAAAAAAAAAAAAA ", "123-45-678 ", "123 45 0000 ", "a@", "a@b.", "a@" + "b" * 62 + ".c-", "+1", "+1 2 ", "eyJ",
    "eyJ" + "a" * 500 + ".eyJ" + "b" * 500 + " ", "sk-", "sk-abc ", "-----BEGIN ", "-----BEGIN " + "A" * 31, "\n", "[", "é",
]  # fmt: skip


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_hostile_text_takes_time_in_proportion(kind: str) -> None:
    """Some 0.1 s for the worst; what backtracks would take hours."""
    for piece in HOSTILE:
        text = piece * (MEGA // len(piece))
        started = time.process_time()
        DETECTORS[kind](text)
        assert time.process_time() - started < 2.0, piece


# --- the operator's own, and where is looked ----------------------------------------------------------------------------

PROJECT = Pattern(name="project", match="PROJ-[0-9]+", data_class="confidential")


def found(*values: Any, own: tuple[Pattern, ...] = (PROJECT,), **detect: str) -> dict[str, str]:
    sought = compiled(detect, own)
    assert sought is not None
    return sought.find(values)


def test_nothing_is_looked_for_by_default() -> None:
    assert compiled({}, ()) is None


def test_kinds_and_their_classes() -> None:
    told = found({"messages": [{"content": "PROJ-17, by ada@example.com"}]}, email="internal", card="restricted")
    assert told == {"project": "confidential", "email": "internal"}


@pytest.mark.parametrize(
    "value", ["PROJ-1", ["PROJ-1"], {"a": {"b": ["PROJ-1"]}}, {"PROJ-1": 1}, [{"arguments": '{"id": "PROJ-1"}'}]]
)
def test_every_text_is_looked_at(value: Any) -> None:
    assert found(value) == {"project": "confidential"}


def test_a_number_is_a_text_too() -> None:
    assert found({"card": 4111111111111111}, own=(), card="restricted") == {"card": "restricted"}


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_encoded_media_are_passed_over(head: str) -> None:
    inside = "4111111111111111" + "A" * ENCODED
    assert list(texts([f"{head}{inside}"])) == []
    assert list(texts([f"{head}{inside} "])) == [f"{head}{inside} "]
    assert list(texts([inside[:100]])) == [inside[:100]]


def test_an_own_expression_may_be_as_hostile_as_it_likes() -> None:
    own = (Pattern(name="x", match="(a+)+$|(a|a)*b|(.*,){9}q", data_class="hr"),)
    started = time.process_time()
    assert found("a" * MEGA + "!", own=own) == {}
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("match", ["(a", "[", "(?=a)b", r"(a)\1", "a{1000}{1000}", "(?<!x)y"])
def test_an_expression_that_cannot_be_kept_in_time_is_refused(match: str) -> None:
    [(path, told)] = problems({}, [Pattern(name="x", match=match, data_class="hr")])
    assert path == ("patterns", 0, "match")
    assert "without backreferences and lookaround" in told


@pytest.mark.parametrize("match", ["", "x*", "(a|)"])
def test_an_expression_that_matches_everything_is_refused(match: str) -> None:
    [(path, told)] = problems({}, [Pattern(name="x", match=match, data_class="hr")])
    assert (path, "matches every text" in told) == (("patterns", 0, "match"), True)


def test_names_and_classes_are_checked() -> None:
    own = [PROJECT, PROJECT, Pattern(name="Two Words", match="x", data_class="restrited")]
    told = list(problems({"cart": "hr", "card": "Restricted"}, own))
    places = [path for path, _ in told]
    assert places == [
        ("detect", "cart"), ("detect", "card"), ("patterns", 1, "name"), ("patterns", 2, "data_class"),
        ("patterns", 2, "name"),
    ]  # fmt: skip
    assert "did you mean 'card'?" in told[0][1]
