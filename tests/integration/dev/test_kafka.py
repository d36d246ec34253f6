"""The embedded broker: a real one, quick to start, on loopback only, and never left running."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError

from service.dev.errors import DevStackError
from service.dev.jars import kafka_jars
from service.dev.kafka import EmbeddedKafka


async def create_topic(bootstrap: str) -> str:
    topic = f"t-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    return topic


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_request_size=8_000_000,
        request_timeout_ms=10_000,
    )
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"g-{uuid4()}", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker that this module may kill."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


async def test_produced_records_are_consumed_by_a_group(kafka: str) -> None:
    """The broker serves a client right after its start: new topic, idempotent producer, consumer group."""
    topic = await create_topic(kafka)
    await produce(kafka, topic, b"1", b"2", b"3")

    assert await consume(kafka, topic, 3) == [b"1", b"2", b"3"]


async def test_accepts_one_megabyte_and_refuses_three(kafka: str) -> None:
    """The largest accepted message has 2 MiB."""
    topic = await create_topic(kafka)
    await produce(kafka, topic, b"x" * 1_500_000)
    with pytest.raises(MessageSizeTooLargeError):
        await produce(kafka, topic, b"x" * 3_000_000)


async def test_does_not_create_topics_automatically(kafka: str) -> None:
    """A metadata request for an unknown topic does not create it."""
    topic = f"typo-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        assert described["error_code"] == UnknownTopicOrPartitionError.errno
        assert topic not in await admin.list_topics()
    finally:
        await admin.close()


async def test_survives_sigkill_with_its_data(own: EmbeddedKafka) -> None:
    """A broker that was killed and started again has the same address and every acknowledged record."""
    topic = await create_topic(own.bootstrap)
    await produce(own.bootstrap, topic, b"kept")
    bootstrap, before = own.bootstrap, own.pid
    own.kill()
    assert own.pid is None
    own.start()

    assert own.bootstrap == bootstrap
    assert own.pid not in (None, before)
    assert await consume(bootstrap, topic, 1) == [b"kept"]


def test_listens_on_loopback_only(own: EmbeddedKafka) -> None:
    """Neither the broker nor its controller can be reached from outside."""
    assert own.pid is not None
    listening = [c for c in psutil.Process(own.pid).net_connections() if c.status == psutil.CONN_LISTEN]

    assert len(listening) >= 2
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_does_not_receive_the_terminals_ctrl_c(own: EmbeddedKafka) -> None:
    """The broker runs in its own session, so that only its parent receives Ctrl-C and stops it in order."""
    assert own.pid is not None
    assert os.getsid(own.pid) == own.pid != os.getsid(0)


def test_folder_of_another_broker_is_one_line(own: EmbeddedKafka) -> None:
    """A second broker on the same data fails with one line, and the first continues."""
    with pytest.raises(DevStackError, match="another stack is using") as caught:
        EmbeddedKafka(own.directory).start()

    assert "\n" not in str(caught.value)
    assert own.pid is not None


def test_a_second_start_and_stop_do_nothing(own: EmbeddedKafka) -> None:
    """start() on a running broker keeps it; stop() on a stopped one does nothing; it stops within `GRACE_S`."""
    pid = own.pid
    own.start()
    assert own.pid == pid
    own.stop()
    own.stop()
    assert own.pid is None
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_taken_port_names_port_and_setting(tmp_path: Path) -> None:
    """The error for a taken port is one line with the port and the setting that moves it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevStackError, match=f"port {port} .*TOCSIN_DEV__KAFKA_PORT") as caught:
            EmbeddedKafka(tmp_path, port).start()

    assert "\n" not in str(caught.value)


def test_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    """The error for a data folder that cannot be created names it and the option that selects another."""
    (tmp_path / "file").touch()
    with pytest.raises(DevStackError, match=r"cannot write to .*file/data; .*--data DIR") as caught:
        EmbeddedKafka(tmp_path / "file" / "data").start()

    assert "\n" not in str(caught.value)


def test_later_starts_need_no_network(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cached jars are used without a network."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert list(kafka_jars(pytest.fail).glob("kafka-clients-*.jar"))
