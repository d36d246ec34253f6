"""Connections that are dropped when they show that their server is not a usable primary, or not the one any more.

A fail-over may leave every connection open: the old primary is a replica now and answers `READONLY` for ever, or
answers reads from data that no longer change. Hence three rules, which hold for all clients of a process:

1. A new connection asks for the server's role, and is refused by a replica.
2. At most a second later the next command on it carries the question again, ahead of itself in the same packet. Where
   there are sentinels, they are asked too: for some seconds an old primary does not know that it is none any more.
3. A reply that shows that the server cannot be used closes the connection, and so does an error of the network. The
   connections that are as old or older are closed before they are used again, instead of failing one by one.

redis-py makes a connection and logs in; commands and replies then go past its streams (`replies.py`). The client
repeats the commands of a connection that was lost on a new one: commands must be idempotent.
"""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import hiredis
from redis import exceptions as redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.utils import str_if_bytes

from service.adapters.redis.connect.replies import Replies
from service.adapters.redis.errors import NotUsable, unavailable_reason

CHECK_INTERVAL_S = 1.0
"""Between two questions for the server's role on one connection in use."""
MOST_AGE_S = 60.0
"""After it a connection is replaced: a name may lead to another server, while the old one still answers."""

_ROLE_QUESTION = "INFO replication"
_UNUSABLE = {"read_only", "loading"}
"""Reasons of replies after which the commands are repeated at once, on a new connection."""
_SUSPECT = {"too_few_replicas", "disk_write_failed"}
"""Reasons of replies after which the next command takes a new connection: the primary may be another server by now."""
_OF_NODES = {"cluster_down", "slots_moving"}
"""Reasons that are usual on a cluster, and on a single server show that the address leads to the wrong one."""


@dataclass(frozen=True, slots=True)
class Replication:
    """A server's part in its replication: the section `replication` of INFO.

    `replication_id` and `offset` say which history of writes the server holds, and how far. The id changes when a
    replica is promoted, when a primary's first replica comes, and when it has had none for an hour
    (`repl-backlog-ttl`).
    """

    role: str
    replication_id: str
    offset: int

    @classmethod
    def parse(cls, reply: Any) -> "Self | None":
        """Return the reply to `INFO replication`; None when it has no role, as that of some proxies."""
        rows = (row.partition(":") for row in str_if_bytes(reply).split("\r\n"))
        fields = {name: value for name, _, value in rows}
        if "role" not in fields:
            return None
        offset = fields.get("master_repl_offset", "")
        return cls(fields["role"], fields.get("master_replid", ""), int(offset) if offset.isdigit() else 0)


ConnectionCheck = Callable[[AbstractConnection, Replication | None], Awaitable[None]]
"""A check of a new connection, before any other command uses it. It may send commands on the connection.

`Replication` is None where the server does not tell (access rules, proxies). Raise NotUsable to have another connection
made, Unavailable to fail the command that needed the connection; the connection is closed after any exception.
"""


class Locator(Protocol):
    """Finds the primary's host and port."""

    address: tuple[str, int] | None
    """As last known. A connection to another address is replaced."""

    async def locate(self) -> tuple[str, int]:
        """Return the address for a new connection. Raise NotUsable where it cannot be found."""

    def refresh(self) -> None:
        """Look again in the background; `address` has the result."""


@dataclass(eq=False, slots=True)
class ConnectionRules:
    """The rules of all connections to one server, or to one address that leads to the current primary.

    `checks` are called for each new connection, in order; the list may grow until the first connection. `locator` finds
    the primary; without it host and port are fixed. `outdated_s` is a monotonic time: connections that were made until
    then are dropped. `ask_role` is for servers, not for sentinels.
    """

    primary_only: bool = True
    ask_role: bool = True
    checks: list[ConnectionCheck] = field(default_factory=list)
    locator: "Locator | None" = None
    outdated_s: float = 0.0


class _Checked(AbstractConnection):
    """A connection with these rules, which sends all commands of a pipeline at once."""

    def __init__(self, *, rules: ConnectionRules, **kwargs: Any) -> None:
        self._rules = rules
        self._replication: Replication | None = None
        self._made_s = 0.0
        self._replace_s = 0.0
        self._next_check_s = 0.0
        self._replies: Replies
        super().__init__(**kwargs)

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return one command as RESP; the first argument may be two words."""
        return [packed(args)]

    async def _connect(self) -> None:
        if self._rules.locator is not None:
            self.host, self.port = await self._rules.locator.locate()
        await super()._connect()  # type: ignore[no-untyped-call, safe-super]  # the classes below have it

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Log in, then check the server. Raise what a check raises, NotUsable for a replica."""
        now_s = time.monotonic()
        self._made_s = now_s
        self._replace_s = now_s + MOST_AGE_S * random.uniform(0.8, 1.2)
        await super().on_connect_check_health(check_health=check_health)
        try:
            self._replication = await self._ask_role() if self._rules.ask_role else None
            if self._rules.primary_only:
                _require_primary(self._replication)
            for check in self._rules.checks:
                await check(self, self._replication)
        except BaseException:
            await self.disconnect(nowait=True)
            raise
        self._next_check_s = now_s + CHECK_INTERVAL_S
        assert self._writer is not None
        transport: Any = self._writer.transport
        self._replies = Replies(transport.get_protocol(), self._parser.parse_error)
        transport.set_protocol(self._replies)

    async def exchange(self, commands: bytes, number: int) -> list[Any]:
        """Send so many commands; return their replies, an error reply as a ResponseError in its place.

        Each reply is awaited for `socket_timeout`, if there is one. A connection that is outdated, or closed, is made
        again first. Raise OSError or redis-py's other errors, and NotUsable where a reply or the role shows that the
        server cannot be used; the connection is closed then.
        """
        now_s = time.monotonic()
        if self.is_connected and self._is_outdated(now_s):
            await self.disconnect(nowait=True)
        if not self.is_connected:
            await self.connect_check_health(check_health=False, retry_socket_connect=False)
        asks_role = now_s >= self._next_check_s and self._begin_check(now_s)
        try:
            return await self._exchange(asks_role, commands, number)
        except (redis.RedisError, OSError):
            self._drop_older()
            await self.disconnect(nowait=True)
            raise
        except BaseException:  # replies that nothing waits for must not be those of the next command
            await self.disconnect(nowait=True)
            raise

    async def _exchange(self, asks_role: bool, commands: bytes, number: int) -> list[Any]:
        assert self._writer is not None
        self._writer.write(_PACKED_QUESTION + commands if asks_role else commands)
        replies = await self._replies.receive(number + asks_role, self.socket_timeout)
        for reply in replies:
            if isinstance(reply, redis.ConnectionError):  # the server is loading, or wants a password
                raise reply
            if isinstance(reply, redis.ResponseError):
                self._check_error(reply)
        if asks_role:
            self._check_role(replies.pop(0))
        return replies

    def _is_outdated(self, now_s: float) -> bool:
        """Return whether the connection must be made again before its next command."""
        return (
            self._made_s <= self._rules.outdated_s
            or now_s >= self._replace_s
            or self._is_elsewhere(self._rules.locator)
            or (self._reader is not None and self._reader.at_eof())
        )

    def _begin_check(self, now_s: float) -> bool:
        """Begin the check that is due; return whether the next command carries the question for the role."""
        self._next_check_s = now_s + CHECK_INTERVAL_S
        if self._rules.locator is not None:
            self._rules.locator.refresh()
        return self._replication is not None

    def _is_elsewhere(self, locator: Locator | None) -> bool:
        """Return whether the primary is known to be elsewhere."""
        return locator is not None and locator.address not in (None, (self.host, self.port))

    async def _ask_role(self) -> Replication | None:
        await self.send_command(_ROLE_QUESTION, check_health=False)
        try:
            return Replication.parse(await super().read_response())
        except (
            redis.ResponseError
        ):  # forbidden, or a proxy that does not know INFO: the replies to commands decide
            return None

    def _check_role(self, reply: Any) -> None:
        """Raise NotUsable where the answer to the question shows another role, or another history."""
        if isinstance(reply, redis.ResponseError):  # busy with a script: the reply to the command says so too
            return
        replication = Replication.parse(reply)
        if self._rules.primary_only:
            _require_primary(replication)
        # Another history: the server was a replica meanwhile, so what was acknowledged may be gone. A new connection
        # is checked as all new ones are.
        if (
            replication
            and self._replication
            and replication.replication_id != self._replication.replication_id
        ):
            raise NotUsable("read_only")

    def _check_error(self, error: redis.ResponseError) -> None:
        """Raise NotUsable for the reply of a server that cannot be used; after a suspect one, connect again."""
        reason = unavailable_reason(error) or ""
        if reason in (_UNUSABLE | _OF_NODES if self._rules.primary_only else _UNUSABLE):
            raise NotUsable(reason) from error
        if reason in _SUSPECT:
            self._drop_older()

    def _drop_older(self) -> None:
        """Have this connection, and those that are as old, made again before their next command."""
        self._rules.outdated_s = max(self._rules.outdated_s, self._made_s)


def _require_primary(replication: Replication | None) -> None:
    if replication is not None and replication.role != "master":
        raise NotUsable("read_only")


def packed(command: Sequence[Any]) -> bytes:
    """Return a command as RESP; its first argument may be two words."""
    if " " in command[0]:
        command = (*command[0].split(), *command[1:])
    text: bytes = hiredis.pack_command(tuple(command))
    return text


_PACKED_QUESTION = packed((_ROLE_QUESTION,))


class CheckedConnection(_Checked, Connection):
    """A connection over TCP."""


class CheckedTlsConnection(_Checked, SSLConnection):
    """A connection over TLS."""


class CheckedUnixConnection(_Checked, UnixDomainSocketConnection):
    """A connection over a Unix socket."""


CHECKED: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: CheckedConnection,
    SSLConnection: CheckedTlsConnection,
    UnixDomainSocketConnection: CheckedUnixConnection,
}
"""The class with the rules for each class of redis-py."""
