"""The Redis client of all adapters: pipelines, script batches, scans and blocking commands on a server or a cluster."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from redis.exceptions import NoScriptError

from service import settings
from service.adapters.redis.completeness import CompletenessMarks, key_in
from service.adapters.redis.connect.clients import RedisClients
from service.adapters.redis.connect.connection import ConnectionCheck
from service.adapters.redis.connect.server import CONNECTIONS, ServerClient
from service.adapters.redis.errors import unavailable
from service.adapters.redis.keys import Keys
from service.adapters.redis.script_batch import Arg, Command, Script, ScriptBatch

_SCAN_COUNT = 100
_PROBE_MS = 60_000
_GLOB_CHARACTERS = re.compile(r"([\[\]*?^\\-])")


class Store:
    """Redis under one key prefix. All methods raise Unavailable when Redis cannot be reached or refuses to serve.

    `guarded`: scripts of the ledger, the inboxes and the due set run only while Redis is marked complete, else they
    raise Unavailable. Every process that delivers must set it, because a Redis that is emptied during a batch has lost
    what was delivered.

    `connection_checks` are called for every new connection of every client of this store, before any other command uses
    it. Append to the list before the first command.
    """

    def __init__(self, redis: settings.RedisSettings, *, guarded: bool = False) -> None:
        self.keys = Keys(redis.prefix)
        self.cluster = redis.cluster
        self.completeness_marks = CompletenessMarks(self.keys.complete, redis.cluster)
        self.connection_checks: list[ConnectionCheck] = []
        self._guard = self.completeness_marks if guarded else None
        self._settings = redis
        self._clients = RedisClients(redis, self.connection_checks)
        self._connection_limit = asyncio.Semaphore(CONNECTIONS)
        self._running = 0
        self._progress_s = 0.0
        """When commands last ended, or began with none running (monotonic)."""
        self._unchecked: Store | None = None

    @property
    def unchecked(self) -> "Store":
        """The same Redis over connections without checks, and without a guard; closed with this store."""
        if not self.connection_checks and self._guard is None:
            return self
        if self._unchecked is None:
            self._unchecked = Store(self._settings)
        return self._unchecked

    async def run(self, *batches: ScriptBatch) -> list[list[Any]]:
        """Run all script batches in one pipeline; return for each the results in its batch's order.

        Calls on one server run in their order. The servers of a cluster work in parallel.
        """
        commands = [command for batch in batches for command in batch.commands(self._guard)]
        replies = iter(await self.pipeline(commands, *batches))
        return [batch.results(list(islice(replies, len(batch.calls)))) for batch in batches]

    async def pipeline(self, commands: Sequence[Command], *batches: ScriptBatch) -> list[Any]:
        """Return the replies to commands; raise the first error. `batches` have the scripts that the commands need."""
        return await self._run(commands, [batch.script for batch in batches])

    async def run_script(self, script: Script, key: str, *args: Arg) -> Any:
        """Run a script once, for one key; return its reply."""
        guard = self._guard if script.complete_only else None
        mark = guard.mark_for(key) if guard else None
        command = script.command((key,), args, cluster=self.cluster, mark=mark)
        return (await self._run((command,), (script,)))[0]

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
        with unavailable():
            try:
                async with asyncio.timeout(timeout_s):
                    reply = await self._clients.run_blocking(command)
            except TimeoutError:
                return None
            if isinstance(reply, Exception):
                raise reply
            return reply

    async def probe(self) -> None:
        """Write a key on every primary, over the connections that all commands use.

        Raise Unavailable where one takes no writes: a server that is read-only or loading still answers reads.
        """
        keys = [self.keys.probe]
        if self.cluster:
            with unavailable():
                slots = await self._clients.slots_of_primaries()
            keys = [key_in(slot, self.keys.probe) for slot in slots]
        await self.pipeline([("SET", key, 1, "PX", _PROBE_MS) for key in keys])

    def stalled_s(self) -> float:
        """Return for how long commands have been running without any that ended, in seconds.

        Every command has a timeout. Minutes mean that this process is at fault, and that a restart would help.
        """
        return time.monotonic() - self._progress_s if self._running else 0.0

    async def scan_keys(self, suffix: str) -> AsyncIterator[list[bytes]]:
        """Yield the keys under the prefix whose rest matches the glob `suffix`, up to some hundreds at a time.

        Reads the key names of the whole server, or of every primary of a cluster. A key may be yielded twice, and one
        that is written meanwhile may be missed.
        """
        pattern = _GLOB_CHARACTERS.sub(r"\\\1", self.keys.prefix) + suffix
        for server in (await self.primaries()).values():
            cursor = 0
            while True:
                with unavailable():
                    async with self._connection_limit:
                        command = ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
                        (reply,) = await server.run([command])
                    if isinstance(reply, Exception):
                        raise reply
                cursor, keys = int(reply[0]), reply[1]
                yield keys
                if not cursor:
                    break

    async def primaries(self) -> Mapping[str, ServerClient]:
        """Return the client of every primary by its address; the address of a single server is an empty string."""
        with unavailable():
            return await self._clients.primaries()

    async def close(self) -> None:
        """Close all connections."""
        await self._clients.close()
        if self._unchecked is not None:
            await self._unchecked.close()

    async def _run(self, commands: Sequence[Command], scripts: Iterable[Script]) -> list[Any]:
        if not commands:
            return []
        with unavailable():
            replies = await self._send(commands)
            if unknown := [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]:
                # a server that was restarted or promoted, or sees a script for the first time: the text goes with the
                # command, because a script that is loaded first may be loaded on one server and called on another
                texts = {sha: text for script in scripts for sha, text in script.texts.items()}
                again = await self._send([_with_text(commands[i], texts) for i in unknown])
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        if not self._running:
            self._progress_s = time.monotonic()
        self._running += 1
        try:
            async with self._connection_limit:
                return await self._clients.run(commands)
        finally:
            self._running -= 1
            self._progress_s = time.monotonic()


def _with_text(command: Command, texts: Mapping[Arg, str]) -> Command:
    """Return the call of a script with the script's text instead of its digest."""
    text = texts.get(command[1])
    return command if text is None else ("EVAL", text, *command[2:])
