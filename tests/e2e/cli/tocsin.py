"""The command line as a process of its own, with topics and keys of its own."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from service.adapters.redis.client import Store
from service.adapters.redis.tables.tables import RedisTables
from service.settings import KafkaSettings, RedisSettings, Settings

COMMAND = (sys.executable, "-c", "from service.cli import main; main()")


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Tocsin:
    """`kafka` is host:port, `redis` a URL; `more` is set in the environment beside them."""

    kafka: str
    redis: str
    more: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def prefix(self) -> str:
        """Before every topic of this instance."""
        return f"{self.name}."

    @property
    def environment(self) -> dict[str, str]:
        """What the process gets; nothing of Tocsin's from outside."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        return given | {
            "TOCSIN_KAFKA__BOOTSTRAP": self.kafka,
            "TOCSIN_KAFKA__PREFIX": self.prefix,
            "TOCSIN_KAFKA__EVENTS": json.dumps([f"{self.prefix}events"]),
            "TOCSIN_KAFKA__PARTITIONS": "3",
            "TOCSIN_REDIS__URL": self.redis,
            "TOCSIN_REDIS__PREFIX": f"{self.name}:",
            **self.more,
        }

    @property
    def settings(self) -> Settings:
        """The same, for looking at Kafka and Redis from the test."""
        kafka = KafkaSettings(
            bootstrap=self.kafka, prefix=self.prefix, events=(f"{self.prefix}events",), partitions=3
        )
        return Settings(kafka=kafka, redis=RedisSettings(url=self.redis, prefix=f"{self.name}:"))

    def run(self, *arguments: str, given: bytes = b"", timeout: float = 120, **more: str) -> Ended:
        """Run a verb to its end; `given` is its standard input."""
        ended = subprocess.run(
            [*COMMAND, *arguments],
            input=given,
            capture_output=True,
            timeout=timeout,
            env=self.environment | more,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def mark_complete(self) -> "Tocsin":
        """Say that Redis holds all there is, as `tocsin rebuild` and `tocsin dev` do."""

        async def mark() -> None:
            store = Store(self.settings.redis)
            try:
                await RedisTables(store).mark_complete()
            finally:
                await store.close()

        asyncio.run(mark())
        return self

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A verb that goes on; the caller ends it."""
        return subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment
        )


def last_words(process: "subprocess.Popen[bytes]") -> Sequence[str]:
    """The lines of stderr of a process that has ended."""
    assert process.stderr is not None
    return process.stderr.read().decode().splitlines()
