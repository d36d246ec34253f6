"""The real Kafka and Valkey that a whole test run shares, started when they are first needed, stopped at its end.

Starting a broker takes seconds; a test that needs its own (to kill it) starts an `EmbeddedKafka` itself.
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
    """A broker that was started outside the test run."""

    bootstrap: str


@dataclass(frozen=True)
class RunningValkey:
    """A Valkey or Redis that was started outside the test run; the tests wipe its data."""

    url: str


@functools.cache
def shared_kafka() -> EmbeddedKafka | RunningKafka:
    """Return the run's broker; start it at the first call."""
    if bootstrap := os.getenv("TOCSIN_TEST_KAFKA"):
        return RunningKafka(bootstrap)
    kafka = EmbeddedKafka(_temporary_folder() / "kafka", progress=print)
    kafka.start()
    atexit.register(kafka.stop)
    return kafka


@functools.cache
def shared_valkey() -> EmbeddedValkey | RunningValkey:
    """Return the run's Valkey; start it at the first call."""
    if url := os.getenv("TOCSIN_TEST_REDIS"):
        return RunningValkey(url)
    valkey = EmbeddedValkey(_temporary_folder() / "valkey")
    valkey.start()
    atexit.register(valkey.stop)
    return valkey


@functools.cache
def _temporary_folder() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="tocsin-tests-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # runs after the servers' own exits
    return directory
