"""The servers of all sides, one real Kafka, one real Valkey and one mail sink; and the processes of each side."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from bench import cases
from bench.cases import Case
from bench.outcomes import OutcomeLog
from bench.peers.modes import LEDGER, MODES
from bench.sides import LeanPeer, LedgerPeer, Processes, Side, Tocsin
from bench.sink import Sink
from bench.warm import warm
from service.bootstrap.parts import bootstrap
from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings, Settings
from streams.kafka.connection import KafkaConnection
from streams.topics.apply import apply as apply_topics


class Stack:
    """The servers, started and filled with rows by `async with`."""

    def __init__(self, directory: Path, partitions: int) -> None:
        self._directory = directory
        self._partitions = partitions
        self._kafka = EmbeddedKafka(directory / "kafka", progress=print)
        self._valkey = EmbeddedValkey(directory / "valkey")
        self._sink: Sink | None = None

    async def __aenter__(self) -> Self:
        print("starting Kafka, Valkey and the mail sink ...")
        self._kafka.start()
        self._valkey.start()
        self.sink.wait()
        self.redis = Redis.from_url(self._valkey.url)
        await apply_topics(KafkaConnection(self.bootstrap), partitions=self._partitions)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        names = [topic for mode in MODES.values() for topic in mode.topics]
        await admin.create_topics([NewTopic(name, self._partitions, 1) for name in names])
        await admin.close()
        settings = Settings(
            kafka=KafkaSettings(bootstrap=self.bootstrap), redis=RedisSettings(url=self._valkey.url)
        )
        parts = bootstrap(settings)
        await cases.seed(parts)
        await parts.store.close()
        print("warming the broker up ...", flush=True)
        await warm(self.bootstrap)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.redis.aclose()
        self.sink.stop()
        self._valkey.stop()
        self._kafka.stop()

    @property
    def sink(self) -> Sink:
        """Return the mail sink."""
        if self._sink is None:
            self._sink = Sink(self._directory)
        return self._sink

    @property
    def bootstrap(self) -> str:
        """Return the address of Kafka."""
        return self._kafka.bootstrap

    @property
    def redis_url(self) -> str:
        """Return the URL of Redis."""
        return self._valkey.url

    @property
    def pids(self) -> dict[str, int]:
        """Return the process ids of the servers, by name."""
        pids = {"kafka": self._kafka.pid, "valkey": self._valkey.pid, "sink": self.sink.pid}
        return {name: pid for name, pid in pids.items() if pid is not None}

    @asynccontextmanager
    async def tocsin(
        self,
        case: Case,
        stages: Sequence[str],
        profile: Path | None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncIterator[Tocsin]:
        """Run Tocsin's workers, one for each list of stages. `settings`: further ones, by their variables."""
        processes = Processes()
        env = {
            "TOCSIN_KAFKA__BOOTSTRAP": self.bootstrap,
            "TOCSIN_KAFKA__PARTITIONS": str(self._partitions),
            "TOCSIN_REDIS__URL": self._valkey.url,
            "TOCSIN_SMTP__PORT": str(self.sink.port),
            "TOCSIN_SMTP__HOST": "127.0.0.1",
            "TOCSIN_LOG_LEVEL": "WARNING",
            **settings,
        }
        try:
            for number, names in enumerate(stages):
                listed = '["' + '","'.join(names.split(",")) + '"]'
                arguments = ["bench.worker"]
                if profile:
                    arguments += ["--profile", str(profile / f"{case.name}-{number}.txt")]
                log = self._directory / f"worker{number}.log"
                processes.start(names, arguments, {**env, "TOCSIN_WORKER__STAGES": listed}, log)
            async with OutcomeLog(self.bootstrap, "dispatch.outcomes", self._partitions) as outcomes:
                yield Tocsin(case, self.redis, self.sink, processes, outcomes)
        finally:
            await asyncio.to_thread(processes.stop)

    @asynccontextmanager
    async def peer(self, case: Case, count: int, mode: str) -> AsyncIterator[Side]:
        """Run `count` processes of the peer, each with all its subscribers, so that its load spreads evenly."""
        processes = Processes()
        servers = [self.bootstrap, self._valkey.url, str(self.sink.port)]
        arguments = ["bench.peers", mode, *servers, str(self._partitions)]
        try:
            for number in range(1, count + 1):
                log = self._directory / f"{mode}{number}.log"
                processes.start(f"{mode} {number}", arguments, {}, log)
            if mode == "ledger":
                async with OutcomeLog(self.bootstrap, LEDGER.outcomes, self._partitions) as outcomes:
                    yield LedgerPeer(case, self.redis, self.sink, processes, outcomes)
            else:
                yield LeanPeer(mode, case, self.redis, self.sink, processes)
        finally:
            await asyncio.to_thread(processes.stop)
