"""The client of a cluster: each command goes to the server that holds its key, wherever that is at the moment.

redis-py's own client loses its way in the very moments that matter. A pipeline to a dead primary never looks for its
successor; `ASKING` and its command may take different connections; one lost connection closes all others under their
users; requests before the first answer go to any server. This client keeps the rules of `connection`, as all others do.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from redis import exceptions as redis
from redis.crc import key_slot
from redis.utils import str_if_bytes

from service.adapters.redis.connect.connection import ConnectionCheck, ConnectionRules
from service.adapters.redis.connect.server import ServerClient
from service.adapters.redis.connect.url import Address, RedisUrl
from service.adapters.redis.errors import NotUsable
from service.ports import Unavailable

_SLOTS = 16_384
_ATTEMPTS = 6
_TIMEOUTS = 2
"""For which no further attempt begins: each may wait for a server that does not answer."""
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_OTHER_ANSWERS_S = 0.2
"""How long further answers about the slots are awaited after the first: a server that is down must not delay it."""

Topology = Mapping[int, Address]
"""The primary of each slot that has one."""
_Ranges = tuple[tuple[int, int, Address], ...]


class ClusterClient:
    """Commands to the servers that hold their keys. Connects at its first command.

    `url` names servers to begin with; those that it learns of are remembered. Commands are repeated, on the server that
    holds their keys by then, when a connection is lost or a slot has moved: writes must be idempotent.
    """

    def __init__(self, url: RedisUrl, checks: list[ConnectionCheck], timeout_s: float) -> None:
        self._arguments = url.arguments
        self._seeds = list(url.servers)
        self._checks = checks
        self._timeout_s = timeout_s
        self._clients: dict[Address, ServerClient] = {}
        self._known: list[Address] = []
        self._topology: dict[int, Address] = {}
        self._version = 0
        self._lock = asyncio.Lock()

    async def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the replies to commands; an error reply is a ResponseError in its place.

        Commands on one server run in their order, the servers work in parallel. Raise redis-py's other errors.
        """
        replies: list[Any] = [None] * len(commands)
        slots = [_slot_of(command) for command in commands]
        pending: Sequence[int] = range(len(commands))
        loop = asyncio.get_running_loop()
        end_s = loop.time() + _TIMEOUTS * self._timeout_s
        for attempt in range(1, _ATTEMPTS + 1):
            if not self._topology:
                await self._learn(0)
            version = self._version
            groups: dict[Address | None, list[int]] = defaultdict(list)
            for i in pending:
                groups[self._topology.get(slots[i])].append(i)
            runs = (self._run_on(server, group, commands, replies) for server, group in groups.items())
            for result in await asyncio.gather(*runs, return_exceptions=True):
                if result is not None:
                    raise result
            pending = [i for i in pending if isinstance(replies[i], Exception) and _may_pass(replies[i])]
            if not pending or attempt == _ATTEMPTS or loop.time() > end_s:
                break
            if not self._follow([replies[i] for i in pending], attempt):
                await asyncio.sleep(_pause_s(attempt))
                await self._learn(version)
        for i in pending:
            if not isinstance(replies[i], redis.ResponseError):
                raise replies[i]
        return replies

    async def primaries(self) -> Mapping[str, ServerClient]:
        """Return the primaries by address, as they are now. Raise NotUsable when a slot has none."""
        await self._learn(self._version)
        if len(self._topology) < _SLOTS:
            raise NotUsable("cluster_down")
        return {f"{host}:{port}": self._client((host, port)) for host, port in set(self._topology.values())}

    async def slots_of_primaries(self) -> Sequence[int]:
        """Return one slot of each primary, as last known."""
        if not self._topology:
            await self._learn(self._version)
        return list({server: slot for slot, server in self._topology.items()}.values())

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()

    async def _run_on(
        self, server: Address | None, group: Sequence[int], commands: Sequence[Any], replies: list[Any]
    ) -> None:
        """Run a group of commands on one server; put their replies, or the error of all of them, in their places."""
        try:
            if server is None:
                raise NotUsable("cluster_down")
            results = await self._client(server).run([commands[i] for i in group])
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            results = [error] * len(group)
        for i, result in zip(group, results, strict=True):
            replies[i] = result
        redirected: dict[Address, list[int]] = defaultdict(list)
        for i in group:
            if type(replies[i]) is redis.AskError:
                redirected[_target(replies[i], server)].append(i)
        for target, part in redirected.items():
            try:
                # in one pipeline, and so on one connection: ASKING holds for the next command on its connection
                pairs = [one for i in part for one in (("ASKING",), commands[i])]
                results = (await self._client(target).run(pairs))[1::2]
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                results = [error] * len(part)
            for i, result in zip(part, results, strict=True):
                replies[i] = result

    def _follow(self, errors: Sequence[Exception], attempt: int) -> bool:
        """Note the servers that MOVED replies name; return whether that is all there is to do before a retry."""
        for error in errors:
            if type(error) is redis.MovedError:
                self._topology[error.slot_id] = _target(error, self._topology.get(error.slot_id))
        return attempt == 1 and all(type(error) is redis.MovedError for error in errors)

    async def _learn(self, version: int) -> None:
        """Ask for the slots, unless that was done since `version`. Raise NotUsable where no server answers."""
        async with self._lock:
            if self._version != version:
                return
            answers = await self._answers()
            # The answer that most servers give: one that is cut off from the others has an old one.
            ranges = Counter(answers).most_common(1)[0][0]
            self._topology = {
                slot: server for first, last, server in ranges for slot in range(first, last + 1)
            }
            self._version += 1
            for gone in self._clients.keys() - {*self._known, *self._topology.values()}:
                await self._clients.pop(gone).close()

    async def _answers(self) -> list[_Ranges]:
        """Return what the servers that we know say about the slots."""
        servers = list(dict.fromkeys([*random.sample(self._known, len(self._known)), *self._seeds]))
        pending = {asyncio.create_task(self._slots_by(server)) for server in servers}
        answers: list[tuple[_Ranges, set[Address]]] = []
        errors: list[Exception] = []
        try:
            while pending:
                timeout_s = _OTHER_ANSWERS_S if answers else None
                done, pending = await asyncio.wait(
                    pending, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                for task in done:
                    try:
                        answers.append(task.result())
                    except (
                        redis.RedisError,
                        OSError,
                        Unavailable,
                    ) as error:  # a check may refuse one of them
                        errors.append(error)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if not answers:
            if refusal := next((one for one in errors if isinstance(one, Unavailable)), None):
                raise refusal
            raise NotUsable("cluster_unreachable") from errors[0]
        self._known = sorted(set().union(*(known for _, known in answers)))
        return [ranges for ranges, _ in answers]

    async def _slots_by(self, server: Address) -> tuple[_Ranges, set[Address]]:
        """Return the slots with their primaries, and all servers, as one server knows them."""
        (reply,) = await self._client(server).run([("CLUSTER", "SLOTS")])
        if isinstance(reply, Exception):
            raise reply
        ranges, known = list[tuple[int, int, Address]](), set[Address]()
        for first, last, *nodes in reply:
            addresses = [_address_of(node, server) for node in nodes]
            known.update(addresses)
            ranges.append((int(first), int(last), addresses[0]))
        return tuple(sorted(ranges)), known

    def _client(self, server: Address) -> ServerClient:
        client = self._clients.get(server)
        if client is None:
            host, port = server
            rules = ConnectionRules(primary_only=False, checks=self._checks)
            arguments = {**self._arguments, "host": host, "port": port}
            client = self._clients[server] = ServerClient(arguments, rules, self._timeout_s, retries=1)
        return client


def _slot_of(command: Sequence[Any]) -> int:
    """Return the slot of a command's first key; any slot for a script without keys."""
    key = command[1]
    if command[0] in ("EVAL", "EVALSHA"):
        if not int(command[2]):
            return random.randrange(_SLOTS)
        key = command[3]
    return key_slot(key.encode() if isinstance(key, str) else key)


def _may_pass(error: Exception) -> bool:
    """Return whether an error may pass when the command is repeated, or sent to another server."""
    moving = (redis.AskError, redis.TryAgainError, redis.ClusterDownError)  # MovedError is an AskError
    return isinstance(error, moving) or not isinstance(error, redis.ResponseError)


def _target(error: redis.AskError, server: Address | None) -> Address:
    """Return the server that MOVED or ASK names."""
    return _host(error.host, server[0] if server else ""), int(error.port)


def _address_of(node: Sequence[Any], server: Address) -> Address:
    """Return the address in a reply of CLUSTER SLOTS."""
    return _host(str_if_bytes(node[0]) if node[0] else "", server[0]), int(node[1])


def _host(named: str, replied: str) -> str:
    """Return the host that a server names; that of the server which replied where it names none.

    It says `?` where it is set to name hosts (`cluster-preferred-endpoint-type`), and has no name.
    """
    return replied if named in ("", "?") else named


def _pause_s(attempt: int) -> float:
    longest_s: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
    return longest_s * random.uniform(0.5, 1.0)
