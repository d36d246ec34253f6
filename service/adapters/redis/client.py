"""The Redis client of all adapters: pipelines, script batches, scans and blocking commands on a server or a cluster."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, ResponseError

from service import settings
from service.adapters.redis.completeness import CompletenessMarks
from service.adapters.redis.connect import CONNECTIONS, connect, connect_blocking
from service.adapters.redis.errors import unavailable
from service.adapters.redis.keys import Keys
from service.adapters.redis.script_batch import Arg, Command, Script, ScriptBatch

_SCAN_COUNT = 100
_GLOB_CHARACTERS = re.compile(r"([\[\]*?^\\-])")


class Store:
    """Redis under one key prefix. All methods raise Unavailable when Redis cannot be reached or refuses to serve.

    `guarded`: scripts of the ledger, the inboxes and the due set run only while Redis is marked complete, else they
    raise Unavailable. Every process that delivers must set it, because a Redis that is emptied during a batch has lost
    what was delivered.
    """

    def __init__(self, redis: settings.RedisSettings, *, guarded: bool = False) -> None:
        self.keys = Keys(redis.prefix)
        self.cluster = redis.cluster
        self.completeness_marks = CompletenessMarks(self.keys.complete, redis.cluster)
        self._guard = self.completeness_marks if guarded else None
        self._settings = redis
        self._client = connect(redis)
        self._blocking_client: Redis | RedisCluster | None = None
        self._connection_limit = asyncio.Semaphore(CONNECTIONS)

    async def run(self, *batches: ScriptBatch) -> list[list[Any]]:
        """Run all script batches in one pipeline; return for each the results in its batch's order.

        Calls on one server run in their order. The servers of a cluster work in parallel.
        """
        commands = [command for batch in batches for command in batch.commands(self._guard)]
        replies = iter(await self.pipeline(commands, *batches))
        return [batch.results(list(islice(replies, len(batch.calls)))) for batch in batches]

    async def pipeline(self, commands: Sequence[Command], *batches: ScriptBatch) -> list[Any]:
        """Return the replies to commands; raise the first error. `batches` have the scripts that the commands need."""
        if not commands:
            return []
        with unavailable():
            replies = await self._send(commands)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if (
                unknown
            ):  # a server that was restarted, or saw a script for the first time: load them, then repeat
                scripts = (s for batch in batches for s in (batch.script, batch.script.guarded) if s)
                await self._load({script.sha: script for script in scripts})
                again = await self._send([commands[i] for i in unknown])
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    async def run_script(self, script: Script, key: str, *args: Arg) -> Any:
        """Run a script once, for one key; return its reply."""
        batch = ScriptBatch(script, self.cluster)
        batch.add_key(key, (0,)).args += args
        return (await self.pipeline(batch.commands(self._guard), batch))[0]

    async def fetch(
        self, keys: Sequence[str], *commands: Command, batches: Sequence[ScriptBatch] = ()
    ) -> tuple[list[bytes | None], list[Any]]:
        """Return the strings at these keys, and the replies to these commands, in one pipeline.

        `batches` have the scripts that the commands need.
        """
        if self.cluster:
            replies = await self.pipeline([*(("GET", key) for key in keys), *commands], *batches)
            return replies[: len(keys)], replies[len(keys) :]
        replies = await self.pipeline([("MGET", *keys), *commands] if keys else commands, *batches)
        return (replies[0], replies[1:]) if keys else ([], replies)

    async def run_blocking(self, timeout_s: float, *command: Arg) -> Any:
        """Return the reply to a command that blocks on the server, on its own connection; None after the timeout."""
        if self._blocking_client is None:
            self._blocking_client = connect_blocking(self._settings)
        with unavailable():
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._blocking_client.execute_command(*command)
            except TimeoutError:
                return None

    async def scan_keys(self, suffix: str) -> AsyncIterator[list[bytes]]:
        """Yield the keys under the prefix whose rest matches the glob `suffix`, up to some hundreds at a time.

        Reads the key names of the whole server, or of every primary of a cluster. A key may be yielded twice, and one
        that is written meanwhile may be missed.
        """
        pattern = _GLOB_CHARACTERS.sub(r"\\\1", self.keys.prefix) + suffix
        nodes: list[Any] = [None]
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            nodes = list(self._client.get_primaries())
        for node in nodes:
            cursor, target = 0, {} if node is None else {"target_nodes": node}
            while True:
                with unavailable():
                    async with self._connection_limit:
                        reply = await self._client.execute_command(
                            "SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT, **target
                        )
                cursor, keys = _scan_reply(reply)
                yield keys
                if not cursor:
                    break

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        if self._blocking_client is not None:
            await self._blocking_client.aclose()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        async with self._connection_limit:
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
        async with self._connection_limit:
            for script in scripts.values():
                await self._client.execute_command("SCRIPT LOAD", script.text, **self._all_servers())

    def _all_servers(self) -> dict[str, Any]:
        return {"target_nodes": RedisCluster.PRIMARIES} if self.cluster else {}


def _scan_reply(reply: Any) -> tuple[int, list[bytes]]:
    """Return the cursor and the keys; a cluster's client returns a cursor for each server."""
    cursor, keys = reply
    return (next(iter(cursor.values())) if isinstance(cursor, dict) else int(cursor)), keys
