"""What is sealed is opened by nobody but us, for nobody but its tenant; the secret is made once, and rotates."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.sealing import FILE, Seals
from proxy.settings.units import Secret, Secrets
from proxy.state.store import StoreFailed


def secrets(*texts: str) -> Secrets:
    return Secrets(Secret(text) for text in texts)


def test_what_is_sealed_is_opened_for_its_tenant_alone(tmp_path: Path) -> None:
    seals = Seals(secrets("one"), tmp_path)
    text = seals.close("ann", b"state")
    assert seals.open("ann", text) == b"state"
    assert seals.open("ben", text) is None
    assert not [*tmp_path.iterdir()], "the operator's secret is written nowhere"


def test_the_same_state_is_never_sealed_alike(tmp_path: Path) -> None:
    seals = Seals(secrets("one"), tmp_path)
    assert seals.close("ann", b"state") != seals.close("ann", b"state")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "AAAA",
        lambda text: text.replace("turnout1.", "turnout2."),
        lambda text: text[:20] + ("A" if text[20] != "A" else "B") + text[21:],
        lambda text: text[:20] + "\n" + text[20:],
        lambda _: "turnout1.",
        lambda _: "turnout1.é",
        lambda _: "",
    ],
)
def test_a_text_that_was_changed_stays_shut(change: object, tmp_path: Path) -> None:
    seals = Seals(secrets("one"), tmp_path)
    assert callable(change)
    assert seals.open("ann", change(seals.close("ann", b"state"))) is None


def test_the_first_secret_seals_and_all_unseal(tmp_path: Path) -> None:
    old, both = Seals(secrets("old"), tmp_path), Seals(secrets("new", "old"), tmp_path)
    assert both.open("ann", old.close("ann", b"state")) == b"state"
    assert old.open("ann", both.close("ann", b"state")) is None
    assert Seals(secrets("new"), tmp_path).open("ann", both.close("ann", b"state")) == b"state"


def test_a_reload_changes_the_secrets(tmp_path: Path) -> None:
    seals = Seals(secrets("old"), tmp_path)
    text = seals.close("ann", b"state")
    seals.adopt(secrets("new", "old"))
    assert seals.open("ann", text) == b"state"
    seals.adopt(secrets("new"))
    assert seals.open("ann", text) is None


def test_a_secret_is_made_once_and_only_we_may_read_it(tmp_path: Path) -> None:
    text = Seals(None, tmp_path).close("ann", b"state")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert Seals(None, tmp_path).open("ann", text) == b"state"


def test_workers_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as workers:
        seals = list(workers.map(lambda _: Seals(None, tmp_path), range(64)))
    texts = [one.close("ann", b"state") for one in seals]
    assert all(one.open("ann", text) == b"state" for one in seals for text in texts)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(StoreFailed, match="delete it"):
        Seals(None, tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match=r"turnout\.secret: No such file or directory: set 'server\.secret'"):
        Seals(None, tmp_path / "gone")
