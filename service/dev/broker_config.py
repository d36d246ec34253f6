"""The embedded broker's configuration: a KRaft node on loopback, small and quick to start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.dev.ports import LOOPBACK

_SERVER = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners},CONTROLLER://{host}:{controller_port}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=2097152
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
"""

_TLS_LISTENER = """\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{username}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
"""
_MODULES = "org.apache.kafka.common.security"

_LOGGING = """\
<Configuration status="ERROR">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d %-5p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True)
class BrokerSecurity:
    """Access rules of a broker whose clients must use TLS and a password, by SCRAM-SHA-512 or PLAIN.

    `keystore` is a PEM file: the private key as PKCS #8 without a password, then its certificates. `plain_port` is
    the port of a listener with neither, for the broker itself.
    """

    keystore: Path
    username: str
    password: str
    plain_port: int


@dataclass(frozen=True, slots=True)
class KRaftNode:
    """A node of a cluster whose nodes are brokers and controllers at once.

    `controller_ports` are those of all nodes, from node 1 on. In a cluster of three or more, a record is on three nodes
    by default, and two must have it before it is acknowledged.
    """

    id: int
    cluster_id: str
    controller_ports: Sequence[int]

    @property
    def replicas(self) -> int:
        """Return the default replication factor."""
        return min(3, len(self.controller_ports))

    @property
    def min_insync_replicas(self) -> int:
        """Return the number of replicas that must have a record before it is acknowledged."""
        return max(1, self.replicas - 1)

    @property
    def voters(self) -> str:
        """Return the controllers, as `controller.quorum.voters` names them."""
        return ",".join(f"{n}@{LOOPBACK}:{port}" for n, port in enumerate(self.controller_ports, 1))


def write_config(
    directory: Path,
    port: int,
    node: KRaftNode,
    secured: BrokerSecurity | None = None,
    extra: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write the server and the logging configuration into `directory` and return their paths, in that order.

    Lines of `extra` come last and override the earlier ones.
    """
    server, logging = directory / "server.properties", directory / "log4j2.xml"
    data = str(directory / "data").replace("\\", "\\\\")
    listeners = f"PLAINTEXT://{LOOPBACK}:{secured.plain_port if secured else port}"
    tls_lines = ""
    if secured is not None:
        listeners += f",SASL_SSL://{LOOPBACK}:{port}"
        tls_lines = _TLS_LISTENER.format(
            modules=_MODULES,
            username=secured.username,
            password=secured.password,
            keystore=secured.keystore,
        )
    text = _SERVER.format(
        host=LOOPBACK,
        listeners=listeners,
        controller_port=node.controller_ports[node.id - 1],
        node=node.id,
        voters=node.voters,
        replicas=node.replicas,
        in_sync=node.min_insync_replicas,
        data=data,
    )
    server.touch(mode=0o600)  # before the text, which may hold a password
    server.write_text(text + tls_lines + "".join(f"{line}\n" for line in extra), "utf-8")
    logging.write_text(_LOGGING, "utf-8")
    return server, logging
