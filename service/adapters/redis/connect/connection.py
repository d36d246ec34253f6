"""Connections that are dropped when they show that their server is not a usable primary, or not the one any more.

A fail-over may leave every connection open: the old primary is a replica now and answers `READONLY` for ever, or
answers reads from data that no longer change. Hence three rules, which hold for all clients of a process:

1. A new connection asks for the server's role, and is refused by a replica.
2. At most a second later the next command on it carries the question again, ahead of itself in the same packet. Where
   there are sentinels, they are asked too: for some seconds an old primary does not know that it is none any more.
3. A reply that shows that the server cannot be used closes the connection, and so does an error of the network. The
   connections that are as old or older are closed before they are used again, instead of failing one by one.

redis-py repeats the commands of a connection that it lost on a new one: commands must be idempotent.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import hiredis
from redis import exceptions as redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.utils import str_if_bytes

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
    """The rules, and commands packed in C: a tenth of the time for the long argument lists of a batch."""

    def __init__(self, *, rules: ConnectionRules, **kwargs: Any) -> None:
        self._rules = rules
        self._replication: Replication | None = None
        self._in_use = False
        """False while the connection is not made, and while it is checked."""
        self._made_s = 0.0
        self._replace_s = 0.0
        self._next_check_s = 0.0
        self._role_pending = False
        super().__init__(**kwargs)

    async def exchange(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands in one packet; return their replies, an error reply as a ResponseError in its place.

        Raise redis-py's other errors. What has arrived with the reply that was waited for is taken at once: waiting for
        each reply by itself costs three times as much.
        """
        await self.send_packed_command([hiredis.pack_command(_words(command)) for command in commands])
        parser: Any = self._parser
        replies: list[Any] = []
        for _ in commands:
            # the first by `read_response`, which knows whether the answer to the question for the role comes before it
            reply = parser._reader.gets() if replies else NOT_ENOUGH_DATA
            if reply is NOT_ENOUGH_DATA:
                try:
                    reply = await self.read_response()
                except redis.ResponseError as error:
                    reply = error
            elif isinstance(reply, redis.RedisError):
                await self._drop(reply)
                if not isinstance(reply, redis.ResponseError):
                    raise reply
            replies.append(reply)
        return replies

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return one command as RESP; the first argument may be two words."""
        return [hiredis.pack_command(_words(args))]

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
        self._in_use = True

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the connection; it is made again when it is next used."""
        self._in_use = self._role_pending = False
        await super().disconnect(*args, **kwargs)

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send commands. A connection that is outdated is made again first; one that is due carries the question."""
        if self._in_use:
            now_s, locator = time.monotonic(), self._rules.locator
            if (
                self._made_s <= self._rules.outdated_s
                or now_s >= self._replace_s
                or self._is_elsewhere(locator)
            ):
                await self.disconnect(nowait=True)
            elif now_s >= self._next_check_s:
                self._next_check_s = now_s + CHECK_INTERVAL_S
                if locator is not None:
                    locator.refresh()
                if self._replication is not None and not self._role_pending:
                    self._role_pending = True
                    command = [*self.pack_command(_ROLE_QUESTION), *_parts(command)]
        await super().send_packed_command(command, check_health=check_health)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next reply; raise NotUsable when it, or the role, shows that the server cannot be used."""
        in_use = self._in_use  # before redis-py closes the connection on an error
        try:
            if self._role_pending:
                self._role_pending = False
                await self._read_role()
            return await super().read_response(*args, **kwargs)
        except redis.RedisError as error:
            if in_use:
                await self._drop(error)
            raise

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

    async def _read_role(self) -> None:
        """Read the answer to the question that the last command carried."""
        try:
            replication = Replication.parse(await super().read_response())
        except redis.ResponseError:  # busy with a script: the reply to the command says so too
            return
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

    async def _drop(self, error: redis.RedisError) -> None:
        """Drop the connection, and all that are as old, where the error is the server's or the network's."""
        reason = unavailable_reason(error) or ""
        unusable = _UNUSABLE | _OF_NODES if self._rules.primary_only else _UNUSABLE
        if isinstance(error, redis.ResponseError) and reason not in unusable | _SUSPECT:
            return
        self._rules.outdated_s = max(self._rules.outdated_s, self._made_s)
        if reason in _SUSPECT:
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            return
        await self.disconnect(nowait=True)
        if reason in unusable and not isinstance(error, NotUsable):
            raise NotUsable(reason) from error


def _require_primary(replication: Replication | None) -> None:
    if replication is not None and replication.role != "master":
        raise NotUsable("read_only")


def _words(command: Sequence[Any]) -> tuple[Any, ...]:
    """Return a command, whose name may be two words, as Redis wants it."""
    return (*command[0].split(), *command[1:]) if " " in command[0] else tuple(command)


def _parts(command: bytes | str | Iterable[bytes]) -> Iterable[bytes]:
    """Return the packed commands as redis-py writes them."""
    if isinstance(command, str):
        return [command.encode()]
    return [command] if isinstance(command, bytes) else command


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
