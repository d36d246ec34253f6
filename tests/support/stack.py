"""The real Kafka and Valkey that a whole test run shares, started when a test first asks, stopped at its end.

Starting a broker takes seconds; a test that needs its own (to kill it) makes an `EmbeddedKafka` itself.
Isolation between tests is by topic and group names of their own on Kafka, and by FLUSHALL on Valkey.
TOCSIN_TEST_KAFKA (host:port) and TOCSIN_TEST_REDIS (URL) name running servers to use instead.
"""

import atexit
import functools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey


@dataclass(frozen=True)
class RunningKafka:
    """A broker that somebody else started."""

    bootstrap: str


@dataclass(frozen=True)
class RunningValkey:
    """A Valkey or Redis that somebody else started; its data are wiped by the tests."""

    url: str


@functools.cache
def shared_kafka() -> EmbeddedKafka | RunningKafka:
    """The run's broker, started."""
    if bootstrap := os.getenv("TOCSIN_TEST_KAFKA"):
        return RunningKafka(bootstrap)
    kafka = EmbeddedKafka(_scratch() / "kafka", progress=print)
    kafka.start()
    atexit.register(kafka.stop)
    return kafka


@functools.cache
def shared_valkey() -> EmbeddedValkey | RunningValkey:
    """The run's Valkey, started."""
    if url := os.getenv("TOCSIN_TEST_REDIS"):
        return RunningValkey(url)
    valkey = EmbeddedValkey(_scratch() / "valkey")
    valkey.start()
    atexit.register(valkey.stop)
    return valkey


@functools.cache
def _scratch() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="tocsin-tests-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # runs after the servers' own exits
    return directory
