"""Runs batches against Redis: one script call for up to 100 items, several calls in one pipeline."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from itertools import islice
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import NoScriptError, ResponseError

from service import settings
from service.adapters.redis.completeness import CompletenessMarks
from service.adapters.redis.connect import CONNECTIONS, connect, connect_waiting
from service.adapters.redis.errors import unavailable
from service.adapters.redis.keys import Keys

CHUNK = 100
"""Items a script call. The server answers nobody else meanwhile, and keeps all writes until the end: of 500 items each
cost it half as much again."""

Arg = str | bytes | int
Command = tuple[Arg, ...]
_SCRIPTS = Path(__file__).parent / "scripts"


class Script:
    """Lua from `scripts/`; several names are joined, so that scripts can share functions.

    `complete_only`: it has a second form, which refuses to run while Redis is not marked complete.
    """

    __slots__ = ("guarded", "sha", "text")

    def __init__(self, *names: str, complete_only: bool = False) -> None:
        self.text = "\n".join((_SCRIPTS / f"{name}.lua").read_text() for name in names)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.guarded: Script | None = Script("complete", *names) if complete_only else None


@dataclass(slots=True)
class Call:
    """One run of a script: its keys, its arguments, and which items of the batch its answers belong to."""

    keys: list[str] = field(default_factory=list)
    args: list[Arg] = field(default_factory=list)
    items: list[int] = field(default_factory=list)


class Plan:
    """Spreads the items of a batch over calls: at most 100 items a call, and on a cluster one slot a call.

    A script gets `fixed` first, then for each of its keys what the caller put into `args`. It answers with
    one flat list that has one element an item.
    """

    __slots__ = ("_cluster", "_fixed", "_open", "calls", "script")

    def __init__(self, script: Script, cluster: bool, fixed: Sequence[Arg] = ()) -> None:
        self.script = script
        self.calls: list[Call] = []
        self._cluster = cluster
        self._fixed = fixed
        self._open: dict[int, Call] = {}

    def place(self, key: str, items: Sequence[int]) -> Call:
        """The call that handles these items of this key; it still needs their arguments."""
        slot = key_slot(key.encode()) if self._cluster else 0
        call = self._open.get(slot)
        if call is None or len(call.items) + len(items) > CHUNK or len(call.keys) == CHUNK:
            call = self._open[slot] = Call(args=[*self._fixed])
            self.calls.append(call)
        call.keys.append(key)
        call.items += items
        return call

    def commands(self, marks: CompletenessMarks | None = None) -> list[Command]:
        """The calls as Redis commands; with `marks`, those of a script that wants it look at their mark first."""
        if marks is not None and (guarded := self.script.guarded) is not None:
            return [
                (
                    "EVALSHA",
                    guarded.sha,
                    len(call.keys) + 1,
                    marks.beside(call.keys[0]),
                    *call.keys,
                    *call.args,
                )
                for call in self.calls
            ]
        sha = self.script.sha
        return [("EVALSHA", sha, len(call.keys), *call.keys, *call.args) for call in self.calls]

    def answers(self, replies: Sequence[Any]) -> list[Any]:
        """The answer to each item, in the batch's order."""
        if len(self.calls) == 1 and (items := self.calls[0].items) == list(range(len(items))):
            return list(replies[0])
        found: list[Any] = [None] * sum(len(call.items) for call in self.calls)
        for call, reply in zip(self.calls, replies, strict=True):
            for item, answer in zip(call.items, reply, strict=True):
                found[item] = answer
        return found


def chunks(items: Sequence[int]) -> Sequence[Sequence[int]]:
    """The items of one key in parts that fit a call."""
    if len(items) <= CHUNK:
        return (items,)
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


class Store:
    """Redis with our keys. All methods raise Unavailable when it is away.

    `guarded`: ledger, inboxes and due set can be used only while Redis is marked complete; else Unavailable. Whatever
    delivers must have it, because a Redis that is emptied in the middle of a batch remembers no delivery.
    """

    def __init__(self, redis: settings.RedisSettings, *, guarded: bool = False) -> None:
        self.keys = Keys(redis.prefix)
        self.cluster = redis.cluster
        self.marks = CompletenessMarks(self.keys.complete, redis.cluster)
        self._guard = self.marks if guarded else None
        self._settings = redis
        self._client = connect(redis)
        self._waiting: Redis | RedisCluster | None = None
        self._gate = asyncio.Semaphore(CONNECTIONS)

    async def run(self, *plans: Plan) -> list[list[Any]]:
        """Run all plans in one pipeline; for each the answers in its batch's order.

        Calls on one server run in the order given. A cluster's servers work side by side.
        """
        replies = iter(await self.pipeline([c for plan in plans for c in plan.commands(self._guard)], *plans))
        return [plan.answers(list(islice(replies, len(plan.calls)))) for plan in plans]

    async def pipeline(self, commands: Sequence[Command], *plans: Plan) -> list[Any]:
        """Their replies; the first error is raised. `plans` say which scripts the commands may need."""
        if not commands:
            return []
        with unavailable():
            replies = await self._send(commands)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                scripts = (s for plan in plans for s in (plan.script, plan.script.guarded) if s)
                await self._load({script.sha: script for script in scripts})
                again = await self._send([commands[i] for i in unknown])
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    async def script(self, script: Script, key: str, *args: Arg) -> Any:
        """One run for one key."""
        plan = Plan(script, self.cluster)
        plan.place(key, (0,)).args += args
        return (await self.pipeline(plan.commands(self._guard), plan))[0]

    async def fetch(
        self, keys: Sequence[str], *commands: Command, plans: Sequence[Plan] = ()
    ) -> tuple[list[bytes | None], list[Any]]:
        """The strings at these keys, and the replies to these commands, in one pipeline.

        `plans` say which scripts the commands may need.
        """
        if self.cluster:
            replies = await self.pipeline([*(("GET", key) for key in keys), *commands], *plans)
            return replies[: len(keys)], replies[len(keys) :]
        replies = await self.pipeline([("MGET", *keys), *commands] if keys else commands, *plans)
        return (replies[0], replies[1:]) if keys else ([], replies)

    async def wait(self, timeout_s: float, *command: Arg) -> Any:
        """The reply to a command that blocks on the server, on its own connection; None after the timeout."""
        if self._waiting is None:
            self._waiting = connect_waiting(self._settings)
        with unavailable():
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._waiting.execute_command(*command)
            except TimeoutError:
                return None

    async def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Keys that match, some hundreds at a time; one may come twice."""
        nodes: list[Any] = [None]
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            nodes = list(self._client.get_primaries())
        for node in nodes:
            cursor, where = 0, {} if node is None else {"target_nodes": node}
            while True:
                with unavailable():
                    async with self._gate:
                        reply = await self._client.execute_command(
                            "SCAN", cursor, "MATCH", pattern, "COUNT", CHUNK, **where
                        )
                cursor, keys = _scanned(reply)
                yield keys
                if not cursor:
                    break

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        if self._waiting is not None:
            await self._waiting.aclose()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        async with self._gate:
            if len(commands) == 1:  # cheaper than a pipeline
                try:
                    return [await self._client.execute_command(*commands[0])]
                except ResponseError as error:
                    return [error]
            pipe = self._client.pipeline() if self.cluster else self._client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def _load(self, scripts: dict[str, Script]) -> None:
        async with self._gate:
            for script in scripts.values():
                await self._client.execute_command("SCRIPT LOAD", script.text, **self._everywhere())

    def _everywhere(self) -> dict[str, Any]:
        return {"target_nodes": RedisCluster.PRIMARIES} if self.cluster else {}


def _scanned(reply: Any) -> tuple[int, list[bytes]]:
    """The cursor and the keys; a cluster's client gives a cursor for each server it asked."""
    cursor, keys = reply
    return (next(iter(cursor.values())) if isinstance(cursor, dict) else int(cursor)), keys
