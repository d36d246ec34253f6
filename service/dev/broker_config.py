"""The embedded broker's configuration: one KRaft node on loopback, small and quick to start."""

from pathlib import Path

from service.dev.ports import LOOPBACK

_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
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


def write_config(directory: Path, port: int, controller_port: int) -> tuple[Path, Path]:
    """Write the server and the logging configuration into `directory`; their paths."""
    server, logging = directory / "server.properties", directory / "log4j2.xml"
    data = str(directory / "data").replace("\\", "\\\\")
    server.write_text(
        _SERVER.format(host=LOOPBACK, port=port, controller_port=controller_port, data=data), "utf-8"
    )
    logging.write_text(_LOGGING, "utf-8")
    return server, logging
