"""What a file of the right shape may still get wrong: names that lead nowhere, unsafe binds, impossible backends."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import SplitResult, urlsplit

from adapters import ir
from adapters.providers import PROVIDERS, Provider
from policies.data_classes import findings
from policies.data_classes.data_class import label_problems
from proxy.backends import FROM_CLIENT, is_local, is_public, sendable
from proxy.ledger import address
from proxy.settings.grammar import Alias, ClassHook, Document, Key
from proxy.settings.money import Budget
from proxy.settings.money_checks import money
from proxy.settings.shape import did_you_mean, mistakes
from proxy.settings.source import Mistake, Path
from proxy.settings.units import Secret
from proxy.settings.upstreams import BackendEntry
from proxy.tokens import choosing

Found = Iterable[Mistake]

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+)(:[0-9]{1,5})?")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "accept"}
)
_REDIS = ("redis://", "rediss://", "redis+sentinel://", "redis+cluster://")
_LEAST_HEAD = 4096
_HOOK_MOST = 5
"""Seconds."""
_DELAY_MOST = 600
"""Seconds."""
_NOT_SENDABLE = "no header can carry this: printable ASCII only, and no line break"
_ENDPOINTS = ("/chat/completions", "/responses", "/messages", "/completions", "/embeddings", "/models")


def check(document: Document, absent: Iterable[str], *, has_keys: bool) -> list[Mistake]:
    """Every mistake, each with its mend. ``absent``: backends that are left out because they have no credential.
    ``has_keys``: there are keys besides the file's, in the store."""
    missing = frozenset(absent)
    found = [item for each in _CHECKS for item in each(document)]
    found += _server(document, has_keys=has_keys or bool(document.keys))
    for name, entry in document.backends.items():
        found += [(("backends", name, *path), text) for path, text in _backend(entry, has_none=name in missing)]
    return found


def is_loopback(host: str) -> bool:
    """Is a bind to this host reachable from this machine only?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _server(document: Document, *, has_keys: bool) -> Found:
    server = document.server
    if not (is_loopback(server.host) or has_keys or server.open):
        yield (
            ("server", "host"),
            f"'{server.host}' is reachable from other machines and there is no key: make one with 'turnout keys "
            "create', add one under 'keys:', bind to 127.0.0.1, or set 'server.open: true' to serve everybody",
        )
    if server.drain_delay > _DELAY_MOST:
        yield ("server", "drain_delay"), f"nothing would stop it for so long: write at most {_DELAY_MOST // 60}m"


def _clients(document: Document) -> Found:
    """What our own side waits for and takes: none of it may shut everybody out."""
    for name in ("head", "body", "idle", "write"):
        if getattr(document.timeouts, name) <= 0:
            yield ("timeouts", name), "every connection would be closed at once: write 10s, or 'never'"
    if document.server.max_head < _LEAST_HEAD:
        yield (
            ("server", "max_head"),
            f"the headers of usual clients need more: write {_LEAST_HEAD} or more, such as 64KiB",
        )


def _stores(document: Document) -> Found:
    url = document.state.redis
    if url is not None and not url.startswith(_REDIS):
        yield ("state", "redis"), "not the address of a Redis: write redis://host:6379/0"
    wrong = address.problem(document.ledger.url)
    if wrong is not None:
        yield ("ledger", "url"), wrong
    shared: dict[Path, bool] = {
        ("state", "redis"): url is not None,
        ("ledger", "url"): address.is_postgres(document.ledger.url),
    }
    for path, used in shared.items():
        if used and document.server.secret is None:
            yield path, "machines that share a store must share a secret: set 'server.secret'"


def _media(document: Document) -> Found:
    for index, host in enumerate(document.media.allow):
        if not _HOST.fullmatch(host):
            yield ("media", "allow", index), f"'{host}' is not a host: write 'files.internal' or 'files.internal:8080'"


def _classifier(document: Document) -> Found:
    rules = document.classifier
    if rules.header is not None and not _HEADER.fullmatch(rules.header):
        yield ("classifier", "header"), f"'{rules.header}' is not the name of a header: write 'x-task-class'"
    if rules.hook is not None:
        yield from ((("classifier", "hook", *place), text) for place, text in _hook(rules.hook))
    found = rules.calibration
    if found is not None and found.simple_below > found.complex_from:
        place: Path = ("classifier", "calibration", "simple_below")
        yield place, "is over complex_from: run 'turnout calibrate --write' again, or change one"


def _hook(hook: ClassHook) -> Found:
    url = _web(hook.url)
    if url is None:
        yield ("url",), "not a URL: write http://127.0.0.1:9000/class"
    elif url.username is not None or url.password is not None:
        yield ("url",), "a secret stands in the URL: move it to 'headers'"
    elif is_public(hook.url):
        yield ("url",), "prompts of every data class are sent there: it must be in your own network"
    if not 0 < hook.timeout <= _HOOK_MOST:
        yield ("timeout",), f"every call waits for it: write more than 0s and at most {_HOOK_MOST}s"
    yield from ((("headers", *place), text) for place, text in _sent(hook.headers))


def _sent(headers: Mapping[str, Secret]) -> Found:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OUR_HEADERS:
            yield (name,), "not a header that can be set here: remove it"
        elif not sendable(value.reveal()):
            yield (name,), _NOT_SENDABLE


def _telemetry(document: Document) -> Found:
    if document.telemetry.otlp:
        url = _web(document.telemetry.otlp)
        if url is None:
            yield ("telemetry", "otlp"), "not a URL: write http://collector:4318"
        elif url.username is not None or url.password is not None:
            yield ("telemetry", "otlp"), "a secret stands in the URL: move it to OTEL_EXPORTER_OTLP_HEADERS"


def _pools(document: Document) -> Found:
    for name, members in document.pools.items():
        if name in document.backends:
            yield ("pools", name), f"'{name}' is a backend, too: pools and backends share their names, rename one"
        if not members:
            yield ("pools", name), "the pool is empty: name its backends or remove it"
        for index, member in enumerate(members):
            if member not in document.backends:
                yield ("pools", name, index), f"no backend '{member}': {did_you_mean(member, document.backends)}"


def _roles(document: Document) -> Found:
    known = {*document.backends, *document.pools}
    for role, target in document.roles.items():
        if target not in known:
            yield ("roles", role), f"no backend or pool '{target}': {did_you_mean(target, known)}"


def _aliases(document: Document) -> Found:
    for name, alias in document.aliases.items():
        text = _alias(name, alias)
        if text:
            yield ("aliases", name), text


def _alias(name: str, alias: Alias) -> str | None:
    if (alias.policy is None) == (alias.use is None):
        return "an alias has either 'policy' or 'use': write one of them"
    if name.startswith("backend/"):
        return "names that begin with 'backend/' pin a backend: choose another"
    return "'use' is empty: name backends, pools or roles" if alias.use == () else None


def _teams(document: Document) -> Found:
    known = {*document.aliases, "default"}
    for name, team in document.teams.items():
        for alias in team.policy:
            if alias not in known:
                yield ("teams", name, "policy", alias), f"no alias '{alias}': {did_you_mean(alias, known)}"


def _data_classes(document: Document) -> Found:
    rules = document.data_classes
    yield from ((("data_classes", *path), text) for path, text in findings.problems(rules.detect, rules.patterns))
    given: list[tuple[Path, str | None]] = [(("teams", name), team.data_class) for name, team in document.teams.items()]
    given += [(("keys", index), key.data_class) for index, key in enumerate(document.keys)]
    for path, label in given:
        if label is not None:
            yield from label_problems(label, (*path, "data_class"))


def _keys(document: Document) -> Found:
    names: set[str] = set()
    hashes: dict[str, str] = {}
    for index, key in enumerate(document.keys):
        path: Path = ("keys", index)
        digest = _digest(key)
        if digest in hashes:
            yield path, f"it has the same secret as '{hashes[digest]}': nobody could tell who asks"
        elif digest is not None:
            hashes[digest] = key.name
        if key.name in names:
            yield (*path, "name"), f"a second key is named '{key.name}': names are unique"
        names.add(key.name)
        if key.team is not None and key.team not in document.teams:
            yield (*path, "team"), f"no team '{key.team}': {did_you_mean(key.team, document.teams)}"
        if key.expires is not None and not _is_moment(key.expires):
            yield (*path, "expires"), f"'{key.expires}' is no day: write 2027-01-01 or 2027-01-01T12:00:00Z"
        if _sources(key) != 1:
            yield path, "a key has exactly one of 'secret_file', 'sha256' and 'secret': write one of them"


def _tenants(document: Document) -> Found:
    """Whoever has no team is a tenant by his own name (D15): one that others have in another sense would give them his
    stored turns."""
    known = dict.fromkeys(document.teams, "a team")
    for index, key in enumerate(document.keys):
        if key.team is not None:
            continue
        word, what = ("name", "a key") if key.owner is None else ("owner", "an owner")
        other = known.setdefault(key.owner or key.name, what)
        if other != what:
            mend = "name one of them otherwise, or add 'team'"
            yield ("keys", index, word), f"{other} is named '{key.owner or key.name}', too: {mend}"


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _budgets(document: Document) -> Found:
    # Late: most files have no budget, and the module is heavy.
    from zoneinfo import available_timezones

    given: list[tuple[Path, Budget | None]] = [(("teams", name), team.budget) for name, team in document.teams.items()]
    given += [(("keys", index), key.budget) for index, key in enumerate(document.keys)]
    for path, budget in given:
        if budget is not None and budget.timezone not in available_timezones():
            near = did_you_mean(budget.timezone, available_timezones())
            yield (*path, "budget", "timezone"), f"no time zone '{budget.timezone}': {near}"


def _digest(key: Key) -> str | None:
    if key.sha256 is not None:
        return key.sha256.lower()
    return None if key.secret is None else sha256(key.secret.reveal().encode()).hexdigest()


def _sources(key: Key) -> int:
    return sum(source is not None for source in (key.sha256, key.secret, key.secret_file))


_CHECKS: tuple[Callable[[Document], Found], ...] = (
    _clients, _stores, _telemetry, _media, _classifier, _pools, _roles, _aliases, _teams, _keys, _tenants, _budgets,
    _data_classes, money,
)  # fmt: skip


# --- one backend ---------------------------------------------------------------------------------------------------


def _backend(entry: BackendEntry, *, has_none: bool) -> Found:
    row = PROVIDERS.get(entry.provider)
    if row is None:
        yield ("provider",), f"no provider '{entry.provider}': {did_you_mean(entry.provider, PROVIDERS)}"
        return
    yield from _url(entry, row)
    yield from _where(entry, row)
    spoken = {*row.speaks, *row.may_speak}
    if entry.dialect is not None and entry.dialect not in spoken:
        yield ("dialect",), f"{entry.provider} does not speak '{entry.dialect}': {did_you_mean(entry.dialect, spoken)}"
    if row.key_env and entry.base_url is None and entry.credential is None and not has_none:
        yield (), f"{entry.provider} wants a credential: add 'credential: \"${{{row.key_env}}}\"' or '{FROM_CLIENT}'"
    for path, text in mistakes(ir.Capabilities, dict(entry.capabilities)):
        yield ("capabilities", *path), text
    yield from ((("headers", *place), text) for place, text in _sent(entry.headers))
    if entry.credential is not None and not sendable(entry.credential.reveal()):
        yield ("credential",), _NOT_SENDABLE
    if entry.limits is not None and (wrong := _quotas(entry)) is not None:
        yield ("limits",), wrong
    if (wrong := _gauges(entry, row)) is not None:
        yield ("metrics",), wrong
    if (wrong := choosing.problem(entry, row)) is not None:
        yield ("tokenizer",), wrong


def _quotas(entry: BackendEntry) -> str | None:
    """What is wrong with its vendor's quotas."""
    if entry.credential is not None and entry.credential.reveal() == FROM_CLIENT:
        return "the vendor counts by each caller's own key, and so not by one number: remove it"
    given = entry.limits
    if given is None or all(each is None for each in (given.rpm, given.tpm, given.input_tpm, given.output_tpm)):
        return "it limits nothing: write {rpm: 1000} (or tpm, input_tpm, output_tpm), or remove it"
    return None


def _gauges(entry: BackendEntry, row: Provider) -> str | None:
    """What is wrong with where its gauges are."""
    if entry.metrics in {"auto", "off"}:
        return None
    if "@" in entry.metrics:
        return "a secret stands in the URL: remove it"
    if _web(entry.metrics) is None:
        return f"'{entry.metrics}' is no place: write auto, off or http://127.0.0.1:8000/metrics"
    if not is_local(entry, row):
        return "only local engines are asked how busy they are: remove it, or set 'local: true' where that is so"
    if is_public(entry.metrics) and entry.local_public is None:
        return "the address may be public: write one in your own network, or add 'local_public: confirm'"
    return None if row.gauges else f"{entry.provider} has no gauges that we know: remove it"


def _url(entry: BackendEntry, row: Provider) -> Found:
    if entry.base_url is None:
        if row.base_url is None:
            yield (), f"'base_url' is missing: {entry.provider} can be anywhere, say where"
        return
    url = _web(entry.base_url)
    if url is None:
        yield ("base_url",), "not a URL: write https://host/v1"
    elif url.username is not None or url.password is not None:
        yield ("base_url",), "a secret stands in the URL: move it to 'credential'"
    elif url.query or url.fragment:
        yield ("base_url",), "a base URL ends with its path: remove what follows '?' or '#'"
    elif url.path.rstrip("/").endswith(_ENDPOINTS):
        yield ("base_url",), f"a base URL ends before the endpoint: remove '{url.path[url.path.rindex('/', 0, -1) :]}'"


def _web(text: str) -> SplitResult | None:
    """The parts of an http(s) URL; None for anything else."""
    try:
        url = urlsplit(text)
        return url if url.scheme in {"http", "https"} and url.hostname and url.port != 0 else None
    except ValueError:
        return None


def _where(entry: BackendEntry, row: Provider) -> Found:
    url = entry.base_url or row.base_url or ""
    if entry.local and entry.local_public is None and is_public(url):
        yield (
            ("local",),
            "the address may be public, and 'local: true' lets restricted data go there: remove it, or add "
            "'local_public: confirm'",
        )
