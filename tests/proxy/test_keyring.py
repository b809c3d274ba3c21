"""What one worker knows of keys: the file's, the store's as last heard of, and what holds while it cannot be asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec
import pytest

from adapters import ir
from policies.verdict import Caller
from proxy import keys, minting
from proxy.keyring import Keyring
from proxy.keys import Refusal
from proxy.settings.grammar import Key
from proxy.snapshot import Snapshot, build_text
from proxy.state.keys import Entry, Former, News
from proxy.state.store import StoreFailed

FILE = """version: 1
backends: {oss: {provider: vllm, model: m, base_url: "http://127.0.0.1:9/v1"}}
aliases: {auto: {use: [oss]}}
teams: {ward: {data_class: restricted, pin: false}}
"""
OF_FILE = "sk-of-the-file"
WITH_KEY = f"{FILE}keys: [{{name: filed, secret: {OF_FILE}}}]\n"
HOUR = 3600.0
TIME = count(1)
"""Versions are times: a store that is begun anew has later ones."""


class Shelf:
    """A store in memory, which counts its readers, and can be away, forget, or go back."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.version = 0
        self.reads = 0
        self.away = False
        self.counts = True
        self.unread: tuple[str, ...] = ()

    def put(self, secret: str, name: str, **more: Any) -> None:
        formers = more.pop("formers", ())
        revoked = more.pop("revoked", None)
        self.version = next(TIME)
        key = Key(name=name, sha256=keys.digest(secret), **more)
        self.entries[name] = Entry(key=key, created=1.0, revoked=revoked, formers=formers, version=self.version)

    async def news(self, since: int) -> News:
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreFailed("nobody is there")
        found = [each for each in self.entries.values() if each.version > since]
        count = len(self.entries) + len(self.unread) if self.counts else None
        unread = self.unread if since < self.version else ()
        return News(self.version, tuple(found), unread, count)

    async def add(self, entry: Entry) -> bool:
        raise NotImplementedError

    async def change(self, entry: Entry) -> bool:
        raise NotImplementedError

    async def restore(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            mine = self.entries.get(entry.key.name)
            if mine is None or mine.version < entry.version:
                self.entries[entry.key.name] = entry
                self.version = max(self.version, entry.version)

    async def close(self) -> None:
        """Nothing is open."""


class Told:
    """Everything that the operator would be told."""

    def __init__(self) -> None:
        self.words: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *what: self.words.append((name, *what))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ring(shelf: Shelf, told: Told) -> Keyring:
    made = Keyring(shelf, told)  # type: ignore[arg-type]
    made.adopt(snapshot())
    return made


def snapshot(text: str = FILE) -> Snapshot:
    return build_text(text, file="proxy.yaml", generation=1, env={})


def who(ring: Keyring, secret: str | None) -> Caller | Refusal:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return authenticated(ring, headers)


def authenticated(ring: Keyring, headers: dict[str, str]) -> Caller | Refusal:
    trusted = {**headers, "host": "localhost"}
    return keys.authenticate(
        trusted, peer_host="127.0.0.1", bound_loopback=True, find=ring.find, admin_configured=False
    )


def asked(ring: Keyring, secret: str | None) -> Caller | Refusal:
    """As the house asks: once more where the first answer is a refusal."""

    async def ask() -> Caller | Refusal:
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        found = authenticated(ring, headers)
        if isinstance(found, Caller):
            return found
        return await ring.reconsider(found, headers, lambda: authenticated(ring, headers))

    return asyncio.run(ask())


def refused(found: Caller | Refusal) -> str:
    assert isinstance(found, Refusal)
    return found.reason


def named(found: Caller | Refusal) -> str:
    assert isinstance(found, Caller), found
    return found.name


def test_nobody_is_trusted_before_the_store_was_asked_and_without_keys_this_machine_is(ring: Keyring) -> None:
    assert refused(who(ring, None)) == "missing"
    assert ring.undecided
    assert named(asked(ring, None)) == "local"
    assert named(who(ring, None)) == "local"


def test_a_key_that_was_just_made_works_at_once_and_from_then_on_one_is_needed(ring: Keyring, shelf: Shelf) -> None:
    asyncio.run(ring.refresh())
    assert named(who(ring, None)) == "local"
    shelf.put(secret := minting.made(), "ann")
    assert named(asked(ring, None)) == "local"
    asyncio.run(ring.refresh())
    assert named(who(ring, secret)) == "ann"
    assert refused(asked(ring, None)) == "missing"
    shelf.put(other := minting.made(), "bob")
    assert refused(who(ring, other)) == "unknown"
    assert named(asked(ring, other)) == "bob"


def test_the_files_keys_need_no_store(ring: Keyring, shelf: Shelf) -> None:
    shelf.away = True
    ring.adopt(snapshot(WITH_KEY))
    assert named(asked(ring, OF_FILE)) == "filed"
    assert refused(asked(ring, None)) == "missing"
    assert shelf.reads == 0


def test_what_was_never_made_here_is_wrong_without_a_look(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(minting.made(), "ann")
    asyncio.run(ring.refresh())
    shelf.away = True
    before = shelf.reads
    for wrong in ("sk-proj-of-another-service", "sk-turnout-guessed", "x"):
        assert refused(asked(ring, wrong)) == "unknown"
    assert shelf.reads == before


def test_whoever_guesses_makes_us_look_ten_times_a_second(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(minting.made(), "ann")
    asyncio.run(ring.refresh())
    before, began = shelf.reads, time.monotonic()
    for _ in range(200):
        assert refused(asked(ring, minting.made())) == "unknown"
    assert shelf.reads - before <= 10 * (1 + int(time.monotonic() - began) + 1)


@pytest.mark.parametrize("word", ["revoked", "expires", "team", "replaced"])
def test_whoever_has_the_right_secret_is_told_what_is_wrong_with_it(ring: Keyring, shelf: Shelf, word: str) -> None:
    secret, other = minting.made(), minting.made()
    ended = 1_700_000_000.0
    made: dict[str, dict[str, Any]] = {
        "revoked": {"revoked": ended},
        "expires": {"expires": "2023-11-15"},
        "team": {"team": "gone"},
        "replaced": {"formers": (Former(keys.digest(secret), ended),)},
    }
    shelf.put(other if word == "replaced" else secret, "ann", **made[word])
    asyncio.run(ring.refresh())
    found = who(ring, secret)
    assert isinstance(found, Refusal)
    says = {
        "revoked": ("revoked", 401, "was revoked on 2023-11-14T22:13:20Z"),
        "expires": ("expired", 401, "expired on 2023-11-15 (UTC)"),
        "team": ("no_team", 403, "The team 'gone' of this API key is not"),
        "replaced": ("replaced", 401, "ended on 2023-11-14T22:13:20Z (UTC): use the new one"),
    }[word]
    assert (found.reason, found.failure.status, found.name) == (*says[:2], "ann")
    assert says[2] in found.failure.message
    assert refused(who(ring, minting.made())) == "unknown"
    assert (word == "replaced") is isinstance(who(ring, other), Caller)


def test_both_secrets_work_while_the_grace_lasts(ring: Keyring, shelf: Shelf) -> None:
    old, new = minting.made(), minting.made()
    shelf.put(old, "ann")
    asyncio.run(ring.refresh())
    shelf.put(new, "ann", formers=(Former(keys.digest(old), time.time() + HOUR),))
    asyncio.run(ring.refresh())
    assert (named(who(ring, old)), named(who(ring, new))) == ("ann", "ann")
    shelf.put(new, "ann", formers=(Former(keys.digest(old), time.time() + HOUR),), revoked=5.0)
    asyncio.run(ring.refresh())
    assert {refused(who(ring, old)), refused(who(ring, new))} == {"revoked"}


def test_a_key_follows_its_team_over_reloads(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(secret := minting.made(), "ann", team="ward")
    asyncio.run(ring.refresh())
    found = who(ring, secret)
    assert isinstance(found, Caller)
    assert (found.team_data_class, found.pin, found.tenant) == ("restricted", False, "ward")
    ring.adopt(snapshot(FILE.replace("restricted, pin: false", "internal")))
    changed = who(ring, secret)
    assert isinstance(changed, Caller)
    assert (changed.team_data_class, changed.pin) == ("internal", True)
    ring.adopt(snapshot(FILE.partition("teams:")[0]))
    assert refused(who(ring, secret)) == "no_team"
    ring.adopt(snapshot())
    assert named(who(ring, secret)) == "ann"


def test_a_name_in_both_is_the_files_and_the_operator_is_told(ring: Keyring, shelf: Shelf, told: Told) -> None:
    shelf.put(secret := minting.made(), "filed")
    asyncio.run(ring.refresh())
    assert named(who(ring, secret)) == "filed"
    ring.adopt(snapshot(WITH_KEY))
    assert refused(asked(ring, secret)) == "unknown"
    assert named(who(ring, OF_FILE)) == "filed"
    assert ("keys_shadowed", ["filed"]) in told.words
    ring.adopt(snapshot())
    assert named(who(ring, secret)) == "filed"


def test_while_the_store_is_away_known_keys_go_on_and_others_get_503(ring: Keyring, shelf: Shelf, told: Told) -> None:
    shelf.put(secret := minting.made(), "ann")
    asyncio.run(ring.refresh())
    shelf.away = True
    asyncio.run(ring.refresh())
    asyncio.run(ring.refresh())
    assert named(asked(ring, secret)) == "ann"
    shelf.put(new := minting.made(), "bob")
    found = asked(ring, new)
    assert isinstance(found, Refusal)
    assert (found.reason, found.failure.status, found.failure.code) == ("keys_unavailable", 503, "keys_unavailable")
    assert found.failure.retry_after == 1.0
    assert refused(asked(ring, None)) == "missing"
    assert [word[0] for word in told.words] == ["keys_away"]
    shelf.away = False
    asyncio.run(ring.refresh())
    assert named(who(ring, new)) == "bob"
    shelf.put(newer := minting.made(), "cid")
    assert named(asked(ring, newer)) == "cid"
    assert [word[0] for word in told.words] == ["keys_away", "keys_back"]


def test_a_store_that_is_away_at_the_start_lets_nobody_in(ring: Keyring, shelf: Shelf) -> None:
    shelf.away = True
    assert refused(asked(ring, None)) == "keys_unavailable"
    assert refused(asked(ring, "sk-anything")) == "keys_unavailable"
    reads = shelf.reads
    for _ in range(50):
        assert refused(asked(ring, minting.made())) == "keys_unavailable"
    assert shelf.reads == reads


def test_those_who_wait_for_one_look_share_its_failure(ring: Keyring, shelf: Shelf) -> None:
    shelf.away = True

    async def crowd() -> set[str]:
        async def one() -> Caller | Refusal:
            headers = {"authorization": f"Bearer {minting.made()}"}
            found = authenticated(ring, headers)
            assert isinstance(found, Refusal)
            return await ring.reconsider(found, headers, lambda: authenticated(ring, headers))

        return {refused(found) for found in await asyncio.gather(*(one() for _ in range(100)))}

    assert asyncio.run(crowd()) == {"keys_unavailable"}
    assert shelf.reads == 1


@pytest.mark.parametrize("counted", [True, False])
def test_a_store_that_went_back_is_given_back_what_it_lost(
    ring: Keyring, shelf: Shelf, told: Told, counted: bool
) -> None:
    shelf.counts = counted
    secrets = {name: minting.made() for name in ("ann", "bob", "cid")}
    for name, secret in secrets.items():
        shelf.put(secret, name)
    asyncio.run(ring.refresh())
    before, version = dict(shelf.entries), shelf.version
    shelf.put(secrets["ann"], "ann", revoked=5.0)
    asyncio.run(ring.refresh())
    shelf.entries, shelf.version = before, version
    asyncio.run(ring.refresh())
    assert refused(who(ring, secrets["ann"])) == "revoked"
    assert shelf.entries["ann"].revoked == 5.0
    assert named(who(ring, secrets["cid"])) == "cid"
    assert ("keys_restored", 3) in told.words


def test_a_store_that_was_emptied_and_begun_anew_is_filled_again(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(ann := minting.made(), "ann")
    asyncio.run(ring.refresh())
    shelf.entries, shelf.version = {}, 0
    shelf.put(bob := minting.made(), "bob")
    asyncio.run(ring.refresh())
    assert (named(who(ring, ann)), named(who(ring, bob))) == ("ann", "bob")
    assert set(shelf.entries) == {"ann", "bob"}


def test_a_key_that_cannot_be_read_is_refused_and_still_is_a_key(ring: Keyring, shelf: Shelf, told: Told) -> None:
    shelf.put(secret := minting.made(), "ann")
    asyncio.run(ring.refresh())
    shelf.entries, shelf.unread = {}, ("ann",)
    shelf.version += 1
    asyncio.run(ring.refresh())
    assert refused(asked(ring, secret)) == "unknown"
    assert refused(asked(ring, None)) == "missing"
    assert ("keys_unread", ("ann",)) in told.words
    assert not any(word[0] == "keys_restored" for word in told.words)


def test_a_good_key_in_either_header_beats_a_bad_one(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(good := minting.made(), "ann")
    shelf.put(bad := minting.made(), "bob", revoked=5.0)
    asyncio.run(ring.refresh())
    assert named(authenticated(ring, {"authorization": f"Bearer {bad}", "x-api-key": good})) == "ann"
    assert refused(authenticated(ring, {"authorization": f"Bearer {bad}", "x-api-key": "x"})) == "revoked"


def test_keys_are_found_by_name_while_they_are_good(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(minting.made(), "ann", team="ward")
    shelf.put(minting.made(), "bob", revoked=5.0)
    ring.adopt(snapshot(WITH_KEY))
    asyncio.run(ring.refresh())
    found = {name: ring.named(name) for name in ("ann", "bob", "filed", "nobody")}
    assert {name: caller.name for name, caller in found.items() if caller} == {"ann": "ann", "filed": "filed"}


def test_no_secret_stands_in_anything_that_can_be_shown(ring: Keyring, shelf: Shelf) -> None:
    shelf.put(secret := minting.made(), "ann")
    asyncio.run(ring.refresh())
    shown = repr((who(ring, secret), ring.entries, vars(ring), keys.unavailable()))
    assert secret not in shown
    assert isinstance(msgspec.json.encode(keys.unavailable().failure), bytes)
    assert isinstance(keys.unavailable().failure, ir.Failure)
