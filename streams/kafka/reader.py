"""How everything that is no stage reads: outside any consumer group, from the beginning, whatever a record holds."""

from aiokafka import AIOKafkaConsumer

from streams.kafka import aiokafka_patches as lenient
from streams.kafka.connection import KafkaConnection


def reader(connection: KafkaConnection) -> AIOKafkaConsumer:
    """A consumer that is not started and has nothing assigned. It sees only what was committed."""
    lenient.install()
    return AIOKafkaConsumer(
        **connection.arguments(),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
