"""The embedded broker's configuration: one KRaft node on loopback, small and quick to start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.dev.ports import LOOPBACK

_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
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
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
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


def write_config(
    directory: Path,
    port: int,
    controller_port: int,
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
    text = _SERVER.format(host=LOOPBACK, listeners=listeners, controller_port=controller_port, data=data)
    server.touch(mode=0o600)  # before the text, which may hold a password
    server.write_text(text + tls_lines + "".join(f"{line}\n" for line in extra), "utf-8")
    logging.write_text(_LOGGING, "utf-8")
    return server, logging
