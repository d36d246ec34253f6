"""The address of the current primary, by the sentinels that watch it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis import exceptions as redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.utils import str_if_bytes

from service.adapters.redis.connect.connection import ConnectionRules
from service.adapters.redis.connect.server import ServerClient
from service.adapters.redis.connect.url import Address
from service.adapters.redis.errors import NotUsable

_REMEMBERED_S = 0.2
"""For connections that are made together one answer is enough."""
_LAST_ANSWERS_S = 0.2
"""How long answers are awaited after a majority has come: a sentinel that is down must not delay every connection."""


class Sentinels:
    """Asks all sentinels at once and believes the newest of a majority: one that was cut off has an old address.

    `address` is the last answer. Where the sentinels are down it stays: they are needed for a fail-over only.
    """

    def __init__(
        self, servers: Sequence[Address], service: str, arguments: Mapping[str, Any], timeout_s: float
    ) -> None:
        self.address: Address | None = None
        self._service = service
        rules = ConnectionRules(primary_only=False, ask_role=False)
        self._clients = [
            ServerClient({**arguments, "host": host, "port": port}, rules, timeout_s, retries=1)
            for host, port in servers
        ]
        self._asking: asyncio.Task[Address] | None = None
        self._asked_s = 0.0

    async def locate(self) -> Address:
        """Return host and port of the primary. Raise NotUsable where no sentinel knows one."""
        return await asyncio.shield(self._ask_again())

    def refresh(self) -> None:
        """Ask in the background."""
        self._ask_again()

    async def close(self) -> None:
        """Close all connections."""
        if self._asking is not None:
            self._asking.cancel()
        for client in self._clients:
            await client.close()

    def _ask_again(self) -> "asyncio.Task[Address]":
        """Return the question to the sentinels; one that was asked a moment ago is not repeated."""
        now_s = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now_s - self._asked_s > _REMEMBERED_S):
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(_note)
            self._asked_s = now_s
        return self._asking

    async def _ask(self) -> Address:
        pending = {asyncio.create_task(self._answer(client)) for client in self._clients}
        majority, answers = len(pending) // 2 + 1, list[tuple[int, Address]]()
        try:
            while pending:
                enough = len(answers) >= majority
                done, pending = await asyncio.wait(
                    pending,
                    timeout=_LAST_ANSWERS_S if enough else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    break
                answers += [answer for task in done if (answer := task.result()) is not None]
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if not answers:
            raise NotUsable("no_primary")
        self.address = max(answers)[1]
        return self.address

    async def _answer(self, client: ServerClient) -> tuple[int, Address] | None:
        """Return the epoch of a sentinel's configuration, and the primary's address; None without an answer."""
        try:
            (reply,) = await client.run([("SENTINEL", "MASTER", self._service)])
        except (redis.RedisError, OSError):
            return None
        if isinstance(reply, Exception):  # it does not know the service, or refuses our credentials
            return None
        fields = {str_if_bytes(name): str_if_bytes(value) for name, value in _pairs(reply)}
        return int(fields.get("config-epoch", "0")), (fields["ip"], int(fields["port"]))


def _note(task: "asyncio.Task[Address]") -> None:
    """Take note of an error that no connection waits for."""
    if not task.cancelled():
        task.exception()


def _pairs(reply: Any) -> Sequence[tuple[Any, Any]]:
    """Return the fields of a reply, which is a map in RESP3 and a flat list in RESP2."""
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))


def sentinel_arguments(arguments: Mapping[str, Any], username: str, password: str) -> Mapping[str, Any]:
    """Return the arguments of connections to sentinels: TLS as that of the servers, and credentials of their own."""
    kept = {name: value for name, value in arguments.items() if name.startswith(("ssl_", "socket_"))}
    credentials = {"username": username or None, "password": password or None} if password else {}
    tls = arguments.get("connection_class") is SSLConnection
    return {**kept, **credentials, "connection_class": SSLConnection if tls else Connection}
