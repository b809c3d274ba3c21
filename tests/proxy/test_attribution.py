"""For whom a call is, below its key: what is read, what is kept of it, and what it costs those who send nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import strict
from policies.verdict import Caller
from proxy import ids
from proxy.apis import APIS
from proxy.attribution import MOST, NOBODY, TAG, Attribution, of
from proxy.call import Call
from proxy.sealing import Seals
from proxy.settings.units import Secret, Secrets
from proxy.snapshot import Snapshot, build_text

BACKENDS = 'backends: {oss: {provider: vllm, model: m, base_url: "http://127.0.0.1:9/v1"}}\n'
SNAPSHOTS: dict[str, Snapshot] = {
    users: build_text(
        f"{BACKENDS}ledger: {{users: {users}, attribution: [feature, team]}}\n", file="p", generation=1, env={}
    )
    for users in ("hashed", "plain", "off")
}
SEALS = Seals(Secrets([Secret("of-the-operator")]), Path())


def call(
    *,
    users: str = "hashed",
    api: str = "chat",
    headers: dict[str, str] | None = None,
    tenant: str = "t",
    tags: tuple[str, ...] = (),
    **body: Any,
) -> Call:
    made = Call(
        id=ids.uuid7(), api=next(each for each in APIS.values() if each.name == api), headers=headers or {}, peer=None,
        snapshot=SNAPSHOTS[users], started=0.0, started_at=0, caller=Caller(name=tenant, tags=tags),
    )  # fmt: skip
    made.top = strict.fields(msgspec.json.encode({"model": "auto", **body}))
    made.hashed = lambda told: SEALS.name(tenant, told)
    return made


def read(**words: Any) -> Attribution:
    return of(call(**words))


def tags(found: Attribution) -> dict[str, str]:
    return {} if found.tags is None else dict(msgspec.json.decode(found.tags))


class TestUser:
    def test_it_is_hashed_unless_the_operator_says_otherwise(self) -> None:
        found = read(user="ann@x.org").user
        assert found is not None
        assert (len(found), set(found) <= set("0123456789abcdef")) == (16, True)
        assert read(user="ann@x.org", users="plain").user == "ann@x.org"
        assert read(user="ann@x.org", users="off").user is None

    def test_one_person_is_one_value_under_either_name(self) -> None:
        by = [read(user="ann"), read(safety_identifier="ann"), read(safety_identifier="ann", user="bob"),
              read(api="messages", metadata={"user_id": "ann"}), read(api="responses", user="ann"),
              read(api="embeddings", user="ann")]  # fmt: skip
        assert len({found.user for found in by}) == 1
        assert read(user="bob").user != by[0].user

    def test_a_person_is_another_one_in_another_tenant(self) -> None:
        assert read(user="ann", tenant="a").user != read(user="ann", tenant="b").user

    @pytest.mark.parametrize("value", ["", None, 5, ["ann"], {"a": 1}, True])
    def test_what_is_no_name_is_nobody(self, value: Any) -> None:
        assert read(user=value).user is None
        assert read(api="messages", metadata={"user_id": value}).user is None
        assert read(api="messages", metadata=value).user is None

    def test_metadata_names_a_user_for_messages_alone(self) -> None:
        assert read(metadata={"user_id": "ann"}).user is None

    def test_a_plain_one_is_bounded_printable_and_no_key(self) -> None:
        found = read(user="a\nb\0" + "x" * 500, users="plain").user
        assert found is not None
        assert found.isprintable()
        assert len(found) == 128
        assert read(user="sk-proj-0123456789abcdef", users="plain").user == "[key]"
        assert read(user="x" * 70_000, users="plain").user is None

    @pytest.mark.parametrize(
        "forms",
        [
            ("user_abc_account_1-2_session_{}", "user_abc_account_1-2_session_{}"),
            ('{{"device_id":"d","account_uuid":"u","session_id":"{}"}}',) * 2,
            ('{{"device_id":"d","account_uuid":"","session_id":"{}"}}',) * 2,
        ],
    )
    def test_claude_codes_sessions_are_of_one_person(self, forms: tuple[str, str]) -> None:
        one, other = (
            read(api="messages", metadata={"user_id": form.format(name)})
            for form, name in zip(forms, "12", strict=True)
        )
        assert one.user == other.user is not None
        assert one.session != other.session
        assert None not in (one.session, other.session)


class TestSession:
    def test_a_thread_goes_by_the_name_that_stickiness_uses(self) -> None:
        by_header = read(headers={"x-turnout-session": "s-1"}).session
        assert by_header == read(prompt_cache_key="s-1").session
        assert by_header == read(headers={"x-turnout-session": "s-1"}, prompt_cache_key="other").session
        assert by_header == read(headers={"x-claude-code-session-id": "s-1"}).session
        assert read(prompt_cache_key=5).session is None
        assert read(prompt_cache_key="").session is None

    def test_it_is_hashed_whatever_becomes_of_users(self) -> None:
        found = read(prompt_cache_key="secret-thread", users="plain").session
        assert found is not None
        assert len(found) == 16

    def test_a_user_and_a_session_of_one_name_are_not_the_same(self) -> None:
        found = read(user="x", prompt_cache_key="x")
        assert found.user != found.session


class TestTags:
    @pytest.mark.parametrize(
        ("header", "kept", "dropped"),
        [
            ("feature=search", {"feature": "search"}, 0),
            (" feature = search , team=blue,", {"feature": "search", "team": "blue"}, 0),
            ("urgent", {"tag": "urgent"}, 0),
            ("urgent, beta", {"tag": "urgent"}, 1),
            ("a=b=c", {"a": "b=c"}, 0),
            ("a=1, a=1", {"a": "1"}, 0),
            ("a=1, a=2", {"a": "1"}, 1),
            ("=x, a=, sp ace=1, ümlaut=1", {}, 4),
            (f"{'n' * 65}=1, {'n' * 64}=1", {"n" * 64: "1"}, 1),
            (f"a={'x' * 500}", {"a": "x" * 128}, 0),
            ("a=sk-proj-0123456789abcdef", {"a": "[key]"}, 0),
            ("a=b\x01c", {"a": "b?c"}, 0),
            ("a=caf\xc3\xa9", {"a": "café"}, 0),
            ("a=caf\xe9", {"a": "café"}, 0),
            (",,,", {}, 0),
            ("", {}, 0),
        ],
    )
    def test_of_the_header(self, header: str, kept: dict[str, str], dropped: int) -> None:
        found = read(headers={TAG: header})
        assert (tags(found), found.dropped) == (kept, dropped)

    def test_there_are_so_many_and_no_more(self) -> None:
        found = read(headers={TAG: ",".join(f"t{number}=1" for number in range(25))})
        assert (len(tags(found)), found.dropped) == (MOST, 15)

    def test_of_metadata_only_what_the_operator_named(self) -> None:
        found = read(metadata={"feature": "search", "password": "hunter2", "team": 5})
        assert tags(found) == {"feature": "search", "team": "5"}
        assert tags(read(metadata={"feature": True, "team": 1.5})) == {"feature": "true", "team": "1.5"}

    @pytest.mark.parametrize("value", [None, ["x"], {"y": 1}, ""])
    def test_what_is_no_value_is_dropped_and_counted(self, value: Any) -> None:
        found = read(metadata={"feature": value})
        assert (found.tags, found.dropped) == (None, 1)

    def test_the_project_of_openais_clients_is_a_tag(self) -> None:
        assert tags(read(headers={"openai-project": "proj_abc"})) == {"project": "proj_abc"}
        told = {"openai-project": "proj_abc", TAG: "project=mine"}
        assert tags(read(headers=told)) == {"project": "mine"}

    def test_a_keys_own_pairs_stand_first_and_cannot_be_overridden(self) -> None:
        found = read(tags=("intern", "cost_center=42"), headers={TAG: "cost_center=7, feature=x"})
        assert (tags(found), found.dropped) == ({"cost_center": "42", "feature": "x"}, 1)
        assert read(tags=("intern",)).tags is None

    def test_the_header_counts_before_metadata(self) -> None:
        assert tags(read(headers={TAG: "feature=a"}, metadata={"feature": "b"})) == {"feature": "a"}

    def test_metadata_that_is_huge_is_not_looked_into(self) -> None:
        assert read(metadata={"feature": "x", "rest": "y" * 70_000}) == Attribution()

    def test_they_are_written_in_one_order(self) -> None:
        one, other = (read(headers={TAG: told}) for told in ("b=2, a=1", "a=1, b=2"))
        assert one.tags == other.tags == '{"a":"1","b":"2"}'


@given(
    header=st.text(st.characters(max_codepoint=255)),
    metadata=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["feature", "team", "user_id"]), inner)
        ),
    ),
    user=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_nothing_that_clients_send_breaks_it(header: str, metadata: Any, user: str | None) -> None:
    found = read(api="messages", users="plain", headers={TAG: header}, metadata=metadata, user=user)
    kept = tags(found)
    assert len(kept) <= MOST
    assert all(value and value.isprintable() and len(value) <= 128 for value in kept.values())
    assert found.user is None or found.user.isprintable()
    assert found == read(api="messages", users="plain", headers={TAG: header}, metadata=metadata, user=user)


def test_it_is_found_out_once() -> None:
    made = call(user="ann")
    first = of(made)
    made.top = {}
    assert of(made) is first


def test_whoever_sends_nothing_pays_next_to_nothing() -> None:
    plain = call(headers={f"h{number}": "x" for number in range(12)}, messages=[], stream=True, temperature=1)
    assert of(plain) is NOBODY
    best = 1.0
    for _ in range(50):
        began = time.perf_counter()
        for _ in range(100):
            plain.attribution = None
            of(plain)
        best = min(best, (time.perf_counter() - began) / 100)
    assert best < 3e-6
