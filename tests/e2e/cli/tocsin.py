"""The command line as a process, with prefixes of its own for topics and keys."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from service.adapters.redis.client import Store
from service.settings import KafkaSettings, RedisSettings, Settings
from tests.support.completeness import mark_complete
from tests.support.environment import inherited_environment

# A shell that starts the tests in the background makes them ignore Ctrl-C, and so their children.
_HEED_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = (sys.executable, "-c", f"{_HEED_CTRL_C}; from service.cli import main; main()")


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Return the documents that `--json` printed."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Tocsin:
    """A Tocsin to run commands on. `kafka`: host:port; `redis`: a URL; `variables`: added to the environment.

    `command`: the program of commands that run to their end.
    """

    kafka: str
    redis: str
    variables: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: uuid4().hex[:8])
    command: Sequence[str] = COMMAND

    @property
    def prefix(self) -> str:
        """Return the prefix of the topics."""
        return f"{self.name}."

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a process, without TOCSIN_* variables of the test run."""
        return inherited_environment() | {
            "TOCSIN_KAFKA__BOOTSTRAP": self.kafka,
            "TOCSIN_KAFKA__PREFIX": self.prefix,
            "TOCSIN_KAFKA__EVENTS": json.dumps([f"{self.prefix}events"]),
            "TOCSIN_KAFKA__PARTITIONS": "3",
            "TOCSIN_REDIS__URL": self.redis,
            "TOCSIN_REDIS__PREFIX": f"{self.name}:",
            **self.variables,
        }

    @property
    def settings(self) -> Settings:
        """Return the same settings for the test itself to read Kafka and Redis."""
        kafka = KafkaSettings(
            bootstrap=self.kafka, prefix=self.prefix, events=(f"{self.prefix}events",), partitions=3
        )
        return Settings(kafka=kafka, redis=RedisSettings(url=self.redis, prefix=f"{self.name}:"))

    def run(
        self, *arguments: str, stdin: bytes = b"", timeout_s: float = 120, **variables: str
    ) -> CommandResult:
        """Run a command to its end."""
        process = subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            env=self.environment | variables,
            check=False,
        )
        return CommandResult(process.returncode, process.stdout.decode(), process.stderr.decode())

    def mark_complete(self) -> "Tocsin":
        """Mark the tables in Redis complete, as `tocsin rebuild` and `tocsin dev` do."""

        async def mark() -> None:
            store = Store(self.settings.redis)
            try:
                await mark_complete(store)
            finally:
                await store.close()

        asyncio.run(mark())
        return self

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command that runs until the caller stops it."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )


def stderr_lines(process: "subprocess.Popen[bytes]") -> Sequence[str]:
    """Return the lines of stderr of a process that has ended."""
    assert process.stderr is not None
    return process.stderr.read().decode().splitlines()
