"""Three real brokers, each record on all of them; one may be killed, and leaders may move between them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

from service.dev.broker_config import KRaftNode
from service.dev.kafka import EmbeddedKafka, new_cluster_id
from service.dev.ports import free_port
from tests.support.wait import eventually

_BROKERS = 3
_TIMEOUT_MS = 10_000
_IN_SYNC_TIMEOUT_S = 90.0
_NO_ELECTION_NEEDED = 84


class EmbeddedKafkaCluster:
    """Three brokers on loopback, which are its controllers too: replication factor 3, of which 2 must be in sync."""

    replication, min_insync_replicas = _BROKERS, _BROKERS - 1

    def __init__(self, folder: Path) -> None:
        cluster, controllers = new_cluster_id(), [free_port() for _ in range(_BROKERS)]
        self.brokers = {
            n: EmbeddedKafka(folder / str(n), node=KRaftNode(n, cluster, controllers))
            for n in range(1, _BROKERS + 1)
        }
        self._stack = AsyncExitStack()

    @property
    def bootstrap(self) -> str:
        """Return the addresses of all brokers."""
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    async def __aenter__(self) -> Self:
        # At the same time: none answers before most of them run.
        starts = [asyncio.create_task(asyncio.to_thread(one.start)) for one in self.brokers.values()]
        for broker in self.brokers.values():
            self._stack.push_async_callback(asyncio.to_thread, broker.kill)
        try:
            await asyncio.gather(*starts)
            await eventually(self._is_complete)
        except BaseException:
            await asyncio.wait(starts)
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def leader(self, topic: str, partition: int = 0) -> int:
        """Return the broker that leads a partition; -1 when none does."""
        return int((await self.partitions([topic]))[topic][partition]["leader"])

    async def partitions(self, topics: Iterable[str]) -> Mapping[str, Sequence[Any]]:
        """Return the partitions of topics, in their order, as the brokers describe them."""
        described: list[Any] = []

        async def answered() -> bool:
            with suppress(KafkaError):  # it asks any broker, perhaps one that has just died
                async with self._admin() as admin:
                    described[:] = await admin.describe_topics(list(topics))
            return bool(described)

        await eventually(answered)
        return {one["topic"]: sorted(one["partitions"], key=lambda p: p["partition"]) for one in described}

    async def move_leaders(self, topics: Iterable[str]) -> None:
        """Let the next replica of each partition lead: a reassignment to the same brokers, and a preferred election."""
        before = await self.partitions(topics)
        rotated = {
            topic: [(p["partition"], [*p["replicas"][1:], p["replicas"][0]]) for p in partitions]
            for topic, partitions in before.items()
        }
        async with self._admin() as admin:
            reassignment = [
                (topic, [(n, replicas, {}) for n, replicas in rows], {}) for topic, rows in rotated.items()
            ]
            response = await admin._send_to_controller(
                AlterPartitionReassignmentsRequest(_TIMEOUT_MS, reassignment, {})
            )
            _raise_for(response.error_code, *(p[1] for _, rows, _ in response.responses for p in rows))
            election = [(topic, [n for n, _ in rows]) for topic, rows in rotated.items()]
            response = await admin._send_to_controller(_ElectLeadersRequest(election))
            _raise_for(*(p[1] for _, rows in response.results for p in rows))

        async def moved() -> bool:
            now = await self.partitions(rotated)
            return all(
                now[topic][n]["leader"] == replicas[0]
                for topic, rows in rotated.items()
                for n, replicas in rows
            )

        await eventually(moved)

    async def wait_until_in_sync(self) -> None:
        """Wait until every broker runs and has all records."""

        async def in_sync() -> bool:
            if not await self._is_complete():
                return False
            with suppress(KafkaError):
                async with self._admin() as admin:
                    described = await admin.describe_topics()
                return all(len(p["isr"]) == _BROKERS for one in described for p in one["partitions"])
            return False

        await eventually(in_sync, _IN_SYNC_TIMEOUT_S)

    async def _is_complete(self) -> bool:
        with suppress(KafkaError):
            async with self._admin() as admin:
                return len((await admin.describe_cluster())["brokers"]) == _BROKERS
        return False

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        client = AIOKafkaAdminClient(
            bootstrap_servers=[one.bootstrap for one in self.brokers.values() if one.pid is not None]
        )
        try:
            await client.start()
            yield client
        finally:
            await client.close()


def _raise_for(*codes: int) -> None:
    for code in codes:
        if code not in (0, _NO_ELECTION_NEEDED):
            raise for_code(code)


class _ElectLeadersResponseV0(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 43
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8"))),
                ),
            ),
        ),
    )


class _ElectLeadersRequestV0(RequestStruct):  # type: ignore[misc]
    API_KEY = 43
    API_VERSION = 0
    RESPONSE_TYPE = _ElectLeadersResponseV0
    SCHEMA = Schema(
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))), ("timeout_ms", Int32)
    )


class _ElectLeadersRequest(Request[_ElectLeadersRequestV0]):  # type: ignore[misc]
    """The request for the first replica of each partition to lead (KIP-460), which aiokafka does not have."""

    API_KEY = 43

    def __init__(self, topics: Sequence[tuple[str, Sequence[int]]]) -> None:
        self._topics = topics

    def build(self, version: type[Any]) -> Any:
        """Return the request in the only version that is known here."""
        return version(list(self._topics), _TIMEOUT_MS)
