"""What an operator asks of the supervisor beside a reload: a dry run, the history of configurations, a way back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec.structs import asdict

from proxy import interpreter
from proxy.control import Wish
from proxy.history import Entry, History
from proxy.keyed import built
from proxy.origin import Origin
from proxy.settings import ConfigError
from proxy.settings.masking import masked

BACKUP = ".before-rollback"
"""What the file's name ends in that a rollback has replaced."""
_SECONDS = 60.0
"""A dry run that takes longer is ended."""

Outcome: TypeAlias = dict[str, Any]


class Reload(Protocol):
    """The supervisor's: ``first`` runs right before the file is read."""

    def __call__(self, why: str, who: str | None, *, first: Callable[[], None]) -> Awaitable[Outcome]: ...


class Operating:
    """The supervisor's desk. Outcomes are plain values; ``ok`` says whether it was done, ``error`` why not, with its
    mend."""

    def __init__(self, origin: Origin, history: History, reload: Reload) -> None:
        self._origin = origin
        self._history = history
        self._reload = reload
        self._weighing = asyncio.Lock()

    async def grant(self, wish: Wish) -> Outcome:
        """One wish, whole."""
        try:
            match wish.what:
                case "dry_run":
                    return await self._dry_run(wish)
                case "history":
                    return {"ok": True, "data": await asyncio.to_thread(self._listed)}
                case "show":
                    return await asyncio.to_thread(self._shown, wish.entry)
                case "rollback":
                    return await self._rollback(wish)
        except ConfigError as error:
            problems = msgspec.to_builtins(error.problems)
            return {"ok": False, "error": str(error.problems[0]), "problems": problems}
        except OSError as error:
            return _not_done(f"{error.filename or self._history.folder}: {error.strerror or error}")

    async def _dry_run(self, wish: Wish) -> Outcome:
        """One at a time: each reads thousands of rows, in a process of its own."""
        text = wish.text
        if wish.entry is not None:
            entry, text = await asyncio.to_thread(self._kept, wish.entry)
            if text is None:
                return _no_text(wish.entry, entry)
        origin = self._origin
        whole = origin.look() if text is None else origin.whole(text)
        question = {"old": origin.text, "new": whole, "file": origin.name, "last": wish.last}
        async with self._weighing:
            return await _asked(question, origin.env)

    def _listed(self) -> list[Outcome]:
        return [_plain(entry, self._history) for entry in self._history.entries()]

    def _shown(self, number: int | None) -> Outcome:
        entry, text = self._kept(number)
        if entry is None:
            return _no_text(number, entry)
        told = _plain(entry, self._history)
        return {**told, "accepted": entry.ok, "ok": True, "text": None if text is None else masked(text)}

    def _kept(self, number: int | None) -> tuple[Entry | None, str | None]:
        entry = None if number is None else self._history.find(number)
        return entry, None if entry is None else self._history.text(entry)

    async def _rollback(self, wish: Wish) -> Outcome:
        path = self._origin.path
        if path is None:
            return _not_done("there is no file: the embedded defaults are in force, which have no history")
        entry, text = await asyncio.to_thread(self._kept, wish.entry)
        if text is None:
            return _no_text(wish.entry, entry)
        origin = self._origin
        # What was good then need not be now: a variable may be gone.
        await built(origin.whole(text), file=origin.name, generation=0, env=origin.env)
        target = path.resolve()
        try:
            outcome = await self._reload("rollback", wish.who, first=lambda: put_back(target, text))
            if not outcome["ok"]:
                # A worker could not build it after all: the file goes back to what is in force.
                target.with_name(target.name + BACKUP).replace(target)
        except OSError as error:
            mend = f"put the text of 'turnout config show {wish.entry} --raw' where the file is made, and reload"
            return _not_done(f"{path} cannot be written ({error.strerror}): {mend}")
        return {**outcome, "to": wish.entry, "former": f"{target.name}{BACKUP}"}


def put_back(target: Path, text: str) -> None:
    """Replace the file as a whole, and keep the former beside it. Raises OSError, with nothing changed."""
    new = target.with_name(f".{target.name}.rollback")
    try:
        new.touch(mode=0o600)
        new.write_text(text, "utf-8")
        if target.exists():
            shutil.copymode(target, new)
            shutil.copy2(target, target.with_name(target.name + BACKUP))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


async def _asked(question: Mapping[str, Any], env: Mapping[str, str]) -> Outcome:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *interpreter.words("proxy.dry_run"), stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True
    )
    try:
        async with asyncio.timeout(_SECONDS):
            told, wrong = await process.communicate(msgspec.json.encode(question))
    except TimeoutError:
        return _not_done(f"the dry run took longer than {_SECONDS:g} s: look at fewer decisions (--last)")
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        last = wrong.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word"]
        return _not_done(f"the dry run failed: {last[0]}")
    answer: Outcome = msgspec.json.decode(told)
    return answer


def _plain(entry: Entry, history: History) -> Outcome:
    found = asdict(entry)
    return {**found, "kept": entry.text_of is not None and (history.folder / f"{entry.text_of}.yaml").exists()}


def _no_text(number: int | None, entry: Entry | None) -> Outcome:
    if entry is None:
        return _not_done(f"there is no entry {number}: 'turnout config history' lists them", 404)
    return _not_done(f"entry {number} has no text: a refused file is not kept, nor are more than the newest", 404)


def _not_done(error: str, status: int = 409) -> Outcome:
    return {"ok": False, "error": error, "status": status}
